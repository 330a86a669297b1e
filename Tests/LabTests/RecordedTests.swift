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
