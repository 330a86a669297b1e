import ArgumentParser
import Foundation
import Report
import Scenario

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "A saved run again: as text, as a page to hand over, or in the words of other tools.",
    discussion: """
      Examples:
        pawslab report out                          the table
        pawslab report out --html > report.html     one self-contained page
        pawslab report out --format junit --output junit.xml
      """)

  @Argument(help: "A folder that a run kept with --out.")
  var folder: String

  @Option(help: "text, html, junit, ktap, markdown, github or json.")
  var format: Format = .text

  @Flag(help: "The same as --format html.")
  var html = false

  @Option(help: "The file to write (default: standard output).")
  var output: String?

  func run() throws {
    let folder = try RunFolder(reading: folder)
    let results = try folder.loadResults()
    let text = try folder.text(of: results, as: html ? .html : format)
    guard let output else { return Console.write(text, to: .standardOutput) }
    do { try Data(text.utf8).write(to: URL(fileURLWithPath: output), options: .atomic) } catch {
      throw Failure(stage: "--output", object: output, cause: error.localizedDescription)
    }
  }
}

extension Format: ExpressibleByArgument {}

struct JudgeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "judge",
    abstract: "Judge what a saved run has seen again, without running anything.",
    discussion: """
      By the expectations that were saved, or with --lab by those that the lab files have now. Says where a verdict \
      differs from the saved one. Exit status as of run.
      """)

  @Argument(help: "A folder that a run kept with --out.")
  var folder: String

  @Option(name: .customLong("lab"), help: "Judge by the expectations of these lab files.")
  var paths: [String] = []

  @Flag(help: "Show every witness.")
  var verbose = false

  func run() throws {
    let folder = try RunFolder(reading: folder)
    let results = try folder.loadResults()
    var cases: [String: Case] = [:]
    if !paths.isEmpty {
      var selection = Selection()
      (selection.paths, selection.settings, selection.patterns) = (paths, [], [])
      for test in try selection.cases() { cases[test.id] = test }
    }
    let report = TextReport(detail: verbose ? .verbose : .normal, colour: Console.colour)
    var verdicts: Set<Verdict> = []
    var (judged, changed, missing) = (0, 0, 0)
    for entry in results.cases where entry.observation != nil {
      guard let kernel = results.kernels[entry.kernel] else { continue }
      var result = try folder.load(entry.id, kernel: entry.kernel)
      if !paths.isEmpty {
        guard let now = cases[entry.id] else {
          missing += 1
          continue
        }
        // What was done is what was done; only what is expected of it may be another now.
        result.test.rules = now.rules
        result.test.why = now.why
      }
      guard let observation = result.observation else { continue }
      result.judgement = judge(result.test, on: kernel, seen: observation)
      judged += 1
      verdicts.insert(result.judgement.verdict)
      let differs = result.judgement.verdict != entry.verdict
      if differs { changed += 1 }
      if differs || verbose || [.fail, .error].contains(result.judgement.verdict) {
        for line in report.lines(result) { Console.print(line) }
        if differs { Console.print("       it was: \(entry.verdict.rawValue): \(entry.reason)") }
      }
    }
    if missing > 0 { Console.print("\(missing) cases are not in these lab files") }
    Console.print("\(judged) judged again, \(changed) otherwise than before")
    if verdicts.contains(.error) { throw ExitCode(3) }
    if verdicts.contains(.fail) || changed > 0 { throw ExitCode(1) }
  }
}

extension RunFolder {
  /// A saved run in the words of a format.
  func text(of results: Results, as format: Format) throws -> String {
    switch format {
    case .text:
      let report = TextReport(detail: .normal, colour: false)
      return (report.saved(results).joined(separator: "\n") + "\n").description
    case .html:
      return HTMLReport(results, title: name) { try? load($0.id, kernel: $0.kernel) }.text
    case .junit: return results.junit(time: written)
    case .ktap: return results.ktap
    case .markdown: return results.markdown
    case .github: return GitHub.annotations(of: results)
    case .json: return try results.json()
    }
  }

  /// Writes the files of every format that has one.
  func saveReports(of results: Results) throws {
    for format in Format.allCases {
      guard let file = format.file else { continue }
      try save(text(of: results, as: format), as: file)
    }
  }
}
