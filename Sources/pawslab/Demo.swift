import ArgumentParser
import Evidence
import Foundation
import Judging
import Lab
import LabFile
import MicroVM
import Model
import Report

struct Demo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "The LVS incident, told with packets: who is dropped, by which counter, and what each advice does.",
    discussion: """
      Runs on a kernel that still has tcp_tw_recycle, if one is stored (pawslab kernels add); else on a current one \
      with that setting emulated, and says so; where neither can be had, it shows what was recorded on a genuine \
      4.9.115. The last part runs on this machine's own kernel. Exit status as of run.
      """)

  @Flag(help: "Wait for the return key between the parts.")
  var pause = false

  @Flag(help: "Show what was recorded, even where such a kernel is stored.")
  var recorded = false

  @Option(help: "Write all that is shown to this file too, as an asciinema cast (version 2).")
  var record: String?

  /// Where the incident's cases come from.
  private enum Source {
    case genuine(Machine)
    case emulated(Machine)
    case recorded(RunFolder, name: String, Kernel)

    private static let emulation = TimeWaitRecycling.emulation

    var kernel: Kernel {
      switch self {
      case .genuine(let machine), .emulated(let machine): machine.kernel
      case .recorded(_, _, let kernel): kernel
      }
    }

    var words: TerminalText {
      switch self {
      case .genuine(let machine): "a genuine kernel, running now in a guest (\(machine.name))"
      case .emulated(let machine):
        """
        running now (\(machine.name)), with \(Self.emulation.subject) EMULATED: \(Self.emulation.removedIn) removed it, \
        \(Self.emulation.tool) brings its rule back.
        A genuine 4.9.115 does the same, as recorded: pawslab demo --recorded
        """
      case .recorded: "recorded on a genuine kernel (lab/recorded); it is not this machine's"
      }
    }
  }

  func run() async throws {
    let files = try LabFolder.find()
    let cases = try LabFiles.discover(paths: [files]).flatMap { try LabFiles.load(path: $0).cases() }
    let stage = try Stage(recordingTo: record, pausing: pause)
    let running = Running.fixed(jobs: nil)
    let lab = try running.lab()
    let machines = lab.machines
    var runner = lab.runner
    let source = try await source(files, machines, lab.hypervisor)
    let teller = Teller(cases: cases, lab: files, stage: stage)
    runner.onPackets = { _, packets in stage.add(packets) }

    let incident =
      "lvs-tw-recycle/topology=ipvs-fullnat,tw_recycle=%,timestamps=1,clock=behind,closer=server,family=ipv4"
    stage.part(
      "Two clients behind LVS",
      """
      Linux \(source.kernel.release): \(source.words)

        early  198.18.0.2 ---+
                             +--- hop: IPVS, VIP 198.19.255.1 ---- server 198.19.0.2
        late   198.18.1.2 ---+    and SNAT to 198.19.0.1     net.ipv4.tcp_tw_recycle=1

      Both clients look the same to the server: 198.19.0.1.
      late's TCP timestamps are ten minutes behind early's.
      """)

    stage.part("early is served, then late's SYNs go unanswered", "")
    let dropped = try await results(
      [incident.replacingOccurrences(of: "%", with: "1")], source, teller, runner, live: true)[0]
    stage.say("\n" + teller.noted(dropped, on: source.kernel) + "\n\(teller.story(dropped))\n")

    let moved = dropped.observation?.counters(of: Network.server) ?? [:]
    let emulated = source.kernel.emulation != nil
    let shown = [
      source.kernel.counting("TcpExt.PAWSPassive"), "TcpExt.ListenDrops",
      "TcpExt.PAWSEstab",
    ].map { "  \($0.padding(toLength: 20, withPad: " ", startingAt: 0)) +\(moved[$0] ?? 0)" }
    stage.part(
      "The counters on the server",
      """
      \(shown[0])   \(emulated ? "the emulation's own; genuine: TcpExt.PAWSPassive, " : "")"passive connections
                                 rejected because of time stamp"
      \(shown[1])   one for each SYN
      \(shown[2])   "packets rejects in established connections
                                 because of timestamp": the one that people
                                 look at stands still
      """)

    let served = try await results(
      [incident.replacingOccurrences(of: "%", with: "0")], source, teller, runner)[0]
    stage.part("One setting: tcp_tw_recycle=0", "\(teller.story(served))")

    let tried = try await results(
      Self.advice.map { "tw-mitigations/advice=\($0.0)" }
        + ["tw-recycle-flip/topology=ipvs-fullnat,tw_recycle=1,remedy=none"], source, teller, runner)
    func line(_ words: String, _ end: String) -> TerminalText {
      "  \(words.padding(toLength: 41, withPad: " ", startingAt: 0)) \(end)"
    }
    var lines = zip(Self.advice, tried).map { line($0.1, teller.outcome($1)) }
    lines.append(
      line(
        "server: tcp_timestamps=0, while it is up",
        "every recent client is \(tried.last?.judgement.attempts.last?.word ?? "?")"))
    stage.part(
      "The usual advice, each tried\(emulated ? " (emulated)" : "")", lines.joined(separator: "\n"))

    try await current(stage, machines, teller, runner)
    stage.part(
      "What to do",
      """
      On a server whose kernel still has it (before Linux 4.12):
        sysctl -w net.ipv4.tcp_tw_recycle=0
      On every server that many clients reach from one address (NAT, LVS):
        sysctl -w net.ipv4.tcp_rfc1337=0
      The same lines without "sysctl -w" in /etc/sysctl.d/ outlive a reboot. Leave
      tcp_timestamps as it is: what it mends on one side it breaks on another.

      Then, on the server, while clients connect: these must stand still.
        nstat -az TcpExtPAWSPassive TcpExtPAWSTimewait TcpExtListenDrops

      pawslab diagnose FILE...       is it this? From your capture and counters
      pawslab cure CASE              what else ends it, and whom that hurts
      pawslab claims                 each piece of advice, and what shows it
      pawslab explain --run CASE     any case, packet by packet
      """)
    try stage.end()
    if teller.verdicts.contains(.error) { throw ExitCode(3) }
    if teller.verdicts.contains(.fail) || !teller.verdicts.contains(.pass) { throw ExitCode(1) }
  }

  /// Runs cases side by side, or takes what was recorded.
  ///
  /// - Parameter live: whether the packets are shown as they pass; of what was recorded at the pace of then, to a
  ///   person who watches.
  private func results(
    _ ids: [String], _ source: Source, _ teller: Teller, _ runner: Runner, live: Bool = false
  ) async throws -> [CaseResult] {
    switch source {
    case .recorded(let folder, let name, let kernel):
      return try await ids.asyncMap { id in
        var result = try folder.load(id, kernel: name)
        if let seen = result.observation { result.judgement = judge(result.test, on: kernel, seen: seen) }
        if live {
          try await teller.stage.replay(
            result.observation?.packets ?? [], of: result.test.network, on: kernel)
        }
        return teller.counted(result)
      }
    case .genuine(let machine), .emulated(let machine):
      return try await teller.run(ids, on: machine, by: runner, live: live)
    }
  }

  /// The same failure without tcp_tw_recycle, on the host or in a guest.
  private func current(
    _ stage: Stage, _ machines: Machines, _ teller: Teller, _ runner: Runner
  ) async throws {
    let clash =
      "time-wait-clash/rfc1337=%,clock=behind,isn=ahead,timestamps=1,conntrack=flushed,family=ipv4,topology=snat"
    let machine: Machine
    if let host = try? await machines.host() {
      machine = host
    } else {
      machine = try await machines.named(Machines.fallback)
    }
    stage.part(
      "A current kernel, without tcp_tw_recycle: Linux \(machine.kernel.release)",
      "The NAT gives late the port that early has just used; the server's tcp_rfc1337=1.\n")
    let bad = try await teller.run(
      [clash.replacingOccurrences(of: "%", with: "1")], on: machine, by: runner, live: true)[0]
    let good = try await teller.run(
      [clash.replacingOccurrences(of: "%", with: "0")], on: machine, by: runner)[0]
    stage.say(
      """

      \(teller.noted(bad, on: machine.kernel))
      \(teller.story(bad))
      with tcp_rfc1337=0: \(teller.story(good))

      """)
  }

  private static let advice = [
    ("none", "(as it is)"), ("recycle-off", "tcp_tw_recycle=0"),
    ("reuse-instead", "tcp_tw_recycle=0, tcp_tw_reuse=1"),
    ("server-timestamps-off", "server: tcp_timestamps=0, from the start"),
    ("client-timestamps-off", "client: tcp_timestamps=0"),
  ]

  private func source(_ lab: String, _ machines: Machines, _ hypervisor: Hypervisor) async throws -> Source {
    if !recorded {
      for stored in hypervisor.store.all() where Hypervisor.canBoot {
        guard let known = hypervisor.probed(stored),
          known.perKernelSettings.contains(TimeWaitRecycling.setting)
        else {
          continue
        }
        return .genuine(Machine(name: stored.name, kernel: known, stored: stored))
      }
      if let machine = try? await machines.host().emulating(TimeWaitRecycling.emulation) {
        return .emulated(machine)
      }
      if Hypervisor.canBoot {
        do {
          if let machine = try await machines.named(Machines.fallback).emulating(TimeWaitRecycling.emulation)
          {
            return .emulated(machine)
          }
        } catch let failure as Failure {
          await Console.note("\(Machines.fallback) cannot be had: \(failure)")
        }
      }
    }
    let folder = try RunFolder(reading: lab + "/recorded/linux-4.9.115")
    guard let (name, kernel) = try folder.loadResults().kernels.first else {
      throw Failure(stage: "demo", object: lab + "/recorded", cause: "no kernel in it")
    }
    return .recorded(folder, name: name, kernel)
  }
}

