import Evidence
import Foundation
import Judging
import Lab
import LabFile
import MicroVM
import Model
import Report
import TestSupport
import Testing
import Wire

/// Guests in whose time nothing comes from outside.
@Suite(
  .serialized,
  .enabled(if: Needs.met(canBoot), "SKIPPED: needs QEMU, debian-12 in the cache, and $PAWSLAB_STATIC_WORKER"),
  .timeLimit(.minutes(5)))
struct VirtualTimeTests {
  private let worker = staticWorker ?? ""

  private func lab(
    _ store: KernelStore = KernelStore(), _ change: (inout Hypervisor.Additions) -> Void = { _ in }
  ) async throws -> (runner: Runner, machine: Machine) {
    var additions = Hypervisor.Additions()
    change(&additions)
    let hypervisor = Hypervisor(store: store, worker: worker, additions: additions)
    let runner = Runner(worker: worker, hypervisor: hypervisor)
    let stored = try #require(store.entry(Machines.fallback))
    return (runner, Machine(name: stored.name, kernel: try await runner.probe(stored), stored: stored))
  }

  private func test(_ yaml: String) throws -> Case {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).yaml")
    try yaml.write(to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    return try #require(try LabFiles.load(path: file.path).cases().first)
  }

  private static let natural = """
    title: A port is used again
    why: tcp_timewait_state_process takes a SYN with a later stamp.
    topology: {kind: snat, hop: {ports: 40000-40000}}
    clients: {early: {isn: natural}, late: {isn: natural}}
    workload:
      - {connect: early, closes: server}
      - {connect: late}
    expect:
      - otherwise: true
        early: connected
        late: connected
        because: whatever it is, it is the same
    """

  private func run(_ tests: [(test: Case, machine: Machine)], by runner: Runner) async -> [CaseResult] {
    await runner.run(tests, onEvent: { _ in })
  }

