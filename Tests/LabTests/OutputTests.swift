import Foundation
import Judging
import Model
import Report
import TestSupport
import Testing

/// What the built program prints and which exit status it ends with, as a shell, a CI and another harness see it.
@Suite struct OutputTests {
  private static let folder = ReportTests.folder

  private struct Ended {
    var status: Int32
    var output: String
    var errors: String
  }

  private static func run(
    _ arguments: [String], in folder: String = ProgramTests.repository, _ environment: [String: String?] = [:]
  ) throws -> Ended {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: ProgramTests.program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    var variables = ProcessInfo.processInfo.environment
    for name in ["PAWSLAB_LAB", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"] {
      variables[name] = nil
    }
    for (name, value) in environment { variables[name] = value }
    process.environment = variables
    let (output, errors) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, errors)
    try process.run()
    // Neither is more than a pipe holds.
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let complaint = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Ended(
      status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: complaint, as: UTF8.self))
  }

  private static func temporary<Value>(_ body: (String) throws -> Value) throws -> Value {
    let path = folder()
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
  }

  private static func acts(_ text: String) -> Bool {
    text.split(omittingEmptySubsequences: false) { $0 == "\n" }.contains { Visible.acts($0) }
  }

  // MARK: text that does something

  private static let evil = """
    title: "evil \\e[31m\\nok 2 forged\\u202e"
    why: "because \\e]0;x\\a"
    topology: {kind: direct}
    clients: {a: {clock: natural}}
    workload: [{connect: a}]
    expect:
      - otherwise: true
        because: "\\r\\n::stop-commands::x"
    """

  @Test func aLabFileTellsTheTerminalNothing() throws {
    try Self.temporary { folder in
      try Self.evil.write(toFile: folder + "/evil.yaml", atomically: true, encoding: .utf8)
      // It is refused, each of them at its place, and not even that is obeyed.
      for arguments in [["list", "evil.yaml"], ["explain", "evil/default", "--lab", "evil.yaml"]] {
        let ended = try Self.run(arguments, in: folder, ["GITHUB_ACTIONS": "true"])
        #expect(ended.status == 2 && ended.output.isEmpty)
        #expect(ended.errors.contains("evil.yaml:1:8: U+001B in a text"), "\(ended.errors)")
        #expect(!Self.acts(ended.errors), "\(ended.errors.debugDescription)")
      }
      // Nor do names that were mistyped.
      for arguments in [
        ["run", "x\u{1b}[31m"], ["explain", "x\u{7}\ny"], ["run", "--no\u{1b}[2J"], ["report", "a\u{9b}b"],
      ] {
        let ended = try Self.run(arguments, in: folder, ["PAWSLAB_LAB": folder])
        #expect(ended.status >= 2 && !Self.acts(ended.errors), "\(ended.errors.debugDescription)")
      }
    }
  }

  @Test func savedResultsTellTheTerminalNothing() throws {
    try Self.temporary { folder in
      let run = try RunFolder(creating: folder + "/out")
      var result = ReportTests.result(.fail, id: "x/a=\u{1b}[31m1")
      result.judgement.reason = "one\u{7}\nok 2 forged\r::error::x"
      var kernel = PlanTests.kernel()
      kernel.release = "6.1\u{1b}]0;title\u{7}"
      try run.save(result, on: kernel)
      try run.save(Results([result], kernels: ["host": kernel], seconds: 2))
      for arguments in [
        ["report", "out"], ["judge", "out"], ["diff", "out", "out"], ["explain", "x/*", "--from", "out"],
      ]
        + Format.allCases.map({ ["report", "out", "--format", $0.rawValue] })
      {
        let ended = try Self.run(arguments, in: folder)
        #expect(!ended.output.isEmpty, "\(arguments) \(ended.errors)")
        #expect(!Self.acts(ended.output + ended.errors), "\(arguments): \(ended.output.debugDescription)")
        #expect(!"\n\(ended.output)".contains("\nok 2 forged"))
      }
    }
  }

  // MARK: names

  @Test func aScenarioIsKnownByItsNameAndACaseByItsDottedOne() throws {
    let list = try Self.run(["list", "tw-reuse"])
    #expect(list.status == 0 && list.output.hasSuffix("\n12 cases\n"))
    let one = try Self.run(["list", "--case", "tw-reuse.tw_reuse_1.clock_0.family_ipv4"])
    #expect(one.output.hasSuffix("  tw-reuse/tw_reuse=1,clock=0,family=ipv4\n1 cases\n"))
    let overview = try Self.run(["explain", "tw-reuse"])
    #expect(overview.status == 0)
    #expect(
      overview.output.contains("\n12 cases\n  tw_reuse: 0, 1, 2\n"), "\(overview.output)\(overview.errors)")
    // The command that it says works as it stands, in a shell.
    let said = try #require(overview.output.firstMatch(of: /pawslab (explain .*) explains one/)).1
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", "\(ProgramTests.program) \(said)"]
    shell.currentDirectoryURL = URL(fileURLWithPath: ProgramTests.repository)
    shell.standardOutput = FileHandle.nullDevice
    try shell.run()
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 0)
  }

  @Test(arguments: [
    (
      ["explian"],
      "explian: no such lab file or folder, and no scenario or case is called so; did you mean the command explain?"
    ),
    (
      ["tw-resue"],
      "tw-resue: no such lab file or folder, and no scenario or case is called so; did you mean tw-reuse?"
    ),
    (["explain", "tw-resue"], "no case is called tw-resue; did you mean tw-reuse?"),
    (
      ["list", "--case", "direct/*", "--case", "tw-resue*"],
      "--case tw-resue*: no case is called so; did you mean tw-reuse?"
    ),
    (
      ["run", "lab/direct.yaml", "--require", "tw-reuse"],
      "--require tw-reuse: none of the 48 cases is called so"
    ),
    (["run", "--list", "--format", "junit"], "--list is printed as text or json, not as junit"),
    (["run", "--known-failures", "/no/such"], "--known-failures /no/such: no such file"),
    (["run", "--exit", "tap"], "'tap' is invalid"),
  ])
  func whatIsMistypedNamesTheNearest(arguments: [String], words: String) throws {
    let ended = try Self.run(arguments)
    #expect(ended.status == 2)
    #expect(ended.errors.contains(words), "\(ended.errors)")
    #expect(ended.output.isEmpty)
  }

  @Test func theLabFilesAreFoundFromAnywhere() throws {
    try Self.temporary { folder in
      // This program lies in a repository's .build.
      #expect(try Self.run(["list"], in: folder).output.contains("\ntw-reuse: "))
      // What is here comes first, and what is named before that.
      try FileManager.default.createDirectory(atPath: folder + "/lab", withIntermediateDirectories: true)
      try Self.failing.write(toFile: folder + "/lab/mine.yaml", atomically: true, encoding: .utf8)
      #expect(try Self.run(["list"], in: folder).output.hasSuffix("  mine/default\n1 cases\n"))
      let named = try Self.run(["list"], in: folder, ["PAWSLAB_LAB": ProgramTests.repository + "/lab"])
      #expect(named.output.contains("\ntw-reuse: "))
      // Installed under a prefix, and where there is nothing at all.
      let files = FileManager.default
      for path in ["/prefix/bin", "/prefix/share/pawslab", "/empty"] {
        try files.createDirectory(atPath: folder + path, withIntermediateDirectories: true)
      }
      let program = folder + "/prefix/bin/pawslab"
      try files.copyItem(atPath: ProgramTests.program, toPath: program)
      func list() throws -> (Int32, String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["list"]
        process.currentDirectoryURL = URL(fileURLWithPath: folder + "/empty")
        process.environment = ProcessInfo.processInfo.environment.filter { $0.key != "PAWSLAB_LAB" }
        let output = Pipe()
        (process.standardOutput, process.standardError) = (output, output)
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
      }
      let (status, words) = try list()
      #expect(status == 2)
      #expect(
        words == "pawslab: lab lab: no lab files here, nor in \(folder)/prefix/share/pawslab/lab; "
          + "name a lab file or a folder of them, or set PAWSLAB_LAB\n")
      try files.copyItem(atPath: folder + "/lab", toPath: folder + "/prefix/share/pawslab/lab")
      #expect(try list().1.hasSuffix("  mine/default\n1 cases\n"))
    }
  }

  /// What is to be copied is quoted for a shell, and knows the lab files that were named.
  @Test func theCommandThatExplainSaysWorks() throws {
    try Self.temporary { folder in
      try FileManager.default.createDirectory(
        atPath: folder + "/it's mine", withIntermediateDirectories: true)
      try """
      title: t
      why: w
      topology: {kind: direct}
      clients: {a: {clock: natural}}
      matrix: {mode: ["it's; touch owned", plain]}
      controls: [mode]
      workload: [{connect: a}, {connect: a, as: b, when: {mode: plain}}]
      expect: [{otherwise: true, because: b}]
      """.write(toFile: folder + "/it's mine/x.yaml", atomically: true, encoding: .utf8)
      let ended = try Self.run(["explain", "x/*owned", "--lab", "it's mine"], in: folder)
      #expect(ended.status == 0, "\(ended.errors)")
      let line = try #require(ended.output.split(separator: "\n").last)
      #expect(
        line
          == #"pawslab explain --run --lab 'it'\''s mine' 'x/mode=it'\''s; touch owned' shows what this kernel does."#
      )
    }
  }

  // MARK: lists

  @Test func theCasesAreListedForOtherPrograms() throws {
    let told = try Self.run(["list", "lab/tw-recycle-expiry.yaml", "lab/direct.yaml", "--format", "json"])
    #expect(told.status == 0)
    let document = try #require(JSONSerialization.jsonObject(with: Data(told.output.utf8)) as? [String: Any])
    #expect(document["version"] as? Int == 1)
    let cases = try #require(document["cases"] as? [[String: Any]])
    #expect(cases.count == 54)
    for test in cases {
      #expect(
        Set(test.keys) == ["axes", "id", "name", "needs", "scenario", "settings", "source", "title"],
        "\(test.keys)")
    }
    let expiry = try #require(cases.first { $0["id"] as? String == "tw-recycle-expiry/later=61,family=ipv6" })
    #expect(expiry["name"] as? String == "tw-recycle-expiry.later_61.family_ipv6")
    #expect((expiry["source"] as? [String: Any])?["file"] as? String == "lab/tw-recycle-expiry.yaml")
    let needs = try #require(expiry["needs"] as? [String])
    for need in ["guest", "ipv6", "conntrack", "tcp_tw_recycle", "iptables-nft|iptables-legacy|nft"] {
      #expect(needs.contains(need), "\(needs)")
    }
    let direct = try #require(cases.first { ($0["id"] as? String)?.hasPrefix("direct/clock=behind") == true })
    #expect(!(direct["needs"] as? [String] ?? ["guest"]).contains("guest"))
    // `run` knows on which kernels, and runs nothing.
    let run = try Self.run(
      ["run", "lab/direct.yaml", "--list", "--format", "json", "--kernel", "host,debian-12"])
    #expect(run.output.contains(#""kernels":["host","debian-12"]"#))
    let text = try Self.run(["run", "lab/direct.yaml", "--list"])
    #expect(text.output == (try Self.run(["list", "lab/direct.yaml"]).output))
  }

  // MARK: exit statuses

  private static let canRun = ProgramTests.canRun
  private static let quick = "direct/clock=behind,timestamps=1,rfc1337=1,closer=client,family=ipv4"

  /// A lab file whose one case cannot pass, for it expects a drop that nothing causes.
  private static let failing = """
    title: nothing drops it
    why: nothing
    topology: {kind: direct}
    clients: {a: {clock: natural}}
    workload: [{connect: a}]
    expect: [{otherwise: true, a: dropped by tw-paws, because: it is not}]
    """

  @Test(.enabled(if: canRun, "SKIPPED: needs root"))
  func aSummaryThatIsNotThereIsMadeAndOneThatCannotBeHidesNothing() throws {
    try Self.temporary { folder in
      try Self.failing.write(toFile: folder + "/wrong.yaml", atomically: true, encoding: .utf8)
      for (summary, words) in [
        ("summary.md", ""), ("no/such/folder/summary.md", "cannot be written: No such file or"),
      ] {
        let ended = try Self.run(
          ["run", "wrong.yaml", "--host-only"], in: folder,
          [
            "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": folder + "/" + summary,
            "GITHUB_WORKSPACE": URL(fileURLWithPath: folder).deletingLastPathComponent().path,
          ])
        #expect(ended.status == 1, "\(ended.errors)")
        #expect(ended.errors.contains(words) || words.isEmpty, "\(ended.errors)")
        let name = URL(fileURLWithPath: folder).lastPathComponent
        #expect(
          ended.output.contains("::error file=\(name)/wrong.yaml,line=6,title=wrong.default on host::"),
          "\(ended.output)")
      }
      // Added to, not written over.
      _ = try Self.run(
        ["run", "wrong.yaml", "--host-only"], in: folder,
        ["GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": folder + "/summary.md"])
      let text = try String(contentsOfFile: folder + "/summary.md", encoding: .utf8)
      #expect(text.components(separatedBy: "### pawslab: 0 passed, 1 failed").count == 3)
    }
  }

  @Test(.enabled(if: canRun, "SKIPPED: needs root"))
  func aKnownFailureIsNoFailureUntilItsDay() throws {
    try Self.temporary { folder in
      try Self.failing.write(toFile: folder + "/wrong.yaml", atomically: true, encoding: .utf8)
      func run(_ known: String, _ more: String...) throws -> Ended {
        try known.write(toFile: folder + "/known.txt", atomically: true, encoding: .utf8)
        return try Self.run(
          ["run", "wrong.yaml", "--host-only", "--known-failures", "known.txt"] + more, in: folder)
      }
      let known = try run("wrong/default until 2099-12-31 because bug 7\nx until 2099-12-31 because y\n")
      #expect(known.status == 0, "\(known.errors)")
      #expect(
        known.output.contains("fail   wrong/default") && known.output.contains("0 failed, 1 known to fail"))
      #expect(known.errors.contains("wrong/default: known until 2099-12-31: bug 7"))
      #expect(known.errors.contains("known.txt:2: known failure x: no case of this run is called so"))
      #expect(try run("wrong until 2099-12-31 because bug 7", "--exit", "kselftest").status == 2)
      let over = try run("wrong until 2020-12-31 because bug 7")
      #expect(over.status == 1)
      #expect(
        over.errors.contains("known.txt:1: known failure wrong was one until 2020-12-31: it no longer counts")
      )
      let mistake = try run("# x\nwrong until tomorrow because y\n")
      #expect(mistake.status == 2)
      #expect(mistake.errors == "known.txt:2: there is no day \"tomorrow\"; a date is YYYY-MM-DD\n")
      #expect(mistake.output.isEmpty)
    }
  }

  @Test(.enabled(if: canRun, "SKIPPED: needs root"))
  func whatFailedSoInAKeptRunIsNoNews() throws {
    try Self.temporary { folder in
      try Self.failing.write(toFile: folder + "/wrong.yaml", atomically: true, encoding: .utf8)
      func run(_ more: String...) throws -> Ended {
        try Self.run(["run", "wrong.yaml", "--host-only", "--out", "out"] + more, in: folder)
      }
      #expect(try run().status == 1)
      // The run that it is held against is read before it is moved aside.
      let again = try run("--baseline", "out")
      #expect(again.status == 0, "\(again.errors)")
      #expect(again.output.contains("0 failed, 1 known to fail"))
      #expect(again.errors.contains("wrong/default: known: it failed so in out too"))
      let mistake = try run("--baseline", "nowhere")
      #expect(mistake.status == 2 && mistake.errors.contains("nowhere"), "\(mistake.errors)")
    }
  }

  @Test(.enabled(if: canRun, "SKIPPED: needs root"))
  func aRunThatJudgesNothingIsNoSuccess() throws {
    // Every kernel that can be booted here has lost tcp_tw_recycle, or this one would be such a guest.
    let skipped = ["run", "--case", "tw-recycle-expiry/later=0,family=ipv4", "--host-only"]
    let ended = try Self.run(skipped)
    try #require(
      ended.output.contains("skip   tw-recycle-expiry"), "a host below 4.12 judges it: \(ended.output)")
    #expect(ended.status == 1)
    #expect(ended.errors.contains("pawslab: nothing was judged: all 1 cases were skipped"))
    for (style, status) in [("kselftest", 4), ("autopkgtest", 77), ("ltp", 32)] {
      #expect(try Self.run(skipped + ["--exit", style]).status == Int32(status))
    }
    // One that is judged is enough, if the other is not required.
    let both = skipped + ["--case", Self.quick]
    #expect(try Self.run(both).status == 0)
    #expect(try Self.run(both + ["--require", "direct"]).status == 0)
    #expect(try Self.run(both + ["--require", "*", "--require", "!tw-recycle-*"]).status == 0)
    let required = try Self.run(both + ["--require", "tw-recycle-expiry"])
    #expect(required.status == 1)
    #expect(
      required.errors.contains(
        "required, but skipped: tw-recycle-expiry/later=0,family=ipv4: no tcp_tw_recycle"))
    #expect(required.output.contains("1 passed, 1 failed (1 required and not judged), 0 skipped"))
  }

  @Test func usageIsNoExpectedFailureOfAnotherHarness() throws {
    #expect(try Self.run(["run", "--exit", "kselftest", "--no-such-option"]).status == 1)
    #expect(try Self.run(["run", "--no-such-option", "--exit=ltp"]).status == 2)
    #expect(try Self.run(["run", "/no/such.yaml", "--exit", "kselftest"]).status == 1)
  }

  /// What a terminal still shows when everything has been written: a line that was cleared is what came after.
  private static func left(_ text: String) -> [String] {
    text.replacing("\r\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: false).map { line in
      (line.ranges(of: "\r\u{1b}[K").last.map { String(line[$0.upperBound...]) } ?? String(line))
    }
  }

  /// A person who watches is left with the answer: what was said on the way has passed. A file has every case's line.
  @Test(
    .enabled(
      if: ProgramTests.canRun && Needs.met(Needs.program("script") != nil), "SKIPPED: needs root and script"))
  func whatStaysOnATerminalBeginsWithTheAnswer() throws {
    let command = "\(ProgramTests.program) run '\(ProgramTests.clash)' --host-only"
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "TERM=xterm", "NO_COLOR=1", "script", "--quiet", "--return", "--command",
      "stty rows 40 columns 100; exec \(command)", "/dev/null",
    ]
    process.currentDirectoryURL = URL(fileURLWithPath: ProgramTests.repository)
    let (input, output) = (Pipe(), Pipe())
    (process.standardInput, process.standardOutput, process.standardError) = (input, output, output)
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    try input.fileHandleForWriting.close()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
    #expect(text.contains("0/1 judged, 1 running: "), "\(text)")
    let left = Self.left(text)
    #expect(left.first == "who is hurt, by what, and under which smallest set of settings", "\(left)")
    #expect(!left.contains { $0.contains(" judged, ") || $0.hasPrefix("pass  ") }, "\(left)")
    #expect(left.contains { $0.hasPrefix("1 passed, 0 failed") }, "\(left)")
    let piped = try Self.run(["run", ProgramTests.clash, "--host-only"])
    #expect(piped.output.hasPrefix("pass   \(ProgramTests.clash)"), "\(piped.output)")
    #expect(!piped.output.contains("\u{1b}"))
  }
}
