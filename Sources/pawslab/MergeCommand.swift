import ArgumentParser
import Foundation
import Model
import Report

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Put the shards of a run together to what one run would have given.",
    discussion: """
      The folders are those of run --shard i/n, or of runs on different kernels. The whole has the same plan, order, \
      verdicts, reports and evidence as one run, and in virtual time the same digests. Shards that are missing or died are \
      said, with the command that runs just that. Parts of different lab files, kernels, workers or formats are refused, and \
      so is a case that has come to two different things. Exit status as of run; 3 where something is missing.

      Examples:
        pawslab merge shard-* --output whole
        pawslab merge shard-1 shard-2 --format junit
      """)

  @Argument(help: "Folders that run --shard kept with --out.")
  var folders: [String]

  @Option(
    help:
      "Keep the whole in this folder, as a run with --out does; a run that is there is moved to its previous."
  )
  var output: String?

  @Option(help: "What is printed: text, html, junit, ktap, markdown, github or json.")
  var format: Format = .text

  @Option(
    name: .customLong("exit"),
    help: "Whose exit statuses are used: pawslab, kselftest, autopkgtest, ltp or git-bisect.")
  var exitStyle: ExitStyle = .pawslab

  func validate() throws {
    if format == .html, output == nil {
      throw ValidationError("--format html is made of what --output keeps: name a folder")
    }
  }

  func run() throws {
    let runs = try folders.map { try RunFolder(reading: $0) }
    let merge = try Merge(try runs.map { try $0.part() })
    var results = merge.results
    var whole: RunFolder?
    if let output {
      func real(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
      if let own = folders.first(where: { real($0) == real(output) }) {
        throw Failure(
          stage: "--output", object: output, cause: "it is \(own), which is to be put together",
          mend: "name a new folder", isUsage: true)
      }
      let folder = try RunFolder(creating: output)
      try folder.take(merge, from: runs)
      results = try folder.loadResults()
      try folder.saveReports(of: results)
      whole = folder
    }
    switch format {
    case .text:
      let report = TextReport(detail: .normal, colour: Console.colour)
      for line in report.saved(results) { Console.print(line) }
    default:
      let text = try (whole ?? runs[0]).text(of: results, as: format)
      Console.write(text, to: .standardOutput)
    }
    GitHub.tell(results, annotates: false)
    if let unfinished = results.unfinished { Console.error("pawslab: \(unfinished)") }
    for missing in merge.missing {
      Console.error("pawslab: \(missing.what); this runs just that:")
      Console.error("  \(missing.command)")
    }
    let status = exitStyle.status(of: results.withNotJudged)
    if status != 0 { throw ExitCode(status) }
  }
}
