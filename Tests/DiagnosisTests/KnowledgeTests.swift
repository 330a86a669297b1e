@testable import Diagnosis
import Foundation
import Judging
import Model
import Testing

/// What is said of a mechanism is of one that the lab has, and leads to a file that shows it.
@Suite struct KnowledgeTests {
  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// An author's own, and a rule that decides between two others.
  private static let without: Set<Mechanism> = ["witnesses", "time-wait"]

  @Test(arguments: Mechanism.all.map(\.name).filter { !without.contains($0) })
  func everyMechanismHasAFileThatShowsIt(name: Mechanism) throws {
    let known = Knowledge.of(.mechanism(name))
    let lab = try #require(known.lab, "\(name.rawValue) names no lab file")
    let text = try String(contentsOf: Self.repository.appendingPathComponent(lab), encoding: .utf8)
    #expect(
      text.split(separator: "\n").contains { $0.hasSuffix(" by \(name.rawValue)") },
      "\(lab) expects nothing by \(name.rawValue)")
    #expect(known.summary == Mechanism.all.first { $0.name == name }?.summary)
  }

  /// What ends it does not tell to set what the lab shows to harm.
  @Test func noChangeHarms() {
    for name in Mechanism.all.map(\.name) {
      let change = Knowledge.of(.mechanism(name)).change ?? ""
      for harm in ["tcp_rfc1337=1", "tcp_tw_recycle=1", "set tcp_timestamps=0"] {
        #expect(!change.contains(harm))
      }
    }
  }
}
