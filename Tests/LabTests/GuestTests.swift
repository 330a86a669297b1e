import Foundation
import Judging
import Lab
import LabFile
import MicroVM
import Model
import Report
import Testing
import TestSupport

/// Real guests: what works, what breaks.
@Suite(
  .serialized,
  .enabled(if: Needs.met(canBoot), "SKIPPED: needs QEMU, debian-12 in the cache, and $PAWSLAB_STATIC_WORKER"),
  .timeLimit(.minutes(5)))
struct GuestTests {
  private let worker = staticWorker ?? ""

  private actor Log {
    private(set) var retries: [String] = []
    func note(_ event: Hypervisor.Event) {
      if case .retry(_, let failure) = event { retries.append("\(failure)") }
    }
  }

  private func stored() throws -> StoredKernel { try #require(KernelStore().entry(Machines.fallback)) }

  private func hypervisor(
    store: KernelStore = KernelStore(), log: Log = Log(),
    _ change: (inout Hypervisor.Additions) -> Void = { _ in }
  ) -> Hypervisor {
    var additions = Hypervisor.Additions()
    change(&additions)
    return Hypervisor(store: store, worker: worker, additions: additions) { await log.note($0) }
  }

  private func cases(_ pattern: String, count: Int) throws -> [Case] {
    let scenarios = try LabFiles.discover(paths: [ProgramTests.repository + "/lab"]).map {
      try LabFiles.load(path: $0)
    }
    return Array(try Scenario.select(from: scenarios, settings: [], patterns: [pattern]).prefix(count))
  }

  private func machine(_ hypervisor: Hypervisor) async throws -> (Runner, Machine) {
    let runner = Runner(worker: worker, hypervisor: hypervisor)
    let stored = try stored()
    return (runner, Machine(name: stored.name, kernel: try await runner.probe(stored), stored: stored))
  }

  // MARK: what works

  @Test func aDirectorServesAndEvidenceComesBack() async throws {
    let (runner, machine) = try await machine(hypervisor())
    #expect(machine.kernel.has(.ipvs))
    #expect(machine.kernel.capabilities.contains(.setting("vs.conn_reuse_mode")))
    let tests = try cases("ipvs-source/topology=ipvs-*,servers=3,family=ipv4", count: 8)
    #expect(tests.count == 4)
    let results = await runner.run(tests.map { ($0, machine) }, onEvent: { _ in })
    for result in results {
      #expect(result.judgement.verdict == .pass, "\(told(result, on: machine.kernel))")
      #expect(result.observation?.packets.isEmpty == false)
      #expect(result.kernel == "debian-12")
    }
  }

  /// A tree as its build leaves it, of the stored kernel's files: modules in place under their source folders, and a list.
  @Test func aTreeBootsWhereItLies() async throws {
    let stored = try stored()
    let files = KernelStore().root.appendingPathComponent("kernels/\(stored.name)")
    let tree = FileManager.default.temporaryDirectory.appendingPathComponent("tree-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: tree) }
    var order = ""
    for bundle in stored.bundles where ["boot", "base"].contains(bundle.name) {
      for file in bundle.files {
        let folder = tree.appendingPathComponent("drivers/\(bundle.name)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
          at: files.appendingPathComponent("modules/\(file)"), to: folder.appendingPathComponent(file))
        order += "drivers/\(bundle.name)/\(file.dropLast(3)).o\n"
      }
    }
    try Data(order.utf8).write(to: tree.appendingPathComponent("modules.order"))
    let boot = tree.appendingPathComponent("arch/x86/boot")
    try FileManager.default.createDirectory(at: boot, withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      at: files.appendingPathComponent("vmlinux"), to: boot.appendingPathComponent("bzImage"))
    let store = KernelStore()
    let kernel = try await store.takeAside(tree.path)
    let names = store.all().map(\.name)
    #expect(names == KernelStore().all().map(\.name) && !names.contains(kernel.name))
    let guest = try await hypervisor(store: store).boot(kernel)
    let release = await guest.boot?.release
    await guest.stop()
    // Without its modules it could not have said anything.
    #expect(release == stored.release)
  }

  /// The rule that 4.12 removed, brought back: case by case what a genuine 4.9.115 did, and never called that.
  @Test func theEmulationDoesWhatTheGenuineKernelDid() async throws {
    let (runner, machine) = try await machine(hypervisor())
    let why = machine.kernel.missing["tw-recycle-emulation"] ?? ""
    let emulating = machine.emulating(TimeWaitRecycling.emulation)
    let emulated = try #require(emulating, "\(why)")
    let folder = try RunFolder(reading: RecordedTests.folder)
    let saved = try folder.loadResults()
    // By the counters that are looked at now.
    let kernel = try #require(saved.kernels["linux-4.9"])
    let judged = try saved.cases.map { entry in
      var result = try folder.load(entry.id, kernel: "linux-4.9")
      let seen = try #require(result.observation)
      result.judgement = judge(result.test, on: kernel, seen: seen)
      // Counted when the timer of a recycled TIME_WAIT is armed (__inet_twsk_schedule), which the emulation does not.
      result.judgement.witnesses.removeAll {
        if case .counter(_, "TcpExt.TWKilled") = $0.subject { true } else { false }
      }
      return result
    }
    let genuine = Results(judged, kernels: ["linux-4.9": kernel], seconds: 0)
    let cases = try cases("*", count: 10_000)
    let tests = genuine.cases.compactMap { entry in cases.first { $0.id == entry.id } }
    #expect(tests.count == genuine.cases.count)
    let results = await runner.run(tests.map { ($0, emulated) }, onEvent: { _ in })
    for result in results {
      #expect(result.judgement.verdict == .pass, "\(told(result, on: emulated.kernel))")
      #expect(result.emulation == TimeWaitRecycling.emulation)
      #expect(result.kernel == "debian-12-emulated")
    }
    let own = Results(results, kernels: [emulated.name: emulated.kernel], seconds: 0)
    #expect(own.summary.pass == 0)
    #expect(own.summary.emulated?.pass == tests.count)
    let differences = Difference.all(
      genuine.cases + own.cases, between: ["linux-4.9", emulated.name], skips: true)
    #expect(differences.isEmpty, "\(Difference.lines(differences, kernels: [:]).joined(separator: "\n"))")
    // Its own counter and its own cache are witnesses as the kernel's are.
    let dropped = try #require(
      results.first { $0.judgement.attempts.contains { $0.expected.mechanism == "recycle" } })
    var seen = try #require(dropped.observation)
    #expect(seen.settings["server"]?["tcp_tw_recycle"] == "1 (emulated)")
    seen.countersAfter["server"]?["emulated.PAWSPassive"] = nil
    #expect(judge(dropped.test, on: emulated.kernel, seen: seen).verdict == .fail)
    seen = try #require(dropped.observation)
    seen.stamps = []
    #expect(judge(dropped.test, on: emulated.kernel, seen: seen).verdict == .fail)
  }

  // MARK: what breaks

  @Test func aPanicIsAnErrorWithItsLastLinesAfterOneMoreTry() async throws {
    let log = Log()
    let failure = await #expect(throws: Failure.self) {
      try await hypervisor(log: log) { $0.append = ["rdinit=/nothing", "init=/nothing"] }.boot(try stored())
    }
    #expect(failure?.cause.contains("Kernel panic - not syncing") == true, "\(failure?.cause ?? "")")
    #expect(await log.retries.count == 1)
  }

