import Foundation
import LabFile
import Model
import Report
import Testing

@testable import pawslab

/// What lab/README.md says of the words of a lab file is printed from the grammar.
@Suite(.serialized) struct LabReadmeTests {
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

  /// The index is printed from the files; `PAWSLAB_WRITE=1` prints it anew. Each file is in it.
  @Test func theIndexIsWhatTheFilesSay() throws {
    let text = try String(contentsOfFile: Self.path, encoding: .utf8)
    let marker = "<!-- printed from the files: PAWSLAB_WRITE=1 swift test --filter LabReadme -->\n\n"
    let start = try #require(text.range(of: marker)?.upperBound)
    let end = try #require(text.range(of: "\n## ", range: start..<text.endIndex)?.lowerBound)
    let folder = URL(fileURLWithPath: Self.path).deletingLastPathComponent().path
    let scenarios = try LabFiles.discover(paths: [folder]).map { try LabFiles.load(path: $0) }
    let index = LabIndex.document(scenarios)
    // A control has no symptom, and need not be in a table.
    let explained = scenarios.filter { scenario in
      scenario.rules.contains { guarded in guarded.rule.outcomes.values.contains { $0.mechanism != nil } }
    }
    for scenario in explained {
      #expect(index.contains("(\(scenario.name).yaml)"), "\(scenario.name)")
    }
    let wanted = String(text[..<start]) + index + text[end...]
    if ProcessInfo.processInfo.environment["PAWSLAB_WRITE"] != nil {
      try wanted.write(toFile: Self.path, atomically: true, encoding: .utf8)
    } else {
      #expect(text == wanted)
    }
  }

  /// What the kernel ran in each file's cases is printed from what was counted; `PAWSLAB_WRITE=1` prints it anew. No rule
  /// names functions that were never called, each is what its file says today, and no file is left out that ran there.
  @Test func theFunctionsAreThoseThatWereReached() throws {
    let folder = URL(fileURLWithPath: Self.path).deletingLastPathComponent()
    let kept = try JSONDecoder().decode(
      ReachedFunctions.self, from: Data(contentsOf: folder.appendingPathComponent("functions.json")))
    let scenarios = try LabFiles.discover(paths: [folder.path]).map { try LabFiles.load(path: $0) }
    for entry in kept.entries {
      #expect(!entry.misleads, "\(entry.id) never calls \(entry.missed)")
      let rules = scenarios.first { $0.name == entry.scenario }?.rules.map(\.rule.because) ?? []
      #expect(
        rules.contains(entry.because), "bench functions was not run since \(entry.scenario) was changed")
    }
    let missing = Set(scenarios.map(\.name)).subtracting(kept.entries.map(\.scenario))
    #expect(missing.isEmpty, "bench functions has not run \(missing)")

    let text = try String(contentsOfFile: Self.path, encoding: .utf8)
    let marker =
      "<!-- printed from functions.json: PAWSLAB_WRITE=1 swift test --filter LabReadme -->\n\n"
    let start = try #require(text.range(of: marker)?.upperBound)
    let end = try #require(text.range(of: "\n## ", range: start..<text.endIndex)?.lowerBound)
    let wanted = String(text[..<start]) + kept.document + text[end...]
    if ProcessInfo.processInfo.environment["PAWSLAB_WRITE"] != nil {
      try wanted.write(toFile: Self.path, atomically: true, encoding: .utf8)
    } else {
      #expect(text == wanted)
    }
  }

  /// The README is for a stranger with an outage, and short.
  @Test func theReadmeIsShort() throws {
    let folder = URL(fileURLWithPath: Self.path).deletingLastPathComponent().deletingLastPathComponent()
    let text = try Data(contentsOf: folder.appendingPathComponent("README.md"))
    #expect(text.count <= 10_000)
  }
}
