import Foundation
import MicroVM
import TestSupport
import Testing

/// SIGKILL at moments that nobody chose: of the lab, of a worker, of the guard that starts QEMU, of QEMU. What a kill
/// costs is an error of the cases that it hit, never a `fail`; and nothing stays.
extension ProgramTests {
  @Suite(.serialized, .enabled(if: canRun, "SKIPPED: needs root")) struct Kills {
    enum Victim: CaseIterable { case lab, worker, guardian, qemu }

    /// How many kills on the host and in guests: 40 where every test runs; PAWSLAB_KILLS=100 and more by hand.
    private static let count =
      ProcessInfo.processInfo.environment["PAWSLAB_KILLS"].flatMap(Int.init) ?? (Needs.everyTest ? 40 : 20)

    @Test func atAnyMomentNothingStaysAndNothingFails() throws {
      let seed = UInt64.random(in: .min ... .max)
      var random = SplitMix(state: seed)
      let place = try Place()
      defer { place.remove() }
      // The first use of conntrack and iptables loads them, which adds settings to the host.
      let whole = try place.run(["run", "lab/time-wait-clash.yaml", "--host-only", "--quiet"])
      #expect(whole.status == 0, "\(whole.output)\(whole.errors)")
      let before = try Host.state()
      let inGuests = place.hasGuests ? Self.count * 3 / 10 : 0
      var hit = 0
      for number in 0..<Self.count {
        let guest = number < inGuests
        let victim: Victim = guest ? [.lab, .guardian, .qemu][number % 3] : [.lab, .worker][number % 2]
        let moment = Int(random.next() % (guest ? 5000 : 2500))
        let told = "kill \(number) of seed \(seed): \(victim) after \(moment) ms"
        let ended = try place.run(
          guest
            ? ["run", "lab/ipvs-source.yaml", "--case", "*ipvs-nat*", "--kernel", "debian-12"]
            : ["run", "lab/time-wait-clash.yaml", "--host-only"],
          killing: victim, after: moment)
        if ended.killed { hit += 1 }
        let failed = ended.output.split(separator: "\n").filter { $0.hasPrefix("fail ") }
        #expect(failed.isEmpty, "\(told)")
        if ended.killed, victim != .lab {
          #expect([0, 3].contains(ended.status), "\(told): \(ended.status)\n\(ended.errors)")
        }
        try waitUntil("nothing that it started runs: \(told)") { try place.processes().isEmpty }
        #expect(try place.left().isEmpty, "\(told)")
      }
      try waitUntil("the host is as it was, seed \(seed): \(try Host.differences(from: before))") {
        try Host.differences(from: before).isEmpty
      }
      // A moment beyond the end of a run hits nothing; most must hit.
      #expect(hit * 2 > Self.count, "\(hit) of \(Self.count) hit something")
    }

    /// The kernel's own count: a user namespace that may have two network namespaces, of which it holds one, can make
    /// another only when every one that the lab made in it has been freed (`inc_net_namespaces`, net_namespace.c).
    @Test func theKernelCountsNoNamespaceThatIsLeft() throws {
      let script = """
        for moment in 0.05 0.2 0.35 0.5 0.7 0.9 1.2 1.5; do
          "$1" run lab/time-wait-clash.yaml --host-only --quiet > /dev/null 2>&1 & lab=$!
          sleep $moment
          kill -KILL $lab && echo killed
          wait $lab
        done 2> /dev/null
        echo 2 > /proc/sys/user/max_net_namespaces
        for try in $(seq 200); do
          if unshare --net true 2> /dev/null; then
            # While one is held a third is refused, so the limit does count.
            unshare --net unshare --net true 2> /dev/null || echo free
            exit
          fi
          read -rt 0.1 <> <(:)
        done
        """
      let ended = try Host.run(
        ["unshare", "--user", "--map-root-user", "--net", "bash", "-c", script, "bash", ProgramTests.program])
      let lines = ended.output.split(separator: "\n")
      #expect(lines.last == "free", "\(ended.output)\(ended.errors)")
      #expect(lines.count { $0 == "killed" } > 4, "\(ended.output)")
    }
  }
}