  @Test func aGuestThatNeverAnswersIsGivenUp() async throws {
    let failure = await #expect(throws: Failure.self) {
      try await hypervisor {
        $0.qemu = ["-S"]
        $0.bootDeadline = 2
      }.boot(try stored())
    }
    #expect(failure?.cause.hasPrefix("no hello within 2 s") == true, "\(failure?.cause ?? "")")
  }

  @Test func aQEMUThatRefusesSaysWhy() async throws {
    let failure = await #expect(throws: Failure.self) {
      try await hypervisor { $0.qemu = ["-device", "no-such-device"] }.boot(try stored())
    }
    #expect(failure?.cause.contains("no-such-device") == true, "\(failure?.cause ?? "")")
  }

  @Test func tooLittleMemoryIsSaidByTheKernel() async throws {
    let failure = await #expect(throws: Failure.self) {
      try await hypervisor { $0.megabytes = 96 }.boot(try stored())
    }
    #expect(failure?.cause.contains("last lines of its console") == true, "\(failure?.cause ?? "")")
  }

  @Test func aModuleThatIsNoneIsAnErrorOfTheCasesThatNeedIt() async throws {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent("store-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    let store = KernelStore(root: root)
    try FileManager.default.createDirectory(
      at: root.appendingPathComponent("kernels"), withIntermediateDirectories: true)
    let folder = root.appendingPathComponent("kernels/debian-12")
    try FileManager.default.copyItem(
      at: KernelStore().root.appendingPathComponent("kernels/debian-12"), to: folder)
    try Data("no module".utf8).write(to: folder.appendingPathComponent("modules/veth.ko"))
    // The digest stands against that first.
    let spoilt = await #expect(throws: Failure.self) { try await hypervisor(store: store).boot(try stored()) }
    #expect(spoilt?.cause.contains("veth.ko is not what was stored") == true, "\(spoilt?.cause ?? "")")
    let manifest = folder.appendingPathComponent("manifest.json")
    var kernel = try JSONDecoder().decode(StoredKernel.self, from: Data(contentsOf: manifest))
    kernel.digests["modules/veth.ko"] = nil
    let guest = try await hypervisor(store: store).boot(kernel)
    let cause = try await guest.exchange(.request, Array("base\n{}\n".utf8), within: 20) { _ in }
    #expect(cause?.contains("finit_module(/modules/veth.ko)") == true, "\(cause ?? "")")
    await guest.stop()
  }

  @Test func aWorkerThatDiesIsOneErrorAndTheGuestGoesOn() async throws {
    let guest = try await hypervisor().boot(try stored())
    // Nothing comes after the request's first line, so the worker waits for it until it is killed.
    let cause = try await guest.exchange(.request, Array("base\n{".utf8), within: 1) { _ in }
    #expect(cause == "no answer within 1 s")
    let gibberish = try await guest.exchange(.request, Array("base\ngibberish\n".utf8), within: 20) { _ in }
    #expect(gibberish == "exit status 2")
    await guest.stop()
    #expect(await guest.processorSeconds ?? 0 > 0)
  }

  @Test func whenQEMUDiesItsCasesAreErrorsAndTheOthersGoOnInANewGuest() async throws {
    let (runner, machine) = try await machine(hypervisor())
    // These wait three seconds for a client to give up, eight at a time.
    let tests = try cases("time-wait-clash/rfc1337=1,clock=behind*", count: 10)
    let killed = Killed()
    let results = await runner.run(tests.map { ($0, machine) }) { event in
      if case .started = event, await killed.first() { signalFirstGuest(SIGKILL) }
    }
    #expect(results.count == tests.count)
    let errors = results.filter { $0.judgement.verdict == .error }
    #expect(!errors.isEmpty)
    #expect(
      errors.allSatisfy { $0.judgement.reason.contains("QEMU ended") },
      "\(errors.first?.judgement.reason ?? "")")
    #expect(results.contains { $0.judgement.verdict == .pass }, "the others go on")
    #expect(try guests().isEmpty)
  }

  /// Whoever stops QEMU would hold its cases until their deadlines. Was 240 s.
  @Test func aQEMUThatIsStoppedIsAnErrorOfItsCasesAtOnce() async throws {
    let hypervisor = hypervisor()
    let (_, machine) = try await machine(hypervisor)
    let runner = Runner(worker: worker, hypervisor: hypervisor)
    let tests = try cases("direct/*", count: 2)
    let stopped = Killed()
    let results = await runner.run(tests.map { ($0, machine) }) { event in
      if case .started = event, await stopped.first() { signalFirstGuest(SIGSTOP) }
    }
    #expect(results.map(\.judgement.verdict) == [.error, .error])
    for result in results {
      #expect(
        result.judgement.reason.contains("stopped by signal 19, and therefore ended"),
        "\(result.judgement.reason)")
      #expect(result.seconds < 30)
    }
    #expect(try guests().isEmpty)
  }

  /// A guard that was stopped does not see that its lab is done with it.
  @Test func aGuardThatIsStoppedHoldsNobody() async throws {
    let guest = try await hypervisor().boot(try stored())
    let qemu = try #require(try guests().first)
    let status = try String(contentsOfFile: "/proc/\(qemu)/status", encoding: .utf8)
    let parent = try #require(
      status.split(separator: "\n").first { $0.hasPrefix("PPid:") }.flatMap { Int32($0.dropFirst(6)) })
    kill(parent, SIGSTOP)
    await guest.stop()
    #expect(try guests().isEmpty)
  }

  /// A kernel that was stored without one of the schedulers: its cases were errors of `ipvsadm -A` (ENOENT).
  @Test func aSchedulerThatIsMissingIsASkip() async throws {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent("store-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    let folder = root.appendingPathComponent("kernels/\(Machines.fallback)")
    try FileManager.default.createDirectory(
      at: folder.deletingLastPathComponent(), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      at: KernelStore().root.appendingPathComponent("kernels/\(Machines.fallback)"), to: folder)
    let manifest = folder.appendingPathComponent("manifest.json")
    var entry = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: manifest)) as? [String: Any])
    var digests = try #require(entry["digests"] as? [String: String])
    #expect(digests.removeValue(forKey: "modules/ip_vs_mh.ko") != nil)
    entry["digests"] = digests
    entry["bundles"] = (entry["bundles"] as? [[String: Any]] ?? []).map { bundle in
      var bundle = bundle
      for key in ["files", "optional"] {
        bundle[key] = (bundle[key] as? [String])?.filter { $0 != "ip_vs_mh.ko" }
      }
      return bundle
    }
    try JSONSerialization.data(withJSONObject: entry).write(to: manifest)
    try FileManager.default.removeItem(at: folder.appendingPathComponent("modules/ip_vs_mh.ko"))

    let store = KernelStore(root: root)
    let stored = try #require(store.entry(Machines.fallback))
    let runner = Runner(worker: worker, hypervisor: hypervisor(store: store))
    let machine = Machine(name: stored.name, kernel: try await runner.probe(stored), stored: stored)
    let scenario = try LabFiles.load(path: ProgramTests.repository + "/Tests/Field/ipvs-schedulers.yaml")
    let tests = try Scenario.select(from: [scenario], settings: [], patterns: ["*=mh", "*=rr"])
    #expect(tests.count == 2)
    let results = await runner.run(tests.map { ($0, machine) }, onEvent: { _ in })
    let reasons = Dictionary(uniqueKeysWithValues: results.map { ($0.test.id, $0.judgement) })
    #expect(reasons["ipvs-schedulers/scheduler=rr"]?.verdict == .pass)
    let skip = try #require(reasons["ipvs-schedulers/scheduler=mh"])
    #expect(skip.verdict == .skip)
    #expect(skip.reason.hasPrefix("no ip_vs_mh: "))
    #expect(
      skip.reason.hasSuffix(
        "it was stored without (ip_vs_mh): pawslab kernels remove, and fetch it again"))
  }

  /// Between two turns: the second had none of the guest yet, and goes on in a new one. Was: all its cases are errors.
  @Test func whenQEMUDiesBetweenTurnsNoCaseIsAnError() async throws {
    var (runner, machine) = try await machine(hypervisor())
    // As on an old kernel, where this setting is one for all namespaces and is written before each turn.
    var kernel = machine.kernel
    kernel.perKernelSettings = ["tcp_retries2"]
    machine = Machine(name: machine.name, kernel: kernel, stored: machine.stored)
    let tests = try cases("direct/*clock=behind*ipv4", count: 2).enumerated().map { index, test in
      var test = test
      test.settings["server", default: [:]]["tcp_retries2"] = "\(8 + index)"
      return test
    }
    #expect(tests.count == 2)
    runner.keepsPackets = false
    let killed = Killed()
    let results = await runner.run(tests.map { ($0, machine) }) { event in
      if case .finished = event, await killed.first() { signalFirstGuest(SIGKILL) }
    }
    #expect(results.count == 2)
    for result in results { #expect(result.judgement.verdict != .error, "\(result.judgement.reason)") }
    #expect(try guests().isEmpty)
  }

  @Test(arguments: [SIGINT, SIGKILL]) func noGuestOutlivesTheLab(signal: Int32) async throws {
    setenv("PAWSLAB_WORKER", worker, 1)
    defer { unsetenv("PAWSLAB_WORKER") }
    let (process, output, _) = try ProgramTests.start([
      "run", "lab/ipvs-source.yaml", "--kernel", "debian-12",
    ])
    var seen = Data()
    while !String(decoding: seen, as: UTF8.self).contains("pass ") {
      let more = output.fileHandleForReading.availableData
      try #require(!more.isEmpty, "it ended before a case passed")
      seen += more
    }
    let running = try guests()
    #expect(!running.isEmpty)
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    let deadline = ContinuousClock.now + .seconds(10)
    while running.contains(where: isGuest) {
      try #require(ContinuousClock.now < deadline, "waited ten seconds until QEMU is gone")
      sched_yield()
    }
  }

  private actor Killed {
    private var done = false
    func first() -> Bool {
      defer { done = true }
      return !done
    }
  }
}

/// Running QEMUs that descend from this process.
private func guests() throws -> [Int32] {
  try Host.processes().filter { isGuest($0) && descends($0) }
}

private func isGuest(_ pid: Int32) -> Bool {
  let command = Host.commandLine(of: pid)
  return command.first == "qemu-system-x86_64" && command.contains { $0.contains("name=pawslab") }
}

private func descends(_ pid: Int32) -> Bool {
  var pid = pid
  while pid > 1 {
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      let end = stat.lastIndex(of: ")")
    else { return false }
    let fields = stat[end...].split(separator: " ")
    pid = fields.count > 2 ? Int32(fields[2]) ?? 0 : 0
    if pid == getpid() { return true }
  }
  return false
}

private func signalFirstGuest(_ signal: Int32) {
  // Never pid 0, which would be our own process group.
  if let pid = (try? guests())?.first { kill(pid, signal) }
}