/// Runs the demonstration's cases and puts what they came to into words.
private final class Teller {
  let stage: Stage
  private let cases: [Case]
  private let lab: String
  private(set) var verdicts: Set<Verdict> = []

  init(cases: [Case], lab: String, stage: Stage) {
    (self.cases, self.lab, self.stage) = (cases, lab, stage)
  }

  func counted(_ result: CaseResult) -> CaseResult {
    verdicts.insert(result.judgement.verdict)
    return result
  }

  func run(_ ids: [String], on machine: Machine, by runner: Runner, live: Bool = false) async throws
    -> [CaseResult]
  {
    let tests = try ids.map { id in
      guard let test = cases.first(where: { $0.id == id }) else {
        throw Failure(stage: "demo", object: id, cause: "no such case in \(lab)", mend: "set PAWSLAB_LAB")
      }
      return (test: test, machine: machine)
    }
    if live, let network = tests.first?.test.network {
      stage.begin(network, ticksPerSecond: machine.kernel.timestampTicksPerSecond)
    }
    let results = await runner.run(tests, onEvent: { _ in })
    if live { stage.finish() }
    return try ids.map { id in
      guard let result = results.first(where: { $0.test.id == id }) else { throw CancellationError() }
      return counted(result)
    }
  }

  /// What is remarked on single packets.
  func noted(_ result: CaseResult, on kernel: Kernel) -> TerminalText {
    guard let observation = result.observation else { return "  \(result.judgement.reason)" }
    let remarks = remarks(on: result.judgement, of: result.test, on: kernel, seen: observation)
    return Ladder(observation, lanes: Lanes(result.test.network), limit: .max, remarks: remarks).remarked
      .map { "  \($0)\n" }.joined()
  }

