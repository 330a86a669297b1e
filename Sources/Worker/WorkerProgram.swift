import Evidence
import Linux
import Model
import Wire

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The worker: answers one request on standard input with events on standard output, then ends.
///
/// Synchronous and single-threaded from its first instruction: a network namespace belongs to a thread,
/// and a concurrency pool woken inside one would stay there.
public enum WorkerProgram {
  /// The program: the first process of a guest where its pid says so, `guard COMMAND...` beside QEMU, else a
  /// worker for one request.
  public static func program(_ arguments: [String]) -> Int32 {
    if Guest.isFirstProcess { return Init.main() }
    System.takeNiceOfParent()
    if arguments.dropFirst().first == "guard" { return Guard.run(Array(arguments.dropFirst(2))) }
    if arguments.dropFirst().first == "fuzz" { return fuzz(Array(arguments.dropFirst(2))) }
    return main()
  }

  /// Reads the request, carries it out, returns the exit status: 0 done, 3 the lab broke, 2 no request.
  public static func main() -> Int32 {
    Stream.ignoreBrokenPipes()
    var stopwatch = Stopwatch()
    let request: WorkerRequest
    do { request = try WorkerProtocol.request(in: Data((readLine() ?? "").utf8)) } catch {
      emit(.failure(error))
      return 2
    }
    do {
      try carryOut(request, stopwatch.lap("request"))
      return 0
    } catch {
      emit(.failure(Failure(error, stage: "worker", object: "request")))
      return 3
    }
  }

  /// Codes and decodes once, so that what the runtime looks up on the way (protocol conformances, metadata) is
  /// known to every worker that is forked from here on.
  static func warmUp() {
    let client = Client(name: "a", group: "a", clock: .offset(milliseconds: 1), isn: .ahead)
    let hop = Hop(nat: .snat, backend: .auto, ports: 1...2, random: .none, dropInvalid: false)
    let expectation = Expectation(.dropped, by: "hop")
    let test = Case(
      id: "a", scenario: "a", title: "", why: "", axes: [AxisValue(axis: "a", value: "b")],
      network: Network(topology: .snat, family: .ipv4, clients: [client], hop: hop),
      settings: ["a": ["b": "c"]],
      workload: [
        .connect(.init(client: "a", label: "a", closes: .client, times: 1, again: 0)), .flush(.conntrack),
      ],
      rules: [
        Rule(
          kernel: [KernelCondition(capability: .feature(.ipvs), present: true)], outcomes: ["a": expectation],
          because: "")
      ])
    let kernel = Kernel(
      release: "", machine: "", capabilities: [.feature(.ipvs), .setting("tcp_sack")],
      perKernelSettings: ["a"],
      timestampTicksPerSecond: 1, privilege: .root, missing: ["a": "b"])
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // Whether a step can be performed is asked of its type's conformances.
    for type in Step.verbs.values { _ = type is any Performable.Type }
    if let line = try? WorkerProtocol.line(.run(test, kernel)) {
      _ = try? WorkerProtocol.request(in: Data(line))
    }
    var observation = Observation(caseID: "a")
    observation.attempts = [
      Attempt(
        id: 0, step: 0, label: "a", kind: .connect, client: "a", local: "b", remote: "c", isn: 1, began: 0,
        ended: 0,
        calls: 1, errno: "E")
    ]
    observation.countersAfter = ["a": ["b": 1]]
    observation.settings = ["a": ["b": "c"]]
    observation.sockets = [SocketCensus(step: 0, node: "a", states: ["b": 1])]
    observation.clockReference = ClockReference(time: 0, ticks: 0, ticksPerSecond: 1)
    observation.clockChanges = [ClockChange(client: "a", time: 0, ticks: 1)]
    observation.timings = [Timing(part: "a", milliseconds: 0.5)]
    _ = try? encoder.encode(WorkerEvent.packets(Data([1, 2, 3])))
    _ = try? encoder.encode(WorkerEvent.observation(observation))
  }

  private static func carryOut(_ request: WorkerRequest, _ read: Timing) throws {
    var gained = try Privilege.gain()
    switch request {
    case .probe:
      emit(.kernel(try Probe.kernel(privilege: gained.privilege)))
    case .run(let test, let kernel):
      emit(.observation(try run(test, on: kernel, in: gained.namespace.take(), read)))
    case .crossCheck(let test, let kernel):
      var reader: SecondReader?
      let observation = try run(test, on: kernel, in: gained.namespace.take(), read) { testbed in
        let made = try SecondReader(testbed)
        reader = made
        return made
      }
      if let reader { emit(.crossChecked(observation, try reader.finish())) }
    case .countCalls(let test, let kernel, let functions):
      var reading: FunctionReading?
      let observation = try run(test, on: kernel, in: gained.namespace.take(), read, counting: functions) {
        reading = $0
      }
      if let reading { emit(.counted(observation, reading)) }
    case .hold(let test, let kernel, let commands):
      for (path, text) in commands.sorted(by: { $0.key < $1.key }) {
        try Guest.write(program: text, at: path)
      }
      try hold(test, on: kernel, in: gained.namespace.take())
    case .benchmarkSetup(let test, let kernel, let times):
      for _ in 0..<times { emit(.timings(try Testbed(test, on: kernel).timings)) }
      emit(.done)
    }
  }

