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

  /// What the kernel ran in each file's cases is printed from what was counted; `PAWSLAB_WRITE=1` prints it anew. Each
  /// `because` names a function that was called in a case of its rule, and none that was not.
  @Test func theFunctionsAreThoseThatWereReached() throws {
    let folder = URL(fileURLWithPath: Self.path).deletingLastPathComponent()
    let kept = try JSONDecoder().decode(
      ReachedFunctions.self, from: Data(contentsOf: folder.appendingPathComponent("functions.json")))
    let rules = try Self.rules(in: folder.path)
    for rule in rules {
      let complaint = kept.complaint(about: rule)
      #expect(complaint == nil, "\(complaint ?? "")")
    }
    // Real programs are not run in these guests; what their files say names a function all the same.
    let programs = try Self.rules(in: folder.appendingPathComponent("programs").path)
    for rule in programs {
      let complaint = kept.complaint(aboutNamesOf: rule)
      #expect(complaint == nil, "\(complaint ?? "")")
    }

    let text = try String(contentsOfFile: Self.path, encoding: .utf8)
    let marker =
      "<!-- printed from functions.json: PAWSLAB_WRITE=1 swift test --filter LabReadme -->\n\n"
    let start = try #require(text.range(of: marker)?.upperBound)
    let end = try #require(text.range(of: "\n## ", range: start..<text.endIndex)?.lowerBound)
    let uncounted =
      "The \(programs.count) rules of [programs](programs) name functions too; guests of one case run no programs, "
      + "so nothing is counted there.\n"
    let wanted = String(text[..<start]) + kept.document(of: rules) + "\n" + uncounted + text[end...]
    if ProcessInfo.processInfo.environment["PAWSLAB_WRITE"] != nil {
      try wanted.write(toFile: Self.path, atomically: true, encoding: .utf8)
    } else {
      #expect(text == wanted)
    }
  }

  private static func rules(in folder: String) throws -> [ReachedFunctions.Written] {
    ReachedFunctions.Written.all(
      in: try LabFiles.discover(paths: [folder]).map { try LabFiles.load(path: $0) })
  }

  /// The README is for a stranger with an outage, and short.
  @Test func theReadmeIsShort() throws {
    let folder = URL(fileURLWithPath: Self.path).deletingLastPathComponent().deletingLastPathComponent()
    let text = try Data(contentsOf: folder.appendingPathComponent("README.md"))
    #expect(text.count <= 10_000)
  }
}