  func story(_ result: CaseResult) -> String {
    guard let late = result.judgement.attempts.last(where: { $0.attempt.label == "late" }) else {
      return result.judgement.reason
    }
    let time = String(format: "%.1f ms", late.milliseconds)
    let end = late.attempt.errno.map { "\($0) after \(time)" } ?? "in \(time)"
    return
      "late: \(late.word), \(late.syns) SYNs sent, \(late.synsAtServer) at the server, \(end). "
      + "Why: \(result.judgement.reason)"
  }

  func outcome(_ result: CaseResult) -> String {
    let late = result.judgement.attempts.last { $0.attempt.label == "late" }?.word ?? "?"
    let length = result.test.rules.first?.timeWait
    return "late \(late.padding(toLength: 10, withPad: " ", startingAt: 0)) TIME_WAIT "
      + (length == .recycled ? "3.5 RTO" : "60 s")
  }
}

extension Array {
  fileprivate func asyncMap<Result>(_ body: (Element) async throws -> Result) async rethrows -> [Result] {
    var results: [Result] = []
    for element in self { results.append(try await body(element)) }
    return results
  }
}

/// Where the demonstration is told: standard output, and perhaps a cast.
private final class Stage: @unchecked Sendable {
  private let lock = NSRecursiveLock()
  private let cast: FileHandle?
  private let pausing: Bool
  private let began = ContinuousClock.now
  private var parts = 0
  /// The packets that are being shown as they pass.
  private var ladder: LiveLadder?

