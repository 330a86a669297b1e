import Foundation
import LabFile
import Model
import Testing
import TestSupport

/// Whatever the machine: either it runs and passes, or one line says why and what to do, and the exit status is not 0.
extension ProgramTests {
  @Suite(.serialized, .enabled(if: canRun, "SKIPPED: needs root")) struct Faults {
    /// The first words of a command that has this program run in another environment, and what comes of it.
    struct Environment: CustomTestStringConvertible, Sendable {
      var name: String
      var words: [String]
      var status: Int32 = 0
      /// On standard output, or else on standard error.
      var said: String
      var testDescription: String { name }
    }

    private static let readOnly = "mount -o bind,ro /proc/sys /proc/sys && exec \"$@\""
    private static let passed = "16 passed, 0 failed, 0 skipped, 0 errors"
    private static let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

    static let environments = [
      Environment(name: "root", words: ["env"], said: passed),
      Environment(name: "nobody", words: nobody, said: passed),
      Environment(
        name: "a rootless container with the host's network", words: ["unshare", "-Ur"], said: passed),
      Environment(name: "a rootless container", words: ["unshare", "-Urn"], said: passed),
      Environment(
        name: "read-only /proc/sys", words: ["unshare", "-m", "sh", "-c", readOnly, "sh"], said: passed),
      Environment(
        name: "a rootless container with a read-only /proc/sys",
        words: ["unshare", "-Urm", "sh", "-c", readOnly, "sh"], status: 3,
        said: "settings /proc/sys: cannot be written, not even in a namespace made for it: "
          + "write 0(/proc/sys/net/ipv4/ip_forward): Read-only file system; docker run --privileged, or"),
      Environment(
        name: "no capabilities", words: ["setpriv", "--bounding-set=-all", "--inh-caps=-all"], status: 3,
        said: "privilege network namespaces: without the rights of root, "
          + "setns(the network namespace that we are in): Operation not permitted, and "
          + "write(/proc/self/uid_map): Operation not permitted; "
          + "CAP_SYS_ADMIN and CAP_NET_ADMIN (docker run --privileged); or guests (QEMU)"),
      Environment(
        name: "no user namespaces for nobody",
        words: [
          "unshare", "-Ur", "sh", "-c", "echo 1 > /proc/sys/user/max_user_namespaces; exec \"$@\"", "sh",
        ]
          + ["setpriv", "--bounding-set=-all", "--inh-caps=-all"], status: 3,
        said: "privilege "),
      Environment(
        name: "no network namespaces",
        words: [
          "unshare", "-Urn", "sh", "-c", "echo 0 > /proc/sys/user/max_net_namespaces; exec \"$@\"", "sh",
        ],
        status: 3,
        said:
          "unshare(CLONE_NEWNET): No space left on device; as root: sysctl -w user.max_net_namespaces=10000"),
      Environment(
        name: "few network namespaces",
        words: [
          "unshare", "-Urn", "sh", "-c", "echo 20 > /proc/sys/user/max_net_namespaces; exec \"$@\"", "sh",
        ],
        said: passed),
      Environment(name: "64 descriptors", words: ["prlimit", "--nofile=64"], said: passed),
      Environment(
        name: "32 descriptors", words: ["prlimit", "--nofile=32"], status: 3,
        said: "more descriptors may be opened, which is not enough for one job; ulimit -n 4096"),
      Environment(
        name: "20 descriptors", words: ["prlimit", "--nofile=20"], status: 3,
        said: "more descriptors may be opened, which is not enough for one job; ulimit -n 4096"),
      Environment(
        name: "a soft limit of 20 descriptors", words: ["prlimit", "--nofile=20:4096"], said: passed),
      Environment(
        name: "a hundred processes of nobody", words: nobody + ["prlimit", "--nproc=100"], said: passed),
      Environment(
        name: "four processes of nobody", words: nobody + ["prlimit", "--nproc=4"], status: 3,
        said: "more processes may be started, which is not enough for one job; ulimit -u 4096"),
    ]

    /// Runs the program behind these words.
    private func run(_ words: [String], _ arguments: String...) throws -> Ended {
      // Whoever it is then must be able to read it.
      let copy = try ProgramCopy.folder.get()
      return try Host.run(words + ["\(copy)/pawslab"] + arguments)
    }

    @Test(arguments: environments)
    func itRunsOrSaysWhy(_ environment: Environment) throws {
      let file = try ProgramCopy.folder.get() + "/lab/clock-step.yaml"
      let ended = try run(environment.words, "run", file, "--host-only", "--quiet")
      #expect(ended.status == environment.status, "\(ended.output)\(ended.errors)")
      #expect((ended.output + ended.errors).contains(environment.said), "\(ended.output)\(ended.errors)")
      if environment.status != 0 {
        #expect(ended.errors.split(separator: "\n").count == 1, "\(ended.errors)")
        #expect(ended.output.isEmpty)
      }
    }

    @Test func jobsThatThereAreNoDescriptorsForAreLoweredAndThatIsSaid() throws {
      let ended = try run(
        ["prlimit", "--nofile=256"], "run", "lab/clock-step.yaml", "--host-only", "--quiet", "--jobs", "300")
      #expect(ended.status == 0, "\(ended.output)\(ended.errors)")
      #expect(ended.errors.hasPrefix("pawslab: --jobs 300 is lowered to "), "\(ended.errors)")
    }

    // MARK: control groups

    /// A control group of version 1 with one limit; nil where none can be made.
    private static func group(_ controller: String, _ file: String, _ limit: Int) -> String? {
      let folder = "/sys/fs/cgroup/\(controller)/pawslab-test-\(getpid())"
      guard mkdir(folder, 0o755) == 0 else { return nil }
      guard (try? "\(limit)".write(toFile: "\(folder)/\(file)", atomically: false, encoding: .utf8)) != nil
      else {
        rmdir(folder)
        return nil
      }
      return folder
    }

    private static func can(_ controller: String, _ file: String) -> Bool {
      guard let folder = group(controller, file, 1 << 30) else { return false }
      return rmdir(folder) == 0
    }

    @Test(
      .enabled(if: can("memory", "memory.limit_in_bytes"), "SKIPPED: no memory control group can be made"),
      arguments: [
        (512, 0, "--jobs 20 is lowered to "), (48, 3, " MiB of memory are available, which is not enough"),
      ])
    func jobsFollowFromTheMemoryOfTheControlGroup(megabytes: Int, status: Int32, said: String) throws {
      let folder = try #require(Self.group("memory", "memory.limit_in_bytes", megabytes << 20))
      defer { rmdir(folder) }
      let ended = try run(
        ["sh", "-c", "echo $$ > \(folder)/cgroup.procs; exec \"$@\"", "sh"], "run", "lab/clock-step.yaml",
        "--host-only", "--quiet", "--jobs", "20")
      #expect(ended.status == status, "\(ended.output)\(ended.errors)")
      #expect(ended.errors.contains(said), "\(ended.errors)")
      #expect(ended.output.contains(Self.passed) == (status == 0))
    }

    @Test(
      .enabled(if: can("pids", "pids.max"), "SKIPPED: no pids control group can be made"),
      arguments: [(60, 0), (12, 3)])
    func jobsFollowFromTheProcessesOfTheControlGroup(processes: Int, status: Int32) throws {
      let folder = try #require(Self.group("pids", "pids.max", processes))
      defer { rmdir(folder) }
      let ended = try run(
        ["sh", "-c", "echo $$ > \(folder)/cgroup.procs; exec \"$@\"", "sh"], "run", "lab/clock-step.yaml",
        "--host-only", "--quiet", "--jobs", "20")
      #expect(ended.status == status, "\(ended.output)\(ended.errors)")
      #expect(
        ended.errors.contains(
          status == 0 ? "--jobs 20 is lowered to " : "more processes may be started, which is not enough"),
        "\(ended.errors)")
    }

