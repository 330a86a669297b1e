import Testing

@testable import Report

/// What a thousand clients have in common is said once.
@Suite struct FoldedTests {
  private func folded(_ lines: [String]) -> [String] {
    Folded.lines(lines, text: { $0 }, more: { "... and \($0) more" })
  }

  @Test func fewAreToldOneByOne() {
    let few = (0..<8).map { "NO early.\($0) saw 1" }
    #expect(folded(few) == few)
    #expect(folded(["a"]) == ["a"])
  }

  @Test func ofManyTheFirstAreTold() {
    let many = (2..<1000).map { "NO early.\($0) TcpExt.X: expected +0, saw +\($0)" } + ["NO hop drop: saw +9"]
    #expect(
      folded(many) == many.prefix(3) + ["... and 995 more", "NO hop drop: saw +9"])
  }

  /// Each kind in its place, however they are mixed.
  @Test func eachKindIsCountedByItself() {
    let mixed = (0..<20).flatMap { ["a \($0)", "b \($0) \($0)", $0 < 2 ? "c \($0)" : "d"] }
    let text = folded(mixed)
    #expect(text.prefix(9) == mixed.prefix(9))
    #expect(text.suffix(5) == ["... and 17 more", "... and 17 more", "d", "d", "... and 15 more"])
  }
}
