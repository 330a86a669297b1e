import Foundation
import Model
import Testing

@testable import Lab

/// How many jobs there are means for. Pure, and on control groups written down as files.
@Suite struct ResourcesTests {
  static func resources(
    descriptors: Int = 65_000, megabytes: Int = 20_000, processes: Int = 30_000, cores: Int = 2
  ) -> Resources {
    Resources(descriptors: descriptors, megabytes: megabytes, processes: processes, cores: cores)
  }

  @Test func whereThereIsPlentyItIsEightPerCoreOrWhatWasAskedFor() throws {
    let plenty = try Self.resources().fit(nil)
    #expect(plenty.jobs == 16)
    #expect(plenty.note == nil)
    let asked = try Self.resources().fit(300)
    #expect(asked.jobs == 300)
    #expect(asked.note == nil)
  }

  @Test(arguments: [
    (Self.resources(descriptors: 60), 5, "60 more descriptors may be opened; ulimit -n 4096"),
    (
      Self.resources(megabytes: 500), 7,
      "500 MiB of memory are available; more memory (the container's limit counts)"
    ),
    (
      Self.resources(processes: 40), 7,
      "40 more processes may be started; ulimit -u 4096, or the container's limit (pids.max)"
    ),
  ])
  func whatIsScarceLowersJobsAndIsSaid(there: Resources, jobs: Int, words: String) throws {
    #expect(try there.fit(nil).jobs == jobs)
    let fit = try there.fit(300)
    #expect(fit.jobs == jobs)
    #expect(fit.note == "--jobs 300 is lowered to \(jobs): \(words)")
    #expect(try there.fit(jobs).note == nil)
  }

  @Test(arguments: [
    (Self.resources(descriptors: 43), "only 43 more descriptors may be opened"),
    (Self.resources(megabytes: 63), "only 63 MiB of memory are available"),
    (Self.resources(processes: 20), "only 20 more processes may be started"),
    (Self.resources(descriptors: -5), "only -5 more descriptors may be opened"),
  ])
  func whereNotEvenOneJobFitsThatIsAFailure(there: Resources, words: String) throws {
    let failure = #expect(throws: Failure.self) { try there.fit(1) }
    #expect(failure?.cause == "\(words), which is not enough for one job")
    #expect(failure?.mend != nil)
  }

  @Test func aGuestNeedsItsMemory() {
    #expect(Self.resources(megabytes: 383).guests == 0)
    #expect(Self.resources(megabytes: 384).guests == 1)
    #expect(Self.resources(cores: 4).guests == 4)
  }

  // MARK: control groups

  /// A root with these files.
  private func root(_ files: [String: String]) throws -> String {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent("root-\(UUID().uuidString)").path
    for (path, text) in files {
      let folder = (root + path as NSString).deletingLastPathComponent
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try text.write(toFile: root + path, atomically: true, encoding: .utf8)
    }
    return root
  }

  private let plenty = "MemTotal: 30000000 kB\nMemAvailable: 20971520 kB\n"

  @Test func versionOneCountsTheGroupAndThoseAboveItWithoutWhatCanBeGivenBack() throws {
    let root = try root([
      "/proc/meminfo": plenty,
      "/proc/self/cgroup": "4:memory:/jobs/one\n3:pids:/p\n0::/\n",
      "/proc/self/mountinfo": """
      35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
      39 31 0:36 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids

      """,
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": "8000000000\n",
      "/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes": "\(512 << 20)\n",
      "/sys/fs/cgroup/memory/jobs/memory.usage_in_bytes": "\(300 << 20)\n",
      "/sys/fs/cgroup/memory/jobs/memory.stat":
        "inactive_file 0\ntotal_inactive_file \(80 << 20)\ntotal_active_file \(20 << 20)\n",
      "/sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes": "\(1024 << 20)\n",
      "/sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes": "\(100 << 20)\n",
      "/sys/fs/cgroup/pids/p/pids.max": "100\n",
      "/sys/fs/cgroup/pids/p/pids.current": "30\n",
      "/sys/fs/cgroup/pids/pids.current": "400\n",
    ])
    defer { try? FileManager.default.removeItem(atPath: root) }
    #expect(Memory(root: root).availableMegabytes() == 312)
    #expect(Processes.available(root: root) == 70)
  }

  @Test func versionTwoHasTwoLimitsAndAContainerSeesItsOwnPart() throws {
    let root = try root([
      "/proc/meminfo": plenty,
      "/proc/self/cgroup": "0::/docker/abc/inner\n",
      "/proc/self/mountinfo": "31 23 0:28 /docker/abc /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n",
      "/sys/fs/cgroup/memory.max": "max\n",
      "/sys/fs/cgroup/memory.high": "\(256 << 20)\n",
      "/sys/fs/cgroup/memory.current": "\(100 << 20)\n",
      "/sys/fs/cgroup/memory.stat": "anon 5\ninactive_file \(40 << 20)\nactive_file 0\n",
      "/sys/fs/cgroup/pids.max": "max\n",
      "/sys/fs/cgroup/inner/memory.max": "max\n",
      "/sys/fs/cgroup/inner/memory.high": "max\n",
      "/sys/fs/cgroup/inner/memory.current": "7\n",
      "/sys/fs/cgroup/inner/pids.max": "12\n",
      "/sys/fs/cgroup/inner/pids.current": "20\n",
    ])
    defer { try? FileManager.default.removeItem(atPath: root) }
    #expect(Memory(root: root).availableMegabytes() == 196)
    #expect(Processes.available(root: root) == 0)
  }

  @Test func withoutALimitItIsWhatTheMachineHas() throws {
    let root = try root(["/proc/meminfo": plenty, "/proc/self/cgroup": "", "/proc/self/mountinfo": "odd\n"])
    defer { try? FileManager.default.removeItem(atPath: root) }
    #expect(Memory(root: root).availableMegabytes() == 20_480)
    #expect(Processes.available(root: root) == 1 << 20)
  }

  // MARK: time

  @Test func howLongAWorkerIsWaitedForFollowsFromItsCase() {
    var test = PlanTests.test()
    func connect(times: Int) -> Step {
      .connect(.init(client: "c", label: "c", closes: .client, times: times, again: 0))
    }
    test.workload = [connect(times: 1)]
    let one = Patience(for: test, inGuest: false)
    test.workload = [connect(times: 100)]
    let many = Patience(for: test, inGuest: false)
    #expect(many.total > 10 * one.total)
    #expect(many.silence == one.silence, "a worker that is well tells each attempt")
    #expect(one.silence < one.total)
    #expect(Patience(for: test, inGuest: true).total == 2 * many.total)
    // Retransmissions that the kernel's default of 6 takes are waited for.
    test.settings = ["c": ["tcp_syn_retries": "6"]]
    #expect(Patience(for: test, inGuest: false).silence >= 127)
    // And a case that would take for ever is no trap.
    test.workload = [connect(times: .max)]
    #expect(Patience(for: test, inGuest: true).total == 6_000_000_000)
  }
}
