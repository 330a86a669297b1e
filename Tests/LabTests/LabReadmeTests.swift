import Foundation
import LabFile
import Model
import Testing

@testable import pawslab

/// What lab/README.md says of the words of a lab file is printed from the grammar.
@Suite struct LabReadmeTests {
  private static let path =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path + "/lab/README.md"
  private static let topics = ["sections", "steps", "mechanisms", "outcomes", "kinds"]

  /// `PAWSLAB_WRITE=1` prints it anew.
  @Test func theReferenceIsWhatTheGrammarSays() throws {
    let text = try String(contentsOfFile: Self.path, encoding: .utf8)
    let marker = "<!-- printed from the grammar: PAWSLAB_WRITE=1 swift test --filter LabReadme -->\n"
    let end = try #require(text.range(of: marker)?.upperBound)
    let topics = try Self.topics.map { try #require(Reference.all.topic($0)) }
    // One level below the section that they are in.
    let printed = ReferenceMarkdown.document(topics).split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.hasPrefix("#") ? "#\($0)" : String($0) }.joined(separator: "\n")
    let wanted = text[..<end] + "\n" + printed
    if ProcessInfo.processInfo.environment["PAWSLAB_WRITE"] != nil {
      try String(wanted).write(toFile: Self.path, atomically: true, encoding: .utf8)
    } else {
      #expect(text == String(wanted))
    }
  }

  /// The README is for a stranger with an outage, and short.
  @Test func theReadmeIsShort() throws {
    let folder = URL(fileURLWithPath: Self.path).deletingLastPathComponent().deletingLastPathComponent()
    let text = try Data(contentsOf: folder.appendingPathComponent("README.md"))
    #expect(text.count <= 10_000)
  }
}
