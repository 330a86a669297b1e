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