  /// A network for somebody to look at and to step through. It ends with our standard input, or with us; and with it what
  /// was started in the keeper's PID namespace, and at an orderly end what was started in the network by another way.
  private static func hold(
    _ test: Case, on kernel: Kernel, in namespace: consuming NetworkNamespace?
  ) throws {
    let loop = EventLoop()
    let testbed = try Testbed(test, on: kernel, first: namespace)
    defer { testbed.endCapture() }
    let recorder = try Recorder(testbed, loop: loop, emit: emit)
    let workload = try Workload(test, on: testbed, recorder: recorder, loop: loop, emit: emit)
    let stepping = try Stepping(workload, emit: emit)
    let inodes = try Set(testbed.nodes.map { try $0.namespace.inode })
    var over = false
    loop.watch(0, Poll.readable) {
      let bytes = (try? Guest.readAvailable(0)) ?? []
      guard bytes.isEmpty else { return stepping.pass(bytes) }
      over = true
      loop.forget(0)
      // Nobody waits any more for what is being done.
      guard stepping.isBusy else { return }
      NetworkNamespace.killProcesses(in: inodes)
      Stream.exitNow(0)
    }
    let keeper: Int32
    do { keeper = try ProcessKeeper.start() } catch { throw Failure(error, stage: "shell", object: test.id) }
    // Looking for those that came by another way (below) takes the right to look at processes with more rights.
    do {
      try Confinement.keep(only: Privilege.needed(by: test, on: kernel).union([.sysAdmin, .sysPtrace]))
    } catch {
      throw Failure(error, stage: "confinement", object: "worker")
    }
    emit(
      .held(
        testbed.nodes.map {
          HeldNode(
            name: $0.name, path: "/proc/\(System.processID)/fd/\($0.namespace.fileDescriptor)")
        }, keeper: keeper, steps: stepping.pipes))
    while !over {
      try? loop.run(
        until: { over || stepping.isAsked }, awaiting: "the end of standard input", within: 3_600_000,
        interval: 60_000)
      if !over { stepping.serve() }
    }
    NetworkNamespace.killProcesses(in: inodes)
  }

  /// `beside` may begin a second reading once the network is there; it ends where the first does. `counted` is told how
  /// often the steps alone have called the functions, if any.
  private static func run(
    _ test: Case, on kernel: Kernel, in namespace: consuming NetworkNamespace?, _ read: Timing,
    beside: (Testbed) throws -> SecondReader? = { _ in nil },
    counting functions: [String] = [], counted: (FunctionReading) -> Void = { _ in }
  ) throws -> Observation {
    let loop = EventLoop()
    // The lab keeps our standard input open for as long as it lives.
    loop.watch(0, Poll.readable) { if Stream.hasEnded(0) { Stream.exitNow(4) } }
    emit(.stage("testbed"))
    let testbed = try Testbed(test, on: kernel, first: namespace)
    defer { testbed.endCapture() }
    let second = try beside(testbed)
    var stopwatch = Stopwatch()
    let recorder = try Recorder(testbed, loop: loop, emit: emit)
    do {
      let workload = try Workload(test, on: testbed, recorder: recorder, loop: loop, emit: emit)
      if test.needs.runsPrograms {
        do { workload.keeper = try ProcessKeeper() } catch {
          throw Failure(error, stage: "exec", object: test.id)
        }
      }
      let calls = functions.isEmpty ? nil : try FunctionCalls(of: functions)
      try Privilege.drop(after: test, on: kernel)
      emit(.stage("workload"))
      try recorder.before()
      let prepared = stopwatch.lap("captures")
      let before = try calls?.read()
      try workload.run()
      if let calls, let before {
        let after = try calls.read()
        counted(
          FunctionReading(
            calls: after.merging(before) { after, before in after - before }, uncounted: calls.uncounted))
      }
      let worked = stopwatch.lap("workload")
      emit(.stage("evidence"))
      try loop.drain()
      while true {
        let observation = try recorder.finish(timings: [read, prepared, worked], &stopwatch)
        // What is sent again and again after the workload would be in one reading and not in the other.
        guard let second, try !recorder.isQuiet(while: second.read) else { return observation }
      }
    } catch {
      // What broke is looked for in what was seen until then.
      emit(.seen(recorder.soFar()))
      throw error
    }
  }

  /// Written whole: a killed process loses nothing that it said.
  private static func emit(_ event: WorkerEvent) {
    // A lab that is gone cannot be told; end of file on standard input ends us.
    try? Stream.write(1, line(event))
  }

  /// One line of JSON. What cannot be coded becomes the failure that says so: an answer that is left out would look
  /// like a worker that died.
  static func line(_ event: WorkerEvent) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    do { return [UInt8](try encoder.encode(event)) + [UInt8(ascii: "\n")] } catch {
      let failure = Failure(stage: "worker", object: "answer", cause: "it cannot be coded: \(error)")
      // Four strings.
      return [UInt8]((try? encoder.encode(WorkerEvent.failure(failure))) ?? Data()) + [UInt8(ascii: "\n")]
    }
  }
}
