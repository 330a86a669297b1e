import Foundation
import TestSupport
import Testing

@testable import MicroVM

@Suite struct RpmVersionTests {
  /// Pairs of rpm's own behaviour (tests/rpmvercmp.at), and the order that it gives them.
  static let pairs: [(String, String, Int)] = [
    ("1.0", "1.0", 0), ("1.0", "2.0", -1), ("2.0.1", "2.0.1", 0), ("2.0", "2.0.1", -1),
    ("2.0.1a", "2.0.1", 1),
    ("5.5p1", "5.5p2", -1), ("5.5p10", "5.5p1", 1), ("10xyz", "10.1xyz", -1), ("xyz10", "xyz10.1", -1),
    ("xyz.4", "8", -1), ("xyz.4", "2", -1), ("5.5p2", "5.6p1", -1), ("6.0.rc1", "6.0", 1),
    ("10b2", "10a1", 1),
    ("7.4", "7.4.1", -1), ("1.0aa", "1.0a", 1), ("10.0001", "10.0039", -1), ("4.999.9", "5.0", -1),
    ("20101121", "20101122", -1), ("2_0", "2.0", 0), ("2.0", "2_0", 0), ("a+", "a_", 0), ("+a", "_a", 0),
    ("+", "_", 0), ("_+", "+", 0), ("1.0~rc1", "1.0", -1), ("1.0~rc1", "1.0~rc2", -1),
    ("1.0~rc1~git123", "1.0~rc1", -1), ("1.0^", "1.0", 1), ("1.0^git1", "1.0^git2", -1),
    ("1.0^git1", "1.01", -1),
    ("1.0^20160101", "1.0.1", -1), ("1.0^20160101^git1", "1.0^20160102", -1), ("1.0~rc1^git1", "1.0~rc1", 1),
    ("1.0^git1~pre", "1.0^git1", -1), ("1.05", "1.5", 0), ("1.005", "1.1", 1), ("0001", "1", 0),
    ("1.a", "1.A", 1),
    ("99999999999999999999", "99999999999999999998", 1), ("", "1", -1), ("~", "", -1), ("^", "", 1),
    ("1.", "1", 0),
  ]

  @Test func versionsAreOrderedAsRpmOrdersThem() {
    for (left, right, order) in Self.pairs {
      #expect(RpmVersion.compare(left, right).signum() == order, "\(left) \(right)")
      #expect(RpmVersion.compare(right, left).signum() == -order, "\(right) \(left)")
    }
  }

  /// And as the rpm of this machine does, for pairs that nobody chose.
  @Test(.enabled(if: Needs.met(Needs.program("rpm") != nil), "SKIPPED: needs rpm"))
  func rpmItselfAgrees() throws {
    var generator = Steady()
    let pieces = ["0", "1", "01", "10", "9", "a", "B", "rc", ".", "_", "~", "^", "+", "fc"]
    func version() -> String {
      (0..<Int.random(in: 1...5, using: &generator)).map { _ in
        pieces[Int.random(in: 0..<pieces.count, using: &generator)]
      }.joined()
    }
    // Its function takes no empty version.
    let pairs =
      (0..<400).map { _ in (version(), version()) }
      + Self.pairs.filter { !$0.0.isEmpty && !$0.1.isEmpty }.map { ($0.0, $0.1) }
    let calls = pairs.map { "rpm.vercmp('\($0.0)','\($0.1)')" }
    let folder = FileManager.default.temporaryDirectory
    var orders: [Int] = []
    for start in stride(from: 0, to: calls.count, by: 100) {
      let some = calls[start..<min(calls.count, start + 100)].map { "print(\($0)..'\\n')" }.joined(
        separator: " ")
      orders += try tool("rpm", "--eval", "%{lua: \(some)}", in: folder).split(separator: "\n").compactMap {
        Int($0.trimmingCharacters(in: .whitespaces))
      }
    }
    try #require(orders.count == pairs.count)
    for ((left, right), order) in zip(pairs, orders) {
      #expect(RpmVersion.compare(left, right).signum() == order, "\(left) \(right)")
    }
  }

  private struct Steady: RandomNumberGenerator {
    var state: UInt64 = 1
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ (state >> 29)
    }
  }

  @Test func theEpochComesFirstThenTheVersionThenTheRelease() {
    func version(_ epoch: Int, _ version: String, _ release: String) -> RpmVersion {
      RpmVersion(epoch: epoch, version: version, release: release)
    }
    let sorted = [
      version(0, "6.8.9", "300.fc40"), version(0, "6.8.10", "300.fc40"), version(0, "6.8.10", "301.fc40"),
      version(0, "6.9~rc1", "1"), version(0, "6.9", "1"), version(1, "3.10", "1"),
    ]
    #expect(sorted.reversed().sorted().map(\.description) == sorted.map(\.description))
    #expect(sorted.last?.description == "1:3.10-1")
  }
}
