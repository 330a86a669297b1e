import Evidence
import Foundation
import Judging
import Lab
import LabFile
import Model
import Report
import Testing
import TestSupport
import Wire

/// The built program, as a user calls it.
@Suite(.serialized) struct ProgramTests {
  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  /// Beside the test bundle.
  static let program: String = {
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
    return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("pawslab").path
  }()

  struct Ended {
    var status: Int32
    var output: String
    var errors: String
  }

  static func start(
    _ arguments: [String], in folder: String = repository, input: String? = nil
  ) throws -> (Process, Pipe, Pipe) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    let pipe = Pipe()
    if input != nil { process.standardInput = pipe }
    try process.run()
    if let input {
      try pipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
      try pipe.fileHandleForWriting.close()
    }
    return (process, output, errors)
  }

  static func run(_ arguments: String..., in folder: String = repository) throws -> Ended {
    try run(arguments, in: folder)
  }

  static func run(_ arguments: [String], in folder: String = repository) throws -> Ended {
    let (process, output, errors) = try start(arguments, in: folder)
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let complaint = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Ended(
      status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: complaint, as: UTF8.self))
  }

  // MARK: usage

  @Test func helpNamesEveryOption() throws {
    let help = try Self.run("run", "--help")
    #expect(help.status == 0)
    #expect(
      help.output == """
        OVERVIEW: Run cases and judge them (the default).

        USAGE: pawslab run [<options>] [<paths> ...]

        ARGUMENTS:
          <paths>                 Lab files, folders of them, or names of scenarios and
                                  cases (default: every lab file).

        OPTIONS:
          --set <set>             Only cases with this value: AXIS=VALUE.
          --case <case>           Only cases whose name matches this pattern (* and ?).
          --jobs <jobs>           Cases that run at the same time (default: eight per
                                  core, bounded by memory).
          --allow-exec            Let cases run the programs that their lab files name
                                  (exec).
          --slow                  Run cases too in which more than 2 s really pass
                                  (wait).
          --kernel <kernel>       Run everything on each of these: host, running,
                                  debian-12, ... (pawslab kernels list), or a kernel
                                  where it lies: the path of a tree that was built, or
                                  of a bzImage.
          --emulate <emulate>     Run cases of a setting that Linux removed by an
                                  emulation, where the kernel lacks it: tw_recycle.
                                  (values: tw_recycle)
          --time <time>           Whose time passes in guests: real, or virtual (their
                                  own: the same packets to the nanosecond in every run,
                                  and waiting takes no time). Default: virtual for
                                  cases that wait for more than 2 s or hold SYNs, else
                                  real. (values: real, virtual)
          --seed <seed>           Run every case in virtual time, with random numbers
                                  from this seed (default there: 0).
          --seeds <seeds>         A-B: run every case in virtual time once from each of
                                  these seeds, and say how often what happens, with the
                                  95 % interval and the first seed that shows it.
          --host-only             Boot no guest: what the host's kernel lacks is
                                  skipped.
          --out <out>             Keep results.json and everything that was seen in
                                  this folder; a run that is there is moved to its
                                  previous.
          --require <require>     A case that matches (by name or scenario) and is not
                                  judged counts as a failure; !PATTERN takes some out
                                  again.
          --continue              Go on with the run in --out that was killed or
                                  stopped: its cases, its kernels, only what is missing.
          --last-failed <last-failed>
                                  Only cases that failed or broke in this folder, on
                                  their kernels unless --kernel names others.
          --baseline <baseline>   A folder that a run kept: what failed in it and fails
                                  in the same way now is known, and only what is new
                                  changes the exit status.
          --max-fail <max-fail>   Begin no other case when so many have failed or
                                  broken; the rest is not judged.
          --shard <shard>         i/n: only the i-th of n parts, the same in every run
                                  of one command (pawslab merge puts them together).
                                  Default: what Slurm, Kubernetes, GitLab and others
                                  say in their variables; 1/1 is everything.
          --balance <balance>     Cut shards by how long cases took in a run that was
                                  kept: its folder, or its results.json; may be given
                                  several times, and the same to every shard.
          --known-failures <known-failures>
                                  A file of failures that do not count: CASE [on
                                  KERNEL] until YYYY-MM-DD because REASON, one a line.
          --exit <exit>           Whose exit statuses are used: pawslab (0, 1, 2, 3),
                                  kselftest (0, 1, 2 all known, 4 all skipped),
                                  autopkgtest (0, 1, 77 all skipped), ltp (bits: 1
                                  fail, 2 broken, 32 all skipped), git-bisect (0, 1,
                                  125 broken or all skipped). (values: pawslab,
                                  kselftest, autopkgtest, ltp, git-bisect; default:
                                  pawslab)
          --list                  List the cases and run nothing.
          --quiet                 Say only what failed, and the last line.
          --verbose               Show every witness.
          --format <format>       What is printed: text, html, junit, ktap, markdown,
                                  github, kcidb, tmt, lava, ltp or json; --out keeps
                                  most of them anyway. (values: text, html, junit,
                                  ktap, markdown, github, kcidb, tmt, lava, ltp, json;
                                  default: text)
          --version               Show the version.
          -h, --help              Show help information.


        """)
  }

  @Test(arguments: [
    (["run", "--no-such-option"], "Unknown option '--no-such-option'"),
    (["run", "--jobs", "0"], "--jobs takes 1 to 1000, not 0"),
    (["run", "no/such/lab"], "no/such/lab: no such lab file or folder"),
    (["run", "--set", "rfc1338=1"], "no axis rfc1338; did you mean rfc1337?"),
    (["run", "--set", "rfc1337=7"], "rfc1337 is one of 0, 1"),
    (["run", "--case", "nothing*"], "--case nothing*: no case is called so; there are"),
    (["run", "--kernel", "host", "--host-only"], "--host-only and --kernel exclude each other"),
    (["kernels", "fetch", "debian-14"], "no kernel called debian-14 can be fetched; did you mean debian-1"),
    (["kernels", "fetch", "debian-9"], "debian-9: it is a past release, which"),
    (["kernels", "add", "host", "--image", "x"], "it is this machine's own kernel's"),
    (["kernels", "add", "mine"], "it takes one of --image, --deb and --rpm"),
    (["explain", "tw-reuse/x"], "no case is called tw-reuse/x"),
  ])
  func badUsageIsStatus2(arguments: [String], complaint: String) throws {
    let (process, _, errors) = try Self.start(arguments)
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 2)
    #expect(text.contains(complaint), "\(text)")
  }

  /// Both readings of a case that cannot be run agree: nothing was checked, and that is no success.
  @Test func aCrossCheckOfNothingIsNoSuccess() throws {
    let ended = try Self.run(
      "bench", "crosscheck", "lab/tw-recycle-length.yaml", "--kernel", "host", "--case", "*")
    #expect(ended.status == 1)
    #expect(ended.output.hasPrefix("skip   tw-recycle-length/"), "\(ended.output)")
    #expect(ended.errors.contains("every case was skipped: nothing was checked"))
  }

  /// The run, the lab beside tcpdump, and tcpdump with nstat: three judgements.
  @Test(.enabled(if: geteuid() == 0, "SKIPPED: needs root for tcpdump"))
  func aCrossCheckHoldsBothReadingsAgainstTheRun() throws {
    let ended = try Self.run(
      "bench", "crosscheck", "lab/direct.yaml", "--kernel", "host", "--set", "family=ipv4")
    #expect(ended.status == 0, "\(ended.output)\(ended.errors)")
    #expect(ended.output.contains("run: pass; the lab: pass, "), "\(ended.output)")
    #expect(ended.output.contains("tcpdump and nstat: pass, "))
  }

  @Test func aBadLabFileCreatesNothing() throws {
    let folder = ReportTests.folder()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try "title: x\nwhat: y\n".write(toFile: folder + "/bad.yaml", atomically: true, encoding: .utf8)
    let ended = try Self.run("run", "bad.yaml", "--out", "out", in: folder)
    #expect(ended.status == 2)
    #expect(ended.errors.contains("bad.yaml:2:1: unknown key \"what\" in a lab file"))
    #expect(!FileManager.default.fileExists(atPath: folder + "/out"))
  }

  @Test func explainSaysWhatAndWhy() throws {
    let ended = try Self.run("explain", "tw-reuse/tw_reuse=1,clock=0,family=ipv4")
    #expect(ended.status == 0)
    #expect(ended.output.contains("ninth served by tw-reuse"))
    #expect(ended.output.contains("because refused until the oldest stamp has aged"))
  }

  // MARK: running

  static let canRun = geteuid() == 0

  @Test(.enabled(if: canRun, "SKIPPED: needs root"))
  func theFirstQuestionIsAnswered() throws {
    let out = ReportTests.folder()
    defer { try? FileManager.default.removeItem(atPath: out) }
    let base =
      "time-wait-clash/rfc1337=%,clock=behind,isn=ahead,timestamps=1,conntrack=flushed,family=ipv4,topology=snat"
    let ended = try Self.run(
      "run", "--case", base.replacingOccurrences(of: "%", with: "?"), "--out", out, "--require", "*",
      "--host-only")
    #expect(ended.status == 0, "\(ended.output)\(ended.errors)")
    // Lines are parted at 80 columns.
    func explained(_ rfc1337: String) throws -> String {
      try Self.run("explain", base.replacingOccurrences(of: "%", with: rfc1337), "--from", out).output
        .split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
    let dropped = try explained("1")
    #expect(dropped.contains("late #1: dropped, expected dropped by tw-paws, 2 SYNs sent, 2 at the server"))
    #expect(dropped.contains("<- old ACK"))
    #expect(dropped.contains("|--RST--->|--RST--->|"))
    let delayed = try explained("0")
    #expect(delayed.contains("late #1: delayed, expected delayed by tw-paws, 2 SYNs sent, 2 at the server"))
    #expect(delayed.contains("<- SYN 1 of 2, refused by TIME_WAIT, older by timestamp: PAWS"))
    #expect(delayed.contains("<- SYN 2 of 2, accepted "))
    #expect(!delayed.contains("SYN 3"))
  }

  static let clash =
    "time-wait-clash/rfc1337=1,clock=behind,isn=ahead,timestamps=1,conntrack=flushed,family=ipv4,topology=snat"

  static func clashCase() throws -> Case {
    let scenarios = try LabFiles.discover(paths: [repository + "/lab"]).map { try LabFiles.load(path: $0) }
    return try #require(try Scenario.select(from: scenarios, settings: [], patterns: [clash]).first)
  }

  private static let hearsReasons: Comment =
    "SKIPPED: needs a kernel that names TCP_RFC7323_TW_PAWS (6.16) and lets eBPF hear it"

  /// Whether it does; asked of the kernel as a run asks it.
  private static func namesReasons() async throws -> Bool {
    let kernel = try await Runner(worker: program + "-worker").probe()
    return Needs.met(kernel.has(.dropReasons) && kernel.names(dropReason: "TCP_RFC7323_TW_PAWS"))
  }

  /// Where eBPF may not say which packet was dropped, a perf event says that one was: told as a hint, and by no
  /// witness. The kernel is this one, less what eBPF gave it.
  @Test(.enabled(if: canRun, "SKIPPED: needs root"), .enabled(hearsReasons) { try await namesReasons() })
  func withoutEBPFAReasonIsAHintAndNoWitness() async throws {
    let runner = Runner(worker: Self.program + "-worker")
    var kernel = try await runner.probe()
    kernel.capabilities.remove(.feature(.dropReasons))
    kernel.capabilities.insert(.feature(.dropHints))
    let results = await runner.run(
      [(try Self.clashCase(), Machine(name: "host", kernel: kernel, stored: nil))], onEvent: { _ in })
    let result = try #require(results.first)
    #expect(result.judgement.verdict == .pass, "\(told(result, on: kernel))")
    let seen = try #require(result.observation)
    #expect(seen.drops == nil)
    #expect(seen.dropsNotHeard == 0)
    #expect(seen.dropHints?.contains { $0.reason == "TCP_RFC7323_TW_PAWS" } == true)
    #expect(!result.judgement.witnesses.contains { $0.name.contains("drop reason") })
    let remarked = remarks(on: result.judgement, of: result.test, on: kernel, seen: seen).values
    #expect(
      remarked.contains {
        $0.contains("(hint: within 10 ms the kernel dropped some packet, by ")
          && $0.contains("TCP_RFC7323_TW_PAWS")
      }, "\(remarked)")
  }

  /// The tracepoint is silent now and then: asked once more, and said. A reason that stays away fails.
  @Test(
    .enabled(if: canRun, "SKIPPED: needs root"), .enabled(hearsReasons) { try await namesReasons() },
    arguments: [true, false])
  func aMissingDropReasonIsAskedForTwice(heardThen: Bool) async throws {
    let kernel = try await Runner(worker: Self.program + "-worker").probe()
    let host = Machine(name: "host", kernel: kernel, stored: nil)
    let test = try Self.clashCase()
    let real = await Runner(worker: Self.program + "-worker").run([(test, host)], onEvent: { _ in })
    let whole = try #require(real.first?.observation)
    var short = whole
    short.drops?.removeAll { $0.reason == "TCP_RFC7323_TW_PAWS" }

    // Workers that tell what was really seen, less the reasons the first time.
    let folder = ReportTests.folder()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for (name, observation) in [("first", short), ("then", heardThen ? whole : short)] {
      var stream = Pcapng.Writer()
      for packet in whole.packets { stream.add(packet) }
      let events = [WorkerEvent.packets(stream.take()), .observation(observation)]
      let lines = try events.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) + "\n" }
      try lines.joined().write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
    }
    let runner = try RunnerTests.runner(
      "cd \(folder); if mkdir asked 2>/dev/null; then cat first; else cat then; fi")
    let result = try #require(await runner.run([(test, host)], onEvent: { _ in }).first)
    #expect(result.judgement.verdict == (heardThen ? .pass : .fail), "\(told(result, on: kernel))")
    #expect(result.again == "late #1 drop reason TCP_RFC7323_TW_PAWS: expected 2, saw 0")
    #expect(
      TextReport(detail: .normal, colour: false).lines(result)
        .contains { $0.contains("run again, for the kernel gave no reason for a drop: late #1 drop reason") })
  }

  /// A run is kept, told in other tools' words, judged again, and run again.
  @Test(.enabled(if: canRun, "SKIPPED: needs root"))
  func aSavedRunIsToldJudgedAndReplayed() throws {
    let out = ReportTests.folder()
    defer { try? FileManager.default.removeItem(atPath: out) }
    let ended = try Self.run(
      "run", "--case", Self.clash, "--case", "direct/*clock=behind*ipv4", "--out", out, "--host-only",
      "--format", "ktap")
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(ended.output.hasPrefix("KTAP version 1\n1..2\n  KTAP version 1\n  # Subtest: host.direct\n"))
    let events = try String(contentsOfFile: out + "/events.jsonl", encoding: .utf8).split(separator: "\n")
    for line in events {
      #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) }
    }
    let cases = try RunFolder(reading: out).loadResults().cases.count
    #expect(events.count { $0.contains(#""event":"finished""#) } == cases)
    for (format, start) in [
      ("junit", "<?xml"), ("markdown", "### pawslab: "), ("html", "<!doctype html>"),
      ("text", "who is hurt"),
    ] {
      let told = try Self.run("report", out, "--format", format)
      #expect(told.output.hasPrefix(start), "\(format): \(told.output.prefix(80))\(told.errors)")
    }
    let judged = try Self.run("judge", out)
    #expect(judged.status == 0)
    #expect(judged.output == "\(cases) judged again, 0 otherwise than before\n")
    #expect(try Self.run("judge", out, "--lab", "lab").status == 0)
    let replayed = try Self.run("replay", out)
    #expect(replayed.status == 0, "\(replayed.output)\(replayed.errors)")
    #expect(replayed.output.contains("no difference"))

    // What was seen is what is judged: another errno is another verdict, and a difference.
    let folder = try RunFolder(reading: out)
    var result = try folder.load(Self.clash, kernel: "host")
    result.observation?.attempts[1].errno = nil
    try folder.save(result, on: try #require(folder.loadResults().kernels["host"]))
    let spoilt = try Self.run("judge", out)
    #expect(spoilt.status == 1)
    #expect(spoilt.output.contains("it was: pass"))
    #expect(spoilt.output.contains("\(cases) judged again, 1 otherwise than before"))
  }

  @Test(arguments: [
    ("{", "no JSON, cut short"), (#"{"version":1}"#, "of format 1; this program reads 3 to 4"),
  ])
  func aBrokenOrOldRunIsOneClearError(text: String, words: String) throws {
    let out = ReportTests.folder()
    try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: out) }
    try Data(text.utf8).write(to: URL(fileURLWithPath: out + "/results.json"))
    for command in [["report", out], ["judge", out], ["replay", out], ["diff", out, out]] {
      let ended = try Self.run(command)
      #expect(ended.status == 3, "\(command)")
      #expect(ended.errors.contains(words), "\(ended.errors)")
      #expect(ended.errors.split(separator: "\n").count == 1)
    }
  }

  @Test(.enabled(if: canRun, "SKIPPED: needs root"))
  func aShellIsInItsNodeAndNothingIsLeft() throws {
    let (process, output, errors) = try Self.start(
      ["shell", Self.clash, "server"],
      input: """
        ss -tln | grep -o ':8000 '
        cat /proc/sys/net/ipv4/tcp_rfc1337
        (setsid sleep 1000 &)
        exit 7

        """)
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let words = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 7)
    #expect(text == ":8000 \n1\n")
    #expect(words.contains("# late\n"))
    // What was started in the network has gone with it: the pipe that it held is at its end.
    #expect(
      try Self.run("shell", Self.clash, "nowhere").errors.contains(
        "has no node nowhere, but early, late, hop"))
  }

  private static let tshark = Needs.program("tshark")

  /// What a run keeps is what Wireshark reads: the case, the nodes, the remark on the packet that counts.
  @Test(.enabled(if: canRun && Needs.met(tshark != nil), "SKIPPED: needs root and tshark"))
  func aCaptureOpensInTshark() throws {
    let out = ReportTests.folder()
    defer { try? FileManager.default.removeItem(atPath: out) }
    let name =
      "time-wait-clash/rfc1337=1,clock=behind,isn=ahead,timestamps=1,conntrack=flushed,family=ipv4,topology=snat"
    #expect(try Self.run("run", "--case", name, "--out", out, "--host-only").status == 0)
    let results = try RunFolder(reading: out).loadResults()
    let capture = try #require(results.cases.first?.capture)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Self.tshark))
    process.arguments = [
      "-r", out + "/" + capture, "-Y", "frame.comment", "-T", "fields", "-e", "frame.interface_name", "-e",
      "frame.comment",
    ]
    let (output, errors) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, errors)
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(text.contains("server\tSYN 1 of 2, refused by TIME_WAIT, older by timestamp: PAWS"), "\(text)")
    #expect(text.contains("server\told ACK: TIME_WAIT's answer"), "\(text)")
    let complaints = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      .split(separator: "\n").filter { !$0.hasPrefix("Running as user") }
    #expect(complaints.isEmpty, "\(complaints)")
  }

  @Test(.enabled(if: canRun, "SKIPPED: needs root"))
  func theDemonstrationSaysWhatItShows() throws {
    let cast = ReportTests.folder()
    defer { try? FileManager.default.removeItem(atPath: cast) }
    let ended = try Self.run("demo", "--recorded", "--record", cast)
    #expect(ended.status == 0, "\(ended.output)\(ended.errors)")
    #expect(ended.output.contains("Linux 4.9.115: recorded on a genuine kernel"))
    #expect(ended.output.contains("TcpExt.PAWSPassive   +2"))
    #expect(ended.output.contains("TcpExt.PAWSEstab     +0"))
    // On any terminal: parted at spaces.
    let told = ended.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(told.contains("SYN 2 of 2, dropped by tcp_tw_recycle: PAWSPassive +1, ListenDrops +1"))
    for line in ended.output.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    // It ends in what to do, and how to see that it was done.
    for words in [
      "sysctl -w net.ipv4.tcp_tw_recycle=0", "sysctl -w net.ipv4.tcp_rfc1337=0",
      "nstat -az TcpExtPAWSPassive TcpExtPAWSTimewait TcpExtListenDrops",
    ] { #expect(ended.output.suffix(1_500).contains("  \(words)\n"), "\(words)") }
    // Every packet once, as it passed.
    #expect(ended.output.split(separator: "\n").count { $0.contains("|--SYN--->|--SYN--->|") } == 6)
    #expect(ended.output.contains("with tcp_rfc1337=0: late: delayed"))
    let lines = try String(contentsOfFile: cast, encoding: .utf8).split(separator: "\n")
    #expect(lines.first == #"{"version": 2, "width": 80, "height": 40}"#)
    #expect(lines.count > 30)
    for line in lines {
      #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) }
    }
    #expect(try Self.run("demo", "--recorded", "--record", "/no/such/folder/x").status == 3)
  }

  @Test(.enabled(if: canRun, "SKIPPED: needs root"))
  func aRequiredCaseThatIsSkippedIsAFailure() throws {
    let ended = try Self.run("run", "lab/lvs-tw-recycle.yaml", "--host-only", "--require", "lvs-*")
    let skips = ended.output.contains("\nskipped ")
    #expect(ended.status == (skips ? 1 : 0))
    #expect(ended.errors.contains("required, but skipped: lvs-tw-recycle/") == skips)
  }
}
