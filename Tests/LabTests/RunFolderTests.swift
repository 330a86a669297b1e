import Foundation
import Judging
import Model
import Testing

@testable import Report

/// A run's folder: whose it is, what is deleted of it, what is read from it.
@Suite struct RunFolderTests {
  /// A folder of its own for a test, gone at its end.
  struct Scratch: ~Copyable {
    let path = ReportTests.folder()

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, _ name: String) throws {
      let file = URL(fileURLWithPath: path + "/" + name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }

    func read(_ name: String) -> String? { try? String(contentsOfFile: path + "/" + name, encoding: .utf8) }

    /// Files below the folder.
    var files: [String] {
      (FileManager.default.enumerator(atPath: path)?.allObjects as? [String] ?? []).filter {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path + "/" + $0, isDirectory: &isFolder)
          && !isFolder.boolValue
      }.sorted()
    }
  }

  static func result(_ verdict: Verdict, _ id: String, kernel: String = "host", seen: Bool = true)
    -> CaseResult
  {
    var result = ReportTests.result(verdict, id: id)
    result.kernel = kernel
    if !seen { result.observation = nil }
    return result
  }

  static func plan(_ ids: [String], kernel: String = "host") -> PlannedRun {
    PlannedRun(
      ids.map { (result(.pass, $0).test, kernel) }, kernels: [kernel: PlanTests.kernel()],
      began: Date(timeIntervalSince1970: 1_800_000_000))
  }

  /// A finished run of cases that passed.
  static func run(_ ids: [String], into path: String) throws {
    let folder = try RunFolder(creating: path)
    try folder.begin(plan(ids))
    for id in ids {
      try folder.append(RunEvent(started: result(.pass, id).test, kernel: "host"))
      try folder.save(result(.pass, id), on: PlanTests.kernel())
      try folder.append(RunEvent(finished: result(.pass, id)))
    }
    try folder.save(Results(ids.map { result(.pass, $0) }, kernels: ["host": PlanTests.kernel()], seconds: 1))
  }

  // MARK: whose it is

  @Test(arguments: [
    ("results.json", #"{"mine":1}"#), ("results.json", #"{"version":1}"#), ("results.json", "{"),
    ("results.json", #"{"version":3,"cases":[]}"#), ("run.json", "{}"), ("run.json", ""),
    (
      "run.json",
      #"{"format":"other","version":1,"began":"2027-01-01T00:00:00Z","kernels":{},"tests":[],"cases":[]}"#
    ),
    ("thesis.txt", "mine"),
  ])
  func aForeignFolderIsRefusedAndLosesNothing(name: String, text: String) throws {
    let scratch = try Scratch()
    try scratch.write(text, name)
    for folder in ["captures/host", "observations", "consoles"] {
      try scratch.write("mine", folder + "/precious")
    }
    let before = scratch.files
    let failure = #expect(throws: Failure.self) { try RunFolder(creating: scratch.path) }
    #expect(failure?.isUsage == true)
    #expect(failure?.description.contains(scratch.path) == true)
    #expect(
      failure?.cause.hasPrefix("holds a") == true || failure?.cause.hasPrefix("holds something") == true)
    #expect(scratch.files == before)
    #expect(scratch.read(name) == text)
  }

  @Test func aSecondRunKeepsTheFirstWholeAsThePrevious() throws {
    let scratch = try Scratch()
    try Self.run(["x/a=1", "x/a=2"], into: scratch.path)
    try scratch.write("mine", "notes.txt")
    let first = scratch.files.filter { $0 != "notes.txt" }
    #expect(first.contains("run.json") && first.contains("captures/host/x.a_1.pcapng"))
    do {
      let folder = try RunFolder(creating: scratch.path)
      // Until it begins, nothing is touched.
      #expect(first.allSatisfy { scratch.files.contains($0) })
      try folder.begin(Self.plan(["x/a=3"]))
      let previous = try RunFolder(reading: scratch.path + "/previous")
      #expect(try previous.loadResults().cases.map(\.id) == ["x/a=1", "x/a=2"])
      #expect(try previous.load("x/a=1", kernel: "host") == Self.result(.pass, "x/a=1"))
      #expect(scratch.files.filter { $0.hasPrefix("previous/") } == first.map { "previous/" + $0 }.sorted())
      try folder.save(Self.result(.pass, "x/a=3"), on: PlanTests.kernel())
    }
    // The third deletes what the first's own lists name, and the second is the previous.
    try Self.run(["x/a=4"], into: scratch.path)
    #expect(try RunFolder(reading: scratch.path + "/previous").loadResults().cases.map(\.id) == ["x/a=3"])
    #expect(!scratch.files.contains { $0.contains("x.a_1") })
    #expect(scratch.read("notes.txt") == "mine")
  }

  @Test(arguments: ["previous/captures/host/mine.pcapng", "previous/notes", "previous/consoles/other-1.txt"])
  func whatTheLabHasNotWrittenIsNeverDeleted(name: String) throws {
    let scratch = try Scratch()
    for round in 1...2 { try Self.run(["x/a=\(round)"], into: scratch.path) }
    try scratch.write("mine", name)
    let before = scratch.files
    let folder = try RunFolder(creating: scratch.path)
    let failure = #expect(throws: Failure.self) { try folder.begin(Self.plan(["x/a=3"])) }
    #expect(
      failure?.isUsage == true && failure?.cause.contains(name) == true, "\(String(describing: failure))")
    #expect(scratch.files.filter { $0 != FolderLock.name } == before)
  }

  @Test func aRunThatJudgedNothingDisplacesNothing() throws {
    let scratch = try Scratch()
    for round in 1...2 { try Self.run(["x/a=\(round)"], into: scratch.path) }
    try RunFolder(creating: scratch.path).begin(Self.plan(["x/a=3"]))
    try RunFolder(creating: scratch.path).begin(Self.plan(["x/a=4"]))
    #expect(try RunFolder(reading: scratch.path + "/previous").loadResults().cases.map(\.id) == ["x/a=2"])
  }

  /// A run of before dotted names, and of before there was a run.json.
  @Test func aRecordedRunIsSetAsideAndDeletedByItsOwnLists() throws {
    let scratch = try Scratch()
    let out = scratch.path + "/out"
    try FileManager.default.copyItem(atPath: RecordedTests.folder, toPath: out)
    try Self.run(["x/a=1"], into: out)
    #expect(try RunFolder(reading: out + "/previous").loadResults().cases.count == 21)
    try Self.run(["x/a=2"], into: out)
    #expect(try RunFolder(reading: out + "/previous").loadResults().cases.map(\.id) == ["x/a=1"])
    #expect(!scratch.files.contains { $0.contains("linux-4.9") })
  }

  /// Killed while it moved the first run away: the next goes on where it was.
  @Test func halfAMoveIsFinished() throws {
    let scratch = try Scratch()
    try Self.run(["x/a=1"], into: scratch.path)
    let files = FileManager.default
    try files.createDirectory(atPath: scratch.path + "/previous", withIntermediateDirectories: true)
    try files.moveItem(atPath: scratch.path + "/captures", toPath: scratch.path + "/previous/captures")
    try RunFolder(creating: scratch.path).begin(Self.plan(["x/a=2"]))
    let previous = try RunFolder(reading: scratch.path + "/previous")
    #expect(try previous.load("x/a=1", kernel: "host") == Self.result(.pass, "x/a=1"))
  }

  @Test func aFolderInUseIsRefusedAndSaysByWhom() throws {
    let scratch = try Scratch()
    do {
      let first = try RunFolder(creating: scratch.path)
      try first.begin(Self.plan(["x/a=1"]))
      let failure = #expect(throws: Failure.self) { try RunFolder(creating: scratch.path) }
      #expect(failure?.isUsage == true)
      #expect(failure?.cause == "a run is writing there now (process \(getpid()))")
      #expect(throws: Failure.self) { try RunFolder(continuing: scratch.path) }
      let reader = try RunFolder(reading: scratch.path)
      #expect(reader.user == " (process \(getpid()))")
      #expect(
        try reader.loadResults().unfinished
          == "unfinished: 1 of 1 cases were not judged (the run is going on (process \(getpid())))")
      #expect(first.user == nil)
    }
    #expect(try RunFolder(reading: scratch.path).user == nil)
    #expect(!scratch.files.contains(FolderLock.name))
    _ = try RunFolder(creating: scratch.path)
  }

  /// What a killed run leaves is the file, and no lock.
  @Test func aLockFileAloneLocksNothing() throws {
    let scratch = try Scratch()
    try scratch.write("999999\n", FolderLock.name)
    _ = try RunFolder(creating: scratch.path)
  }

  // MARK: names and links

  @Test(arguments: ["../../x", "..", ".", "", "a/b", "/etc", "-x", "x\n", "x\u{1b}[31m", "-emulated"])
  func noKernelsNameLeadsOut(kernel: String) throws {
    let scratch = try Scratch()
    try Self.run(["x/a=1"], into: scratch.path)
    let folder = try RunFolder(reading: scratch.path)
    let before = scratch.files
    #expect(throws: Failure.self) { try folder.load("x/a=1", kernel: kernel) }
    #expect(throws: Failure.self) {
      try folder.save(Self.result(.pass, "x/a=1", kernel: kernel), on: PlanTests.kernel())
    }
    #expect(throws: Failure.self) { try folder.save(console: "", of: kernel) }
    #expect(scratch.files == before)
    try folder.save(
      Results(
        [Self.result(.pass, "x/a=1", kernel: kernel)], kernels: [kernel: PlanTests.kernel()], seconds: 1))
    let failure = #expect(throws: Failure.self) { try folder.loadResults() }
    #expect(failure?.cause.hasPrefix("kernel name ") == true)
    #expect(failure?.description.allSatisfy { $0.isASCII && !$0.isNewline && $0 != "\u{1b}" } == true)
    try folder.save(Results([], kernels: ["host": PlanTests.kernel()], seconds: 1))
    let plan = scratch.read("run.json") ?? ""
    try scratch.write(plan.replacing("\"host\"", with: json(kernel)), "run.json")
    #expect(throws: Failure.self) { try folder.loadResults() }
  }

  private func json(_ text: String) -> String {
    (try? JSONEncoder().encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  @Test(arguments: [
    "javascript:alert(1)", "../../etc/passwd", "/etc/passwd", "captures/host/x.a_2.pcapng",
    "captures/../results.json", "captures/host/../host/x.a_1.pcapng", "", "captures/host/x.a_1.pcapng\0",
  ])
  func aCaseHasItsOwnFilesAndNoOthers(name: String) throws {
    let scratch = try Scratch()
    try Self.run(["x/a=1", "x/a=2"], into: scratch.path)
    let folder = try RunFolder(reading: scratch.path)
    var results = try folder.loadResults()
    results.cases[0].capture = name
    try folder.save(results)
    var failure = #expect(throws: Failure.self) { try folder.loadResults() }
    #expect(failure?.cause.hasPrefix("cases[0], \"x/a=1\": its capture cannot be \"") == true)
    results.cases[0].capture = nil
    results.cases[0].observation = name
    try folder.save(results)
    failure = #expect(throws: Failure.self) { try folder.loadResults() }
    #expect(failure?.cause.hasPrefix("cases[0], \"x/a=1\": its observation cannot be \"") == true)
  }

  /// Names of before are read where they are the case's.
  @Test func filesOfBeforeDottedNamesAreRead() throws {
    let scratch = try Scratch()
    try Self.run(["x/a=1,b=c:d"], into: scratch.path)
    let files = FileManager.default
    let new = CaseFiles(PlannedRun.Place(id: "x/a=1,b=c:d", kernel: "host"))
    let old = CaseFiles.old(id: "x/a=1,b=c:d", kernel: "host")
    #expect(old.observation == "observations/host/x_a=1,b=c_d.json")
    for (from, to) in [(new.observation, old.observation), (new.capture, old.capture)] {
      try files.moveItem(atPath: scratch.path + "/" + from, toPath: scratch.path + "/" + to)
    }
    let folder = try RunFolder(reading: scratch.path)
    var results = try folder.loadResults()
    (results.cases[0].observation, results.cases[0].capture) = (old.observation, old.capture)
    try folder.save(results)
    #expect(try folder.loadResults().cases.count == 1)
    #expect(try folder.load("x/a=1,b=c:d", kernel: "host") == Self.result(.pass, "x/a=1,b=c:d"))
  }

  @Test(arguments: [
    "results.json", "run.json", "events.jsonl", "observations", "observations/host", "captures",
    "captures/host",
    "observations/host/x.a_1.json", "captures/host/x.a_1.pcapng",
  ])
  func noLinkIsFollowed(name: String) throws {
    let scratch = try Scratch()
    let outside = try Scratch()
    try Self.run(["x/a=1"], into: scratch.path)
    let files = FileManager.default
    try files.moveItem(atPath: scratch.path + "/" + name, toPath: outside.path + "/there")
    try files.createSymbolicLink(
      atPath: scratch.path + "/" + name, withDestinationPath: outside.path + "/there")
    let before = outside.files.map { outside.read($0) }
    // Read: refused, or what is missing is said; never what is outside.
    let readsAll = (try? RunFolder(reading: scratch.path)).flatMap { folder -> CaseResult? in
      guard (try? folder.loadResults()) != nil else { return nil }
      return try? folder.load("x/a=1", kernel: "host")
    }
    let isOnlyAMark = ["results.json", "run.json", "events.jsonl"].contains(name)
    #expect((readsAll == nil) || isOnlyAMark)
    // Written: refused, or in place of the link; never through it.
    if let folder = try? RunFolder(reading: scratch.path) {
      var other = Self.result(.fail, "x/a=1")
      other.judgement.reason = "written"
      try? folder.save(other, on: PlanTests.kernel())
      try? folder.append(RunEvent(finished: other))
      try? folder.save(Results([], kernels: [:], seconds: 0))
    }
    #expect(outside.files.map { outside.read($0) } == before)
  }

  /// Neither a FIFO, which would hold the lab up for ever, nor a file without end.
  @Test func onlyRegularFilesOfABoundedSizeAreRead() throws {
    let scratch = try Scratch()
    try Self.run(["x/a=1"], into: scratch.path)
    let folder = try RunFolder(reading: scratch.path)
    let observation = scratch.path + "/observations/host/x.a_1.json"
    #expect(truncate(observation, off_t(RunFolder.limit) + 1) == 0)
    var failure = #expect(throws: Failure.self) { try folder.load("x/a=1", kernel: "host") }
    #expect(failure?.cause == "1073741825 bytes; no more than 1073741824 are read of such a file")
    #expect(unlink(observation) == 0 && mkfifo(observation, 0o600) == 0)
    failure = #expect(throws: Failure.self) { try folder.load("x/a=1", kernel: "host") }
    #expect(failure != nil)
    for name in ["results.json", "run.json"] {
      #expect(unlink(scratch.path + "/" + name) == 0 && mkfifo(scratch.path + "/" + name, 0o600) == 0)
    }
    #expect(throws: Failure.self) { try RunFolder(reading: scratch.path) }
    #expect(throws: Failure.self) { try RunFolder(creating: scratch.path) }
  }

  // MARK: one case, one file

  @Test func valuesThatDifferInPunctuationOnlyHaveFilesOfTheirOwn() throws {
    let scratch = try Scratch()
    let ids = ["x/m=a/b", "x/m=a_b", "x/m=a:b", "x/m=A_B"]
    try Self.run(ids, into: scratch.path)
    #expect(scratch.files.filter { $0.hasPrefix("observations/") }.count == ids.count)
    let folder = try RunFolder(reading: scratch.path)
    for id in ids { #expect(try folder.load(id, kernel: "host").test.id == id) }
  }

  @Test func evidenceOfAnotherCaseIsNotThisOnes() throws {
    let scratch = try Scratch()
    try Self.run(["x/a=1", "x/a=2"], into: scratch.path)
    let folder = try RunFolder(reading: scratch.path)
    let text = scratch.read("observations/host/x.a_2.json")
    let other = try #require(text)
    try scratch.write(other, "observations/host/x.a_1.json")
    let failure = #expect(throws: Failure.self) { try folder.load("x/a=1", kernel: "host") }
    #expect(failure?.cause == "of \"x/a=2\" on \"host\", not of \"x/a=1\" on host")
    try scratch.write(
      other.replacing("\"id\":\"x/a=2\"", with: "\"id\":\"x/a=1\""), "observations/host/x.a_1.json")
    #expect(throws: Failure.self, "its observation is another's") { try folder.load("x/a=1", kernel: "host") }
    try scratch.write(
      other.replacing("\"kernel\":\"host\"", with: "\"kernel\":\"old\""), "observations/host/x.a_2.json")
    #expect(throws: Failure.self, "of another kernel") { try folder.load("x/a=2", kernel: "host") }
  }

  @Test func aCaseThatStandsTwiceIsRefused() throws {
    let scratch = try Scratch()
    try Self.run(["x/a=1"], into: scratch.path)
    let folder = try RunFolder(reading: scratch.path)
    var results = try folder.loadResults()
    results.cases.append(results.cases[0])
    try folder.save(results)
    let failure = #expect(throws: Failure.self) { try folder.loadResults() }
    #expect(failure?.cause == "cases[1], \"x/a=1\": stands twice on host")
  }

  /// What is green is counted here and not believed.
  @Test func whatIsCountedIsWhatIsThere() throws {
    let scratch = try Scratch()
    try Self.run(["x/a=1", "x/a=2"], into: scratch.path)
    let folder = try RunFolder(reading: scratch.path)
    var results = try folder.loadResults()
    results.cases[0].verdict = .fail
    results.summary.pass = 99
    try folder.save(results)
    let summary = try folder.loadResults().summary
    #expect((summary.pass, summary.fail) == (1, 1))
  }

  /// Cases end side by side: each line of what happened is whole.
  @Test func linesOfManyAreWhole() async throws {
    let scratch = try Scratch()
    let folder = try RunFolder(creating: scratch.path)
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<400 {
        group.addTask { try? folder.append(RunEvent(finished: Self.result(.pass, "x/a=\(number)"))) }
      }
    }
    let lines = (scratch.read("events.jsonl") ?? "").split(separator: "\n")
    let names = lines.compactMap { try? JSONDecoder().decode(RunEvent.self, from: Data($0.utf8)).case }
    #expect(Set(names).count == 400 && lines.count == 400)
  }

  // MARK: --output

  @Test func whatIsNoFileIsWrittenToAndNotReplaced() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/x"
    try OutputFile.write("one", to: path, option: "--output")
    try OutputFile.write("two", to: path, option: "--output")
    #expect(scratch.read("x") == "two")
    // Through a link, which stays one.
    #expect(symlink("x", scratch.path + "/link") == 0)
    try OutputFile.write("three", to: scratch.path + "/link", option: "--output")
    #expect(scratch.read("x") == "three")
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: scratch.path + "/link") == "x")
    // A pipe, as /dev/stdout is one.
    #expect(mkfifo(scratch.path + "/pipe", 0o600) == 0)
    let reader = open(scratch.path + "/pipe", O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    try OutputFile.write("four", to: scratch.path + "/pipe", option: "--output")
    var bytes = [UInt8](repeating: 0, count: 10)
    #expect(read(reader, &bytes, 10) == 4)
    #expect(scratch.files.contains("pipe"))
    for (name, cause) in [
      ("", "no name"), (scratch.path, "Is a directory"),
      (scratch.path + "/no/x", "No such file or directory"),
    ] {
      let failure = #expect(throws: Failure.self) { try OutputFile.write("", to: name, option: "--output") }
      #expect(failure?.cause == cause)
      #expect(failure?.isUsage == true)
    }
  }
}