    // MARK: tools

    /// Binaries of this machine replaced, for the program alone: by one that fails, or by one that may not be executed.
    private func without(_ programs: [String], failing: Bool) throws -> [String] {
      let failure = try #require(Needs.program("false"))
      let mounts = Set(
        programs.compactMap { Needs.program($0) }.map {
          URL(fileURLWithPath: $0).resolvingSymlinksInPath().path
        }
      )
      .sorted().map { "mount --bind \(failing ? failure : "/dev/null") \($0)" }
      return ["unshare", "-m", "sh", "-c", (mounts + ["exec \"$@\""]).joined(separator: " && "), "sh"]
    }

    private static let tables = ["iptables-nft-restore", "iptables-legacy-restore", "nft"]

    @Test(arguments: [true, false])
    func withoutToolsForRulesCasesBehindANATAreSkippedWithTheMend(failing: Bool) throws {
      let ended = try run(
        try without(Self.tables, failing: failing), "run", "lab/nat-hop.yaml", "lab/tw-reuse.yaml",
        "--host-only")
      #expect(ended.output.contains("0 failed, "), "\(ended.output)\(ended.errors)")
      #expect(
        ended.output.contains("12 passed, 0 failed, 40 skipped, 0 errors"), "\(ended.output)\(ended.errors)")
      #expect(ended.output.contains("no iptables-nft: iptables-nft-restore"), "\(ended.output)")
      // What the rules of each case's backend take, and nothing else.
      #expect(ended.output.contains("; apt-get install iptables, or modprobe "), "\(ended.output)")
      #expect(ended.output.contains("; apt-get install nftables, or modprobe "), "\(ended.output)")
    }

    @Test func oneBackendThatFailsLeavesTheOthersAndNoVerdictChanges() throws {
      let ended = try run(
        try without(["iptables-nft-restore"], failing: true), "run", "lab/nat-hop.yaml", "--host-only",
        "--quiet",
        "--case", "*backend=iptables*ipv4")
      #expect(ended.status == 0, "\(ended.output)\(ended.errors)")
      #expect(
        ended.output.contains(" passed, 0 failed, 0 skipped, 0 errors"), "\(ended.output)\(ended.errors)")
    }

    @Test func doctorSaysWhetherAnythingCanRun() throws {
      let here = try run(["env"], "doctor")
      #expect(here.status == 0)
      #expect(here.output.contains("\ncases can run on this machine's kernel"), "\(here.output)")
      let neither = try run(
        try without(["qemu-system-x86_64"], failing: false) + [
          "setpriv", "--bounding-set=-all", "--inh-caps=-all",
        ],
        "doctor")
      #expect(neither.status == 3)
      #expect(
        neither.output.contains(
          "\nno case can run: neither on this machine's kernel nor in guests; mend: CAP_SYS_ADMIN"),
        "\(neither.output)")
      // The machine's own words, and a mend that installs what is not there.
      let tools = try run(try without(["nft"], failing: false), "doctor")
      #expect(tools.output.contains("no   nft: "), "\(tools.output)")
      #expect(tools.output.contains("mend: apt-get install nftables"), "\(tools.output)")
    }

    // MARK: workers

    /// Workers of one lab.
    private func workers(of lab: Int32) throws -> [Int32] {
      try Host.processes().filter { pid in
        (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8))?
          .contains("\nPPid:\t\(lab)\n") == true
          && Host.commandLine(of: pid).first?.hasSuffix("pawslab-worker") == true
      }
    }

    private func status(of pid: Int32) -> [String: String] {
      let lines = ((try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? "").split(
        separator: "\n")
      return Dictionary(
        lines.map { line in
          let words = line.split(separator: ":", maxSplits: 1).map(String.init)
          return (words[0], words.count > 1 ? words[1].trimmingCharacters(in: .whitespaces) : "")
        }
      ) { first, _ in first }
    }

    /// CAP_SYS_ADMIN for setns(2) (0x200000), CAP_NET_ADMIN (0x1000) for conntrack and TCP_REPAIR, and nothing else.
    @Test(arguments: [
      ("tw-reuse/tw_reuse=0,clock=0,family=ipv4", "0000000000200000"),
      (ProgramTests.clash, "0000000000201000"),
    ])
    func aWorkerThatRunsItsCaseHasTheRightsThatThisTakes(name: String, rights: String) throws {
      let (process, output, _) = try ProgramTests.start(["run", "--case", name, "--host-only"])
      var seen: [String: String] = [:]
      // The case waits three seconds for its client to give up.
      try waitUntil("a worker has given up its rights", within: 60) {
        for worker in try workers(of: process.processIdentifier) {
          let status = status(of: worker)
          if status["Seccomp"] == "2" { seen = status }
        }
        return !seen.isEmpty
      }
      for set in ["CapPrm", "CapEff", "CapBnd"] { #expect(seen[set] == rights, "\(set)") }
      for set in ["CapInh", "CapAmb"] { #expect(seen[set] == "0000000000000000", "\(set)") }
      #expect(seen["NoNewPrivs"] == "1")
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 0, "\(text)")
    }

    @Test func aStoppedWorkerIsAnErrorOfItsCaseAndTheOthersGoOn() throws {
      let (process, output, _) = try ProgramTests.start(
        ["run", "lab/tw-reuse.yaml", "--host-only", "--case", "*tw_reuse=0*"])
      var stopped: Int32 = 0
      try waitUntil("a worker runs its workload", within: 60) {
        for worker in try workers(of: process.processIdentifier) where status(of: worker)["Seccomp"] == "2" {
          stopped = worker
        }
        return stopped != 0
      }
      kill(stopped, SIGSTOP)
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 3)
      #expect(text.contains("pawslab-worker: stopped by a signal (SIGSTOP), and therefore ended"), "\(text)")
      #expect(text.contains("3 passed, 0 failed, 0 skipped, 1 errors"), "\(text)")
      #expect(!FileManager.default.fileExists(atPath: "/proc/\(stopped)"))
    }

    /// A daemon has forked twice and is in a session of its own: nothing of ours knows it.
    @Test func whatWasStartedInAShellEndsWithItsWorker() throws {
      let mark = "\(1_000_000 + Int(getpid()))"
      func daemons() throws -> [Int32] {
        try Host.processes().filter { Host.commandLine(of: $0) == ["sleep", mark] }
      }
      let shell = Process()
      shell.executableURL = URL(fileURLWithPath: ProgramTests.program)
      shell.arguments = ["shell", ProgramTests.clash, "server"]
      shell.currentDirectoryURL = URL(fileURLWithPath: ProgramTests.repository)
      let (input, output) = (Pipe(), Pipe())
      (shell.standardInput, shell.standardOutput, shell.standardError) = (input, output, output)
      try shell.run()
      try input.fileHandleForWriting.write(
        contentsOf: Data("(setsid setsid sleep \(mark) >/dev/null 2>&1 &)\n".utf8))
      try waitUntil("the daemon runs", within: 60) { try daemons().count == 1 }
      let worker = try #require(try workers(of: shell.processIdentifier).first)
      kill(worker, SIGKILL)
      try waitUntil("the daemon has ended") { try daemons().isEmpty }
      try input.fileHandleForWriting.close()
      _ = output.fileHandleForReading.readDataToEndOfFile()
      shell.waitUntilExit()
      #expect(shell.terminationStatus == 3)
    }

    /// Its own processes and nobody else's, its own folder, and no advice that a shell cannot follow.
    @Test func aShellSeesItsOwnProcesses() throws {
      let (process, output, _) = try ProgramTests.start(
        ["shell", ProgramTests.clash, "hop"], input: "pwd\nls -d /proc/[0-9]* | wc -l\nexit 0\n")
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      let lines = text.split(separator: "\n").map(String.init)
      #expect(lines.first == ProgramTests.repository)
      #expect(try #require(lines.last.flatMap { Int($0) }) <= 5, "\(text)")
      // IPVS with tcp_tw_recycle: no current machine has both.
      let cannot = try ProgramTests.run(
        "shell",
        "lvs-tw-recycle/topology=ipvs-nat,tw_recycle=0,timestamps=1,clock=behind,closer=server,family=ipv4")
      #expect(cannot.status == 3)
      #expect(
        cannot.errors.contains("it cannot run on this machine's kernel: no "), "\(cannot.errors)")
      #expect(cannot.errors.contains("--kernel debian-12 --emulate tw_recycle"), "\(cannot.errors)")
    }
  }
}
