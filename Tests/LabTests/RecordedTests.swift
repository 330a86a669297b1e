import Evidence
import Foundation
import Judging
import LabFile
import Model
import Report
import Testing

/// Evidence of a kernel that not everybody has, judged again.
@Suite struct RecordedTests {
  static let folder = ProgramTests.repository + "/lab/recorded/linux-4.9.115"

  @Test func theIncidentOnAGenuineKernelIsJudgedAsItWas() throws {
    let folder = try RunFolder(reading: Self.folder)
    let results = try folder.loadResults()
    let kernel = try #require(results.kernels["linux-4.9"])
    #expect(kernel.release == "4.9.115")
    #expect(kernel.perKernelSettings.contains("tcp_tw_recycle"))
    var dropped = 0
    for entry in results.cases {
      let result = try folder.load(entry.id, kernel: "linux-4.9")
      let observation = try #require(result.observation)
      let again = judge(result.test, on: kernel, seen: observation)
      #expect(again.verdict == .pass, "\(entry.id): \(again.reason)")
      dropped += again.attempts.count { $0.outcome == .dropped }
      // Without its counter a drop by tcp_tw_recycle is none.
      guard again.attempts.contains(where: { $0.expected.mechanism == "recycle" }) else { continue }
      var without = observation
      without.countersAfter["server"]?["TcpExt.PAWSPassive"] = nil
      #expect(judge(result.test, on: kernel, seen: without).verdict == .fail, "\(entry.id)")
      without = observation
      without.stamps = []
      #expect(judge(result.test, on: kernel, seen: without).verdict == .fail, "\(entry.id)")
    }
    #expect(dropped >= 4)
  }

  /// Verdict, outcomes and what was expected, as they were saved; of a counter that was named then, the same.
  @Test func everyRecordedFileIsReadAndJudgedAsItWas() throws {
    let folder = try RunFolder(reading: Self.folder)
    let results = try folder.loadResults()
    #expect(results.cases.count == (try Self.files("observations")).count)
    var counters = 0
    for entry in results.cases {
      let result = try folder.load(entry.id, kernel: entry.kernel)
      let kernel = try #require(results.kernels[entry.kernel])
      let again = judge(result.test, on: kernel, seen: try #require(result.observation))
      #expect(again.verdict == entry.verdict && again.verdict == result.judgement.verdict, "\(entry.id)")
      #expect(again.attempts.map(\.outcome) == result.judgement.attempts.map(\.outcome), "\(entry.id)")
      #expect(again.attempts.map(\.expected) == result.judgement.attempts.map(\.expected), "\(entry.id)")
      for witness in result.judgement.witnesses {
        guard case .counter = witness.subject,
          let now = again.witnesses.first(where: { $0.subject == witness.subject })
        else { continue }
        #expect(now.seen == witness.seen && now.holds == witness.holds, "\(entry.id): \(witness.name)")
        counters += 1
      }
    }
    #expect(counters > 20)
  }

  private static func files(_ below: String) throws -> [String] {
    let names = try #require(FileManager.default.enumerator(atPath: folder + "/" + below)).allObjects
    return names.compactMap { $0 as? String }.filter { $0.hasSuffix(".json") || $0.hasSuffix(".pcapng") }
      .map { "\(below)/\($0)" }.sorted()
  }

  /// Each file in turn: it is named, its format and ours, and nothing of it is taken.
  @Test(arguments: ["the future", "half"])
  func aFileThatCannotBeReadIsSaidAtItsPlace(spoilt: String) throws {
    let copy = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.copyItem(atPath: Self.folder, toPath: copy)
    defer { try? FileManager.default.removeItem(atPath: copy) }
    let sound = try RunFolder(reading: copy).loadResults()
    for name in try ["results.json"] + Self.files("observations") + Self.files("captures")
    where spoilt == "half" || name.hasSuffix(".json") {
      let whole = try Data(contentsOf: URL(fileURLWithPath: "\(copy)/\(name)"))
      var bad = whole.prefix(whole.count / 2 | 1)
      if spoilt == "the future" {
        var fields = try #require(try JSONSerialization.jsonObject(with: whole) as? [String: Any])
        if fields["version"] != nil {
          fields = ["version": 9, "cases": "elsewhere"]
        } else {
          fields = ["observation": ["format": 9]]
        }
        bad = try JSONSerialization.data(withJSONObject: fields)
      }
      try bad.write(to: URL(fileURLWithPath: "\(copy)/\(name)"))
      defer { try? whole.write(to: URL(fileURLWithPath: "\(copy)/\(name)")) }
      let failure = #expect(throws: Failure.self) {
        let folder = try RunFolder(reading: copy)
        _ = try folder.loadResults()
        for entry in sound.cases where [entry.observation, entry.capture].contains(name) {
          _ = try folder.load(entry.id, kernel: entry.kernel)
        }
      }
      #expect(failure?.object == "\(copy)/\(name)")
      if spoilt == "the future" {
        #expect(failure?.cause == "of format 9; this program reads 3 to \(EvidenceFormat.current)")
      } else {
        #expect(
          failure?.cause.hasPrefix(name.hasSuffix(".json") ? "no JSON, cut short" : "no pcapng") == true,
          "\(failure?.cause ?? "")")
      }
    }
  }

  /// What was recorded is what the lab files say now.
  @Test func theRecordedCasesAreThoseOfTheLabFiles() throws {
    let cases = try LabFilesOnDisk.cases()
    let folder = try RunFolder(reading: Self.folder)
    for entry in try folder.loadResults().cases {
      let now = try #require(cases[entry.id], "\(entry.id) is no case any more: record it again")
      var recorded = try folder.load(entry.id, kernel: "linux-4.9").test
      // Words may change; what is done and expected may not.
      recorded.why = now.why
      recorded.title = now.title
      recorded.source = now.source
      for index in recorded.rules.indices where now.rules.indices.contains(index) {
        recorded.rules[index].because = now.rules[index].because
        recorded.rules[index].line = now.rules[index].line
      }
      #expect(recorded == now, "\(entry.id): record it again")
    }
  }

  /// What a claim calls stored is in lab/recorded, with cases that show it and were as said; and what is there is called so.
  @Test func whatAClaimCallsStoredIsStored() throws {
    let results = try RunFolder(reading: Self.folder).loadResults()
    let release = try #require(results.kernels.values.first?.release)
    for claim in Claim.all {
      let own = results.cases.filter { claim.isShown(by: $0.id) && $0.verdict != .skip }
      #expect(claim.measured.stored == (own.isEmpty ? [] : [release]), "\(claim.text)")
      #expect(own.allSatisfy { $0.verdict == .pass }, "\(claim.text)")
    }
  }

  @Test func everyClaimHasCases() throws {
    let names = try LabFilesOnDisk.cases().keys
    for claim in Claim.all {
      for pattern in claim.cases {
        #expect(names.contains { Glob(pattern).matches($0) }, "no case matches \(pattern)")
      }
    }
  }
}

private enum LabFilesOnDisk {
  static func cases() throws -> [String: Case] {
    let all = try LabFiles.discover(paths: [ProgramTests.repository + "/lab"])
      .flatMap { try LabFiles.load(path: $0).cases() }
    return Dictionary(uniqueKeysWithValues: all.map { ($0.id, $0) })
  }
}
