import ArgumentParser
import Foundation
import Judging
import Model
import Report

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

  @Option(help: "text, html, junit, ktap, markdown, github, kcidb, tmt, lava, ltp or json.")
  var format: Format = .text

  @Flag(help: "The same as --format html.")
  var html = false

  @Option(help: "The file to write (default: standard output).")
  var output: String?

  func run() throws {
    let folder = try RunFolder(reading: folder)
    let results = try folder.loadResults()
    if let unfinished = results.unfinished { Console.error("pawslab: \(folder.path): \(unfinished)") }
    var unread = 0
    let text = try folder.text(of: results, as: html ? .html : format) { failure in
      unread += 1
      if unread <= 3 { Console.error("pawslab: \(failure)") }
    }
    if let output {
      try OutputFile.write(text, to: output, option: "--output")
    } else {
      Console.write(text, to: .standardOutput)
    }
    if unread > 0 {
      Console.error(
        "pawslab: \(unread) of \(results.cases.count) cases are shown without their packets, which could not be read"
      )
      throw ExitCode(3)
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
      differs from the saved one, and how many cases nothing can be said of. A run that was killed is judged as far as \
      it came. Exit status as of run, and 1 where something differs or was not judged.
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
    var (judged, changed, missing, skipped, broken, unread) = (0, 0, 0, 0, 0, 0)
    var again: [CaseResult] = []
    for entry in results.cases where entry.over == nil {
      guard let kernel = results.kernels[entry.kernel], entry.observation != nil else {
        switch entry.verdict {
        case .skip: skipped += 1
        case .error: broken += 1
        case .pass, .fail: unread += 1
        }
        continue
      }
      if !paths.isEmpty, cases[entry.id] == nil {
        missing += 1
        continue
      }
      var result: CaseResult
      do { result = try folder.load(entry.place) } catch {
        unread += 1
        Console.error("pawslab: \(error)")
        continue
      }
      if let now = cases[entry.id] {
        // What was done is what was done; only what is expected of it may be another now.
        result.test.rules = now.rules
        result.test.why = now.why
      }
      guard let observation = result.observation else {
        unread += 1
        continue
      }
      result.judgement = judge(result.test, on: kernel, seen: observation)
      judged += 1
      verdicts.insert(result.judgement.verdict)
      let differs = result.judgement.verdict != entry.verdict
      if differs { changed += 1 }
      if differs || verbose || [.fail, .error].contains(result.judgement.verdict) {
        for line in report.lines(result) { Console.print(line) }
        if differs { Console.print("       it was: \(entry.verdict.rawValue): \(entry.reason)") }
      }
      result.observation = nil
      again.append(result)
    }
    let now = Report.Results(again, kernels: results.kernels, seconds: 0)
    let before = Dictionary(
      results.cases.filter { $0.over != nil }.map { ($0.place, $0) }, uniquingKeysWith: { first, _ in first })
    for over in now.cases where over.over != nil {
      judged += 1
      verdicts.insert(over.verdict)
      if let then = before[over.place], then.verdict == over.verdict { continue }
      changed += 1
      Console.print("\(over.verdict.rawValue)  \(over.words)  \(over.kernel): \(over.reason)")
      if let then = before[over.place] {
        Console.print("       it was: \(then.verdict.rawValue): \(then.reason)")
      } else {
        Console.print("       it was not asked")
      }
    }
    if missing > 0 { Console.print("\(missing) are not in these lab files") }
    if skipped > 0 { Console.print("\(skipped) were skipped: nothing was seen that could be judged") }
    if broken > 0 { Console.print("\(broken) broke: nothing was seen that could be judged") }
    if unread > 0 {
      Console.print("\(unread) cannot be judged: what was seen is not there, or cannot be read")
    }
    if let unfinished = results.unfinished { Console.print(unfinished) }
    Console.print("\(judged) judged again, \(changed) otherwise than before")
    if verdicts.contains(.error) || broken + unread > 0 { throw ExitCode(3) }
    if verdicts.contains(.fail) || changed + missing > 0 || judged == 0 || results.unfinished != nil {
      throw ExitCode(1)
    }
  }
}

extension RunFolder {
  /// A saved run in the words of a format. Cases that were not judged are among the others, for no reader to miss.
  ///
  /// - Parameter onUnread: is told of each case whose evidence is not there or cannot be read.
  func text(of results: Results, as format: Format, onUnread: (Failure) -> Void = { _ in }) throws -> String {
    let all = results.withNotJudged
    switch format {
    case .text:
      let report = TextReport(detail: .normal, colour: false)
      var lines = report.saved(results)
      if let unfinished = results.unfinished { lines.append("\(unfinished)") }
      return (lines.joined(separator: "\n") + "\n").description
    case .html:
      let title = results.unfinished == nil ? name : "\(name) (unfinished)"
      let origin = try loadPlan().map(HTMLReport.Origin.init)
      return withoutActuallyEscaping(onUnread) { onUnread in
        HTMLReport(all, title: title, origin: origin) { entry in
          guard entry.observation != nil else { return nil }
          do { return try load(entry.place) } catch {
            onUnread(
              error as? Failure ?? Failure(stage: "read", object: entry.id, cause: "\(error)"))
            throw error
          }
        }.text
      }
    case .junit: return all.junit(time: written)
    case .ktap: return all.ktap
    case .markdown: return all.markdown
    case .github: return GitHub.annotations(of: all)
    case .kcidb: return try results.kcidb(time: written)
    case .tmt: return try all.tmt()
    case .lava: return all.lava
    case .ltp: return all.ltp
    case .json: return try results.json()
    }
  }

  /// Writes the files of every format that has one, as many as can be; the first that cannot is thrown.
  func saveReports(of results: Results) throws {
    var first: Failure?
    for format in Format.allCases {
      guard let file = format.file else { continue }
      do {
        let text = try text(of: results, as: format) { first = first ?? $0 }
        try save(text, as: file)
      } catch { first = first ?? error as? Failure }
    }
    if let first { throw first }
  }
}