  init(recordingTo path: String?, pausing: Bool) throws {
    self.pausing = pausing
    guard let path else {
      cast = nil
      return
    }
    guard FileManager.default.createFile(atPath: path, contents: nil),
      let file = FileHandle(forWritingAtPath: path)
    else { throw Failure(stage: "--record", object: path, cause: "cannot be written") }
    cast = file
    try file.write(contentsOf: Data("{\"version\": 2, \"width\": \(Columns.width), \"height\": 40}\n".utf8))
  }

  func part(_ title: TerminalText, _ text: TerminalText) {
    if pausing, parts > 0 {
      Console.write("\n[return] ", to: .standardOutput)
      _ = readLine()
    }
    parts += 1
    say("\n\(parts). \(title)\n" + (text == "" ? "" : "\n\(text)\n"))
  }

  func end() throws { try cast?.close() }

  /// Shows packets from here on.
  func begin(_ network: Network, ticksPerSecond: Int) {
    lock.withLock {
      ladder = LiveLadder(
        lanes: Lanes(network), ticksPerSecond: ticksPerSecond, width: Columns.width - 2)
    }
  }

  /// Packets that were captured just now.
  func add(_ packets: [Packet]) {
    lock.withLock { for line in ladder?.add(packets) ?? [] { say("  \(line)") } }
  }

  /// Shows what was held back, and no more packets.
  func finish() {
    lock.withLock {
      for line in ladder?.end() ?? [] { say("  \(line)") }
      ladder = nil
    }
  }

  /// Packets of an earlier run, on a terminal at the pace at which they passed.
  func replay(_ packets: [Packet], of network: Network, on kernel: Kernel) async throws {
    begin(network, ticksPerSecond: kernel.timestampTicksPerSecond)
    defer { finish() }
    guard Console.isTerminal else { return add(packets) }
    for (index, packet) in packets.enumerated() {
      if index > 0 {
        let pause = packet.time.subtracting(packets[index - 1].time)
        try await Task.sleep(for: .nanoseconds(pause))
      }
      add([packet])
    }
  }

  func say(_ text: TerminalText) {
    let lines: [TerminalText] = text.description.split(separator: "\n", omittingEmptySubsequences: false)
      .flatMap { Columns.fit(String($0)).map { "\($0)" } }
    let text = lines.joined(separator: "\n")
    lock.withLock {
      Console.print(text)
      guard let cast else { return }
      let time = began.duration(to: .now) / .seconds(1)
      let line = [time, "o", text.description.replacingOccurrences(of: "\n", with: "\r\n") + "\r\n"] as [Any]
      if let data = try? JSONSerialization.data(withJSONObject: line) {
        try? cast.write(contentsOf: data + Data("\n".utf8))
      }
    }
  }
}
