import Diagnosis
import Evidence
import Foundation
import Judging
import Lab
import LabFile
import Model
import Report

/// Writes what a diagnosis has named as a lab file, runs it, and holds what it saw against what they saw.
struct EnactRun {
  let enactment: Enactment
  /// Where the lab file is.
  let file: String

  /// How a file begins that this has written.
  private static let mark = "# What was diagnosed, enacted"

  /// - Throws: `Failure` of usage where another file would be lost, or none can be written.
  init(_ enactment: Enactment, writing file: String) throws {
    (self.enactment, self.file) = (enactment, file)
    if let there = FileManager.default.contents(atPath: file), !there.starts(with: Data(Self.mark.utf8)) {
      throw Failure(
        stage: "diagnose --enact", object: file, cause: "a file that this has not written",
        mend: "name one that is not there yet", isUsage: true)
    }
    do { try Data(enactment.text.utf8).write(to: URL(fileURLWithPath: file)) } catch {
      throw Failure(
        stage: "diagnose --enact", object: file, cause: "cannot be written: \(error.localizedDescription)",
        mend: "name a file in a folder that is there", isUsage: true)
    }
  }

  /// The one case of the file, by the parser that everybody's lab files are read by.
  ///
  /// - Throws: `LabFileError`, which is a fault of whoever wrote it: of this program.
  func test() throws -> Case { try Self.test(enactment.text, file: file) }

  static func test(_ text: String, file: String) throws -> Case {
    let cases = try LabFiles.parse(text, file: file).cases()
    guard let test = cases.first, cases.count == 1 else {
      throw Failure(stage: "diagnose --enact", object: file, cause: "\(cases.count) cases in place of one")
    }
    return test
  }

  /// What was written, in lines for a terminal.
  var written: [String] {
    var lines =
      ["", "Enacted"] + Self.wrapped("\(file): \(enactment.label) is expected to be \(enactment.expected)")
    for word in enactment.changed { lines += Self.wrapped("otherwise here: \(word)") }
    for word in enactment.untold { lines += Self.wrapped("what was brought does not tell: \(word)") }
    return lines
  }

  /// The commands that come next where it was not run at once.
  var next: [String] {
    ["", "Next", "    $ pawslab run \(file)", "    $ pawslab cure \(file)"]
  }

  /// By words, for 80 columns.
  private static func wrapped(_ text: String, indent: Int = 4, first: String = "  ") -> [String] {
    var lines: [String] = []
    var line = first
    for word in text.split(separator: " ") {
      if line.count + word.count + 1 > 80, line.contains(where: { $0 != " " }) {
        lines.append(line)
        line = String(repeating: " ", count: indent)
      }
      line += (line.isEmpty || line.last == " " ? "" : " ") + word
    }
    return lines + [line]
  }

  /// What a run came to.
  struct End {
    var result: CaseResult
    var comparison: EnactComparison?

    /// Whether the lab saw what they saw, by the mechanism that was named.
    var isSame: Bool { result.judgement.verdict == .pass }
  }

  /// Runs it, with its packets kept.
  func run(on machine: Machine, by runner: Runner, theirs: Incident.CaptureStream?) async throws -> End {
    let test = try test()
    guard let result = await runner.run([(test, machine)], onEvent: { _ in }).first else {
      throw CancellationError()
    }
    return End(result: result, comparison: compare(result, theirs))
  }

  private func compare(_ result: CaseResult, _ theirs: Incident.CaptureStream?) -> EnactComparison? {
    guard let observation = result.observation else { return nil }
    let own = result.judgement.attempts.filter { $0.attempt.label == enactment.label }
    // Of several the one that was refused.
    let worst = own.max { Cure.Harm($0.outcome) < Cure.Harm($1.outcome) }
    guard let attempt = worst?.attempt else { return nil }
    let network = result.test.network
    var packets = observation.packets
    // A group's members are nodes of their own names; theirs is the one that was hurt.
    let vantageClient = attempt.client
    packets.removeAll { $0.time > attempt.ended + 1_000_000_000 }
    return enactment.compare(
      theirs, packets: packets, attempt: (attempt.began, attempt.ended), client: vantageClient,
      servers: Set(network.nodes.filter(network.isServer)))
  }

  /// What it came to, in lines for a terminal.
  func lines(_ end: End, _ kernel: EnactKernel) -> [String] {
    let judgement = end.result.judgement
    let theirs = enactment.kernel.map { "Theirs is Linux \($0.prefix(60)); run" } ?? "Run"
    var lines = [""]
    lines += Self.wrapped(
      "\(theirs) on \(end.result.kernel), Linux \(kernel.machine.kernel.release), \(kernel.words)")
    lines.append("")
    switch judgement.verdict {
    case .error: return lines + Self.wrapped("The lab broke: \(judgement.reason)", first: "")
    case .skip: return lines + Self.wrapped("Not run: \(judgement.reason)", first: "")
    case .fail:
      let outcomes = judgement.attempts.filter { $0.attempt.label == enactment.label }.map(\.word)
      let here = judgement.fits?.joined(separator: ", or ") ?? Set(outcomes).sorted().joined(separator: ", ")
      lines += Self.wrapped("NOT THE SAME MECHANISM: theirs \(enactment.expected), here \(here)", first: "")
      lines += Self.wrapped(judgement.reason)
      lines += Self.wrapped(
        "The diagnosis is in doubt, or something that matters was not brought"
          + (enactment.untold.isEmpty ? "" : ": " + enactment.untold.joined(separator: "; ")))
    case .pass:
      lines += Self.wrapped(same(end.comparison), first: "")
    }
    if let comparison = end.comparison {
      for number in comparison.numbers { lines += Self.wrapped(number) }
      lines += Self.table(comparison.rows)
      if !comparison.diagnosed.isEmpty {
        lines += Self.wrapped(
          "diagnose says of the lab's own packets, seen from there: \(comparison.diagnosed.joined(separator: ", "))"
        )
      }
    }
    guard judgement.verdict == .pass else { return lines }
    return lines + ["", "Next", "    $ pawslab cure \(file)"]
  }

  private func same(_ comparison: EnactComparison?) -> String {
    guard let comparison else { return "Same mechanism: \(enactment.expected)" }
    if let why = comparison.cannot {
      return "Same mechanism: \(enactment.expected); its packets are held against nothing, for \(why)"
    }
    if let difference = comparison.difference {
      return "Same mechanism: \(enactment.expected); but a packet differs, \(difference)"
    }
    return "Same mechanism, same packets: \(enactment.expected)"
  }

  private static func table(_ rows: [(theirs: String, here: String)]) -> [String] {
    guard !rows.isEmpty else { return [] }
    let width = max(10, rows.map(\.theirs.count).max() ?? 0)
    func row(_ theirs: String, _ here: String) -> String {
      "  \(theirs)\(String(repeating: " ", count: max(0, width - theirs.count)))  \(here)"
    }
    return ["", row("theirs, ms", "here, ms")] + rows.map { row($0.theirs, $0.here) } + [""]
  }
}
