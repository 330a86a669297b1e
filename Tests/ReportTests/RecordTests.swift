import Foundation
import Judging
import Model
import Report
import Testing

/// What a kernel does, as a small file: what goes in comes out, and what is spoilt is refused.
@Suite struct RecordTests {
  static func results(kernel: Kernel = Sample.kernel) -> Results {
    var cases = [
      Sample.result(.pass), Sample.result(.pass, id: "x/a=2"), Sample.result(.fail, id: "x/a=3"),
      Sample.result(.error, id: "x/a=4"), Sample.result(.skip, id: "y/b=3,c=1"),
      Sample.result(.pass, id: "y/b=3,c=2"), Sample.result(.pass, id: "z/default"),
    ]
    cases[1].exact = .init(seed: 0, origin: "abc", digest: String(repeating: "0123456789abcdef", count: 4))
    return Results(cases, kernels: ["host": kernel], seconds: 1)
  }

  @Test func whatIsRecordedIsComparedLikeTheRunItself() throws {
    let results = Self.results()
    let record = try KernelRecord(results, name: "host", program: "pawslab 0.1")
    let read = try KernelRecord(Data(try record.text.utf8), file: "host.json")
    #expect(read == record)
    #expect(read.count == 6 && KernelRecord.leftOut(of: results, name: "host") == 1)
    #expect(read.digests == ["x/a=2": "0123456789abcdef"] && read.origin == "abc")
    var run = results
    run.cases.removeAll { $0.verdict == .error }
    let comparison = Comparison(
      .init(name: "record", read.results, kernel: "host"), .init(name: "run", run, kernel: "host"))
    #expect(comparison.isAlike && comparison.compared == 5 && comparison.skipped == ["y/b=3,c=1"])
    // And where the run does something else, it says so.
    let index = try #require(run.cases.firstIndex { $0.id == "x/a=3" })
    run.cases[index].attempts = []
    let other = Comparison(
      .init(name: "record", read.results, kernel: "host"), .init(name: "run", run, kernel: "host"))
    #expect(other.differences.map(\.cases) == [["x/a=3"]])
  }

  /// Why a kernel does what it does goes with it, and is no difference by itself.
  @Test func aReasonIsKeptAndIsNoDifference() throws {
    let results = Self.results()
    let record = try KernelRecord(results, name: "host", program: nil)
    let passed = try #require(results.cases.first { $0.verdict == .pass })
    #expect(record.results.cases.first { $0.id == passed.id }?.reason == passed.reason)
    var run = results
    for index in run.cases.indices { run.cases[index].reason += ", told otherwise" }
    let comparison = Comparison(
      .init(name: "record", record.results, kernel: "host"), .init(name: "run", run, kernel: "host"))
    #expect(comparison.differences.isEmpty)
  }

  /// Two kernels beside each other, the older one first.
  @Test func recordsAreATable() throws {
    var older = Sample.kernel
    older.release = "4.9.0"
    var results = Self.results(kernel: older)
    for index in results.cases.indices { results.cases[index].kernel = "old" }
    results.kernels = ["old": older]
    let index = try #require(results.cases.firstIndex { $0.id == "x/a=2" })
    (results.cases[index].verdict, results.cases[index].reason) = (.skip, "it lacks something")
    let records = [
      try KernelRecord(Self.results(), name: "host", program: nil),
      try KernelRecord(results, name: "old", program: nil),
    ]
    let lines = try RecordTable(records).markdown.split(separator: "\n").map(String.init)
    #expect(lines.first == "| lab file | old | host |")
    #expect(lines.contains("| x | 1 pass, 1 fail, 1 skip | 2 pass, 1 fail |"))
    #expect(lines.contains("the kernels do not differ"))
    #expect(lines.contains { $0.hasPrefix("it lacks something: 1 on old") })
    #expect(throws: Failure.self) { try RecordTable([records[0], records[0]]) }
  }

  /// What lab/records/README.md says is printed from the records beside it; `PAWSLAB_WRITE=1` prints it anew.
  @Test func theTableIsWhatTheRecordsSay() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("lab/records")
    let page = folder.appendingPathComponent("README.md")
    let text = try String(contentsOf: page, encoding: .utf8)
    let marker = "<!-- printed from the records: PAWSLAB_WRITE=1 swift test --filter RecordTests -->\n\n"
    let end = try #require(text.range(of: marker)?.upperBound)
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
      $0.hasSuffix(".json")
    }
    let records = try files.map { file in
      try KernelRecord(Data(contentsOf: folder.appendingPathComponent(file)), file: file)
    }
    let wanted = text[..<end] + (try RecordTable(records).markdown)
    if ProcessInfo.processInfo.environment["PAWSLAB_WRITE"] != nil {
      try String(wanted).write(to: page, atomically: true, encoding: .utf8)
    } else {
      #expect(text == String(wanted))
    }
    // Between kernels nothing is left that nobody can say the reason of.
    #expect(!wanted.contains("\nnothing explains"))
  }

  /// A line for each case, so that two records are compared by eye and by git.
  @Test func aRowIsALine() throws {
    let text = try KernelRecord(Self.results(), name: "host", program: nil).text
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.contains(#""2":"0 0123456789abcdef","#))
    #expect(lines.contains(#""3,1":"0","#))
    #expect(lines.contains(#""y":{"title":"a title","axes":["b","c"],"#))
    #expect(try KernelRecord(Self.results(), name: "host", program: nil).text == text)
  }

  @Test func spoiltRecordsAreRefused() throws {
    let text = try KernelRecord(Self.results(), name: "host", program: nil).text
    for (one, other, words) in [
      (#""version":1"#, #""version":2"#, "a record of version 2; this program reads 1"),
      ("pawslab record", "other", "no record of pawslab"),
      (#""3,1":"0""#, #""3,1":"7""#, "there is no such thing"),
      (#""3,1":"0""#, #""3":"0""#, "there is no such thing"),
      (#""y":{"#, #""y/../z":{"#, "cannot be a lab file's name"),
      (#""name":"host""#, #""name":"../host""#, "no kernel's name may have"),
      (#""rows":{"#, #""row":{"#, "no \"rows\""),
    ] {
      #expect(text.contains(one))
      #expect {
        try KernelRecord(Data(text.replacing(one, with: other).utf8), file: "x.json")
      } throws: {
        "\($0)".contains(words)
      }
    }
    #expect(throws: Failure.self) { try KernelRecord(Data(text.utf8.dropLast(9)), file: "x.json") }
    #expect(throws: Failure.self) { try KernelRecord(Self.results(), name: "debian-12", program: nil) }
  }

  @Test func kernelsOfOneVersionAreToldApart() {
    var patched = Sample.kernel
    patched.capabilities.insert(.feature(.timestampsByPort))
    patched.capabilities.formUnion(["A", "B", "C", "D"].map { .counter("TcpExt.\($0)") })
    #expect(
      Sample.kernel.told(from: patched, names: ("old", "new")) == [
        "only new has timestamps-by-port, 4 counters"
      ])
    #expect(Sample.kernel.told(from: Sample.kernel, names: ("old", "new")).isEmpty)
    patched = Sample.kernel
    patched.timestampTicksPerSecond = 250
    #expect(
      Sample.kernel.told(from: patched, names: ("old", "new")) == [
        "timestamps tick 1000 and 250 times a second"
      ])
  }
}