/// Numbers that a seed gives again: SplitMix64 (Steele, Lea and Flood, 2014).
private struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// Folders of its own for temporary files and for the cache, and a mark by which every process that is started from
/// here is known.
private struct Place {
  let root: String
  let hasGuests: Bool
  private let mark: String

  init() throws {
    let files = FileManager.default
    root = ReportTests.folder()
    mark = "PAWSLAB_TEST_MARK=\(UUID().uuidString)"
    for folder in ["tmp", "cache/pawslab/kernels"] {
      try files.createDirectory(atPath: "\(root)/\(folder)", withIntermediateDirectories: true)
    }
    let known = KernelStore().root.appendingPathComponent("kernels/debian-12").path
    hasGuests = staticWorker != nil && files.fileExists(atPath: known)
    if hasGuests { try files.copyItem(atPath: known, toPath: "\(root)/cache/pawslab/kernels/debian-12") }
  }

  func remove() { try? FileManager.default.removeItem(atPath: root) }

  struct Ended {
    var status: Int32
    var output: String
    var errors: String
    var killed = false
  }

  /// Runs the program; kills one of its processes after so many milliseconds, if it is there by then.
  func run(
    _ arguments: [String], killing victim: ProgramTests.Kills.Victim? = nil, after milliseconds: Int = 0
  ) throws -> Ended {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: ProgramTests.program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: ProgramTests.repository)
    var environment = ProcessInfo.processInfo.environment
    environment["TMPDIR"] = root + "/tmp"
    environment["XDG_CACHE_HOME"] = root + "/cache"
    environment["PAWSLAB_WORKER"] = staticWorker
    let parts = mark.split(separator: "=").map(String.init)
    environment[parts[0]] = parts[1]
    process.environment = environment
    // Files, not pipes: nobody has to read while we wait for the moment.
    let (output, errors) = (root + "/output", root + "/errors")
    for file in [output, errors] { _ = FileManager.default.createFile(atPath: file, contents: nil) }
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle(forWritingAtPath: errors)
    let over = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in over.signal() }
    try process.run()
    var killed = false
    if let victim, over.wait(timeout: .now() + .milliseconds(milliseconds)) == .timedOut {
      let pid = try victim == .lab ? process.processIdentifier : find(victim)
      if let pid { killed = kill(pid, SIGKILL) == 0 }
    }
    let late = ContinuousClock.now + .seconds(120)
    while process.isRunning {
      if over.wait(timeout: .now() + .seconds(1)) == .success { break }
      try #require(ContinuousClock.now < late, "waited two minutes until the run was over")
    }
    process.waitUntilExit()
    return Ended(
      status: process.terminationStatus, output: try String(contentsOfFile: output, encoding: .utf8),
      errors: try String(contentsOfFile: errors, encoding: .utf8), killed: killed)
  }

  /// A process of ours of this kind.
  private func find(_ victim: ProgramTests.Kills.Victim) throws -> Int32? {
    try processes().first { pid in
      let words = Host.commandLine(of: pid)
      switch victim {
      case .lab: return false
      case .worker: return words.first?.hasSuffix("pawslab-worker") == true && words.count == 1
      case .guardian: return words.dropFirst().first == "guard"
      case .qemu: return words.first?.contains("qemu-system") == true
      }
    }
  }

  /// All that run and descend from what was started here, however often they were handed on.
  func processes() throws -> [Int32] {
    try Host.processes().filter { pid in
      if Host.commandLine(of: pid).contains(where: { $0.contains(root) }) { return true }
      let environment = FileManager.default.contents(atPath: "/proc/\(pid)/environ") ?? Data()
      return environment.split(separator: 0).contains { $0.elementsEqual(mark.utf8) }
    }
  }

  /// Files that a run has left behind.
  func left() throws -> [String] {
    let files = FileManager.default
    let temporary = try files.subpathsOfDirectory(atPath: root + "/tmp")
    let cached = try files.subpathsOfDirectory(atPath: root + "/cache/pawslab").filter {
      $0.hasPrefix("guests/") || $0.contains(".new-") || $0.contains("packages-")
    }
    return temporary + cached
  }
}