  /// The packets, counters and stamps of a case are the same to the byte beside a load, and others from another seed.
  @Test func aCaseIsAFunctionOfItsSeed() async throws {
    let (runner, machine) = try await lab()
    let test = try test(Self.natural)
    func seen(seed: UInt64) async throws -> CaseResult {
      let result = try #require(
        await run([(test, machine.inTime(.virtual(seed: seed)))], by: runner).first)
      #expect(result.observation != nil, "\(result.judgement.reason)")
      return result
    }
    let quiet = try await seen(seed: 1)
    let busy = try await withThrowingTaskGroup(of: CaseResult?.self) { group in
      let isOver = Flag()
      for _ in 0..<4 {
        group.addTask {
          // A thread of its own: a loop in the pool would hold up what waits for it.
          await withCheckedContinuation { done in
            Thread.detachNewThread {
              while !isOver.isSet {}
              done.resume()
            }
          }
          return nil
        }
      }
      group.addTask {
        defer { isOver.set() }
        return try await seen(seed: 1)
      }
      var found: CaseResult?
      for try await result in group { found = result ?? found }
      return try #require(found)
    }
    let exact = try #require(quiet.exact)
    #expect(busy.exact == exact)
    if let then = quiet.observation, let now = busy.observation {
      #expect(try FirstDifference.between(then, now) == nil)
    }
    let other = try await seen(seed: 2)
    #expect(other.exact?.origin == exact.origin)
    #expect(other.exact?.digest != exact.digest)
    let sequences = [quiet, other].map { result in
      Set((result.observation?.packets ?? []).compactMap(Segment.init).filter(\.isSYN).map(\.sequence))
    }
    #expect(sequences[0].isDisjoint(with: sequences[1]))
  }

  /// Two clients draw one of two ports at once. The smallest seed with which both draw the same shows it again, to the byte.
  @Test func theSmallestSeedOfARaceShowsItAgain() async throws {
    let (runner, machine) = try await lab()
    try #require(
      machine.kernel.has(.nftQueue),
      "the stored debian-12 lacks nft_queue: pawslab kernels remove debian-12, and fetch it again")
    let test = try test(
      """
      title: Two draw from two ports at once
      why: nf_nat_l4proto_unique_tuple looks among what is confirmed.
      topology: {kind: snat, hop: {ports: 40000-40001, random: fully}}
      clients: {client: {count: 2}}
      workload:
        - {burst: client, held: hop, closes: nobody}
      expect:
        - otherwise: true
          client: predicted by nat-race
          because: who is confirmed second is dropped
      """)
    func seen(_ seed: UInt64) async throws -> (result: CaseResult, clashes: Bool) {
      let result = try #require(
        await run([(test, machine.inTime(.virtual(seed: seed)))], by: runner).first)
      let syns = try #require(result.observation).packets.compactMap(Segment.init).count {
        $0.isSYN && !$0.outgoing
      }
      let lost = result.observation?.counters(of: "hop")["conntrack.insert_failed"] ?? 0
      #expect((lost == 1) == (result.judgement.verdict == .pass), "\(result.judgement.reason)")
      #expect(syns == 2)
      return (result, lost > 0)
    }
    var first: (seed: UInt64, result: CaseResult)?
    var spares = false
    // Each of these is a coin that is thrown once for all as long as kernel and worker are the same.
    for seed: UInt64 in 0..<24 where first == nil || !spares {
      let (result, clashes) = try await seen(seed)
      if clashes { first = first ?? (seed, result) } else { spares = true }
    }
    let smallest = try #require(first, "24 throws of a coin, and always the same side")
    #expect(spares)
    let again = try await seen(smallest.seed)
    #expect(again.clashes)
    #expect(again.result.exact == smallest.result.exact)
  }

  /// A minute of TIME_WAIT passes in the guest, and nobody waits for it.
  @Test func aMinutePasses() async throws {
    let (runner, machine) = try await lab()
    let test = try test(
      """
      title: TIME_WAIT is over after a minute
      why: TCP_TIMEWAIT_LEN is 60 s.
      topology: {kind: direct}
      clients: {client: {}}
      workload:
        - {connect: client, closes: server}
        - wait: 61
        - {connect: client, as: later}
      expect:
        - otherwise: true
          client: connected
          later: connected
          because: the port is free again
      """)
    #expect(test.needs.isSlow)
    let began = ContinuousClock.now
    let result = try #require(await run([(test, machine.inTime(.virtual(seed: 0)))], by: runner).first)
    #expect(result.judgement.verdict == .pass, "\(result.judgement.reason)")
    #expect(try #require(result.guestSeconds) > 61)
    // Not one of time but of kind: a minute did not pass here.
    #expect(began.duration(to: .now) < .seconds(50))
    let attempts = try #require(result.observation?.attempts)
    #expect(attempts[1].began - attempts[0].ended > 61_000_000_000)
  }

  /// A kernel has been up for a second when its cases begin: before that it takes what came with a timestamp for what
  /// came without, and TIME_WAIT refuses nothing by it. debian-11 boots in less.
  @Test(arguments: ["debian-11", Machines.fallback].compactMap(KernelStore().entry))
  func aSecondIsOverBeforeACaseBegins(_ stored: StoredKernel) async throws {
    let answer = try await Hypervisor(store: KernelStore(), worker: worker).saved(stored)
      .answer([], seed: 0, within: 60)
    let words = try #require(answer.frames.first).payload.split(separator: UInt8(ascii: " "))
    let clock = try #require(words.last.flatMap { Int(String(decoding: $0, as: UTF8.self)) })
    #expect(clock > 1_000_000_000, "\(stored.name) was saved \(clock) ns after its start")
  }

  /// What is kept of a guest is looked at before it is believed, and made anew where it is spoilt.
  @Test func aSpoiltSavedGuestIsMadeAnew() async throws {
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID())")
    defer { try? FileManager.default.removeItem(at: scratch) }
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    for part in ["kernels", "probes"] {
      try? FileManager.default.copyItem(
        at: KernelStore().root.appendingPathComponent(part), to: scratch.appendingPathComponent(part))
    }
    let store = KernelStore(root: scratch)
    let test = try test(Self.natural)
    func seen() async throws -> CaseResult {
      let (runner, machine) = try await lab(store)
      let result = try #require(await run([(test, machine.inTime(.virtual(seed: 0)))], by: runner).first)
      #expect(result.exact != nil, "\(result.judgement.reason)")
      return result
    }
    let first = try await seen()
    let memory = scratch.appendingPathComponent("saved/debian-12/memory")
    let file = try FileHandle(forUpdating: memory)
    try file.seek(toOffset: 1 << 20)
    try file.write(contentsOf: Data(repeating: 0x5a, count: 4096))
    try file.close()
    let spoilt = try Data(contentsOf: memory)
    // Booted again, perhaps on a busy machine: the same all the same.
    let second = try await seen()
    #expect(second.exact == first.exact)
    if let then = first.observation, let now = second.observation {
      #expect(try FirstDifference.between(then, now) == nil)
    }
    #expect(try Data(contentsOf: memory) != spoilt)
  }

  /// Where it cannot be, that is said, and the case runs in this machine's time.
  @Test func withoutItsOwnTimeAGuestHasThisMachines() async throws {
    let said = Notes()
    var (runner, machine) = try await lab { $0.qemu = ["-icount", "shift=auto,sleep=off,align=on"] }
    runner.say = { await said.add($0) }
    let test = try test(Self.natural)
    let result = try #require(await run([(test, machine.inTime(.virtual(seed: 0)))], by: runner).first)
    #expect(result.exact == nil)
    let notes = await said.all
    #expect(notes.contains { $0.hasPrefix("debian-12 has no time of its own here") }, "\(notes)")
  }

  /// Runs cases from three seeds with another program in QEMU's place, twice with one runner, and returns what was said of
  /// the time: the cases are judged all the same, in this machine's.
  ///
  /// - Parameter script: of sh(1); `$real` is QEMU.
  private func saidOfTime(inPlaceOfQEMU script: String) async throws -> [String] {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = ProcessInfo.processInfo.environment["PATH", default: "/usr/bin:/bin"]
    let real = try #require(Needs.program("qemu-system-x86_64"))
    let own = folder.appendingPathComponent("qemu-system-x86_64").path
    try "#!/bin/sh\nreal=\(real)\n\(script)\n".write(toFile: own, atomically: true, encoding: .utf8)
    for file in [own, folder.path] {
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
    }
    setenv("PATH", folder.path + ":" + path, 1)
    defer { setenv("PATH", path, 1) }
    let said = Notes()
    var (runner, machine) = try await lab()
    runner.say = { await said.add($0) }
    let test = try test(Self.natural)
    for _ in 0..<2 {
      let results = await run((1...3).map { (test, machine.inTime(.virtual(seed: $0))) }, by: runner)
      #expect(results.count == 3)
      for result in results {
        #expect(result.judgement.verdict != .error, "\(result.judgement.reason)")
        #expect(result.observation != nil && result.exact == nil && result.seed == nil)
      }
    }
    return await said.all.filter { $0.contains("no time of its own here") }
  }

  /// A QEMU that knows no counted time, as one that was built without TCG: its words are told, once for all cases.
  @Test func aQEMUWithoutCountedTimeIsSaidOnce() async throws {
    let notes = try await saidOfTime(
      inPlaceOfQEMU: """
        for word; do
          if [ "$word" = -icount ]; then echo "-icount: no such thing here" >&2; exit 1; fi
        done
        exec $real "$@"
        """)
    #expect(notes.count == 1, "\(notes)")
    #expect(notes.first?.contains("-icount: no such thing here") == true, "\(notes)")
  }

  /// A kernel whose boots never end as on an idle machine is not believed to have a time of its own. What boots and says so
  /// is no guest here: sixteen real ones that are disturbed take minutes.
  @Test func aKernelWhoseBootsAreAllDisturbedIsSaidOnce() async throws {
    let notes = try await saidOfTime(
      inPlaceOfQEMU: """
        for word; do
          case $word in
            -incoming) saved=yes ;;
            file,id=port,path=*) port=${word##*/} ;;
          esac
        done
        [ -n "$port" ] || exec $real "$@"
        order() { read -r line; echo '{"return": {}}'; }
        say() { printf '0 h %d\\n%s' "${#1}" "$1" >&$port; }
        echo '{"QMP": {}}'
        order
        # From where it was saved it says how long it stood, how long its tick is, and what its clock showed.
        if [ -n "$saved" ]; then order; say "4000063 4000000 2412002779"; exit 1; fi
        say "6.1.0 \(WorkerProtocol.version)"
        echo '{"event": "STOP"}'
        order
        order
        """)
    #expect(notes.count == 1, "\(notes)")
    #expect(notes.first?.contains("none of 16 boots ended as on an idle machine") == true, "\(notes)")
  }

  private actor Notes {
    private(set) var all: [String] = []
    func add(_ note: String) { all.append(note) }
  }

  private final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var value = false
    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
  }
}
