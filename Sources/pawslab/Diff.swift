import ArgumentParser
import Foundation
import Model
import Report

struct Diff: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What changed between two runs, or between two kernels of one run.",
    discussion: """
      Each side is a folder that --out kept, or one kernel of it: DIR or DIR:KERNEL. Cases that cannot be compared are \
      named: those on one side only, not judged, or broken. Exit status 1 if something differs or could not be compared.

      Examples:
        pawslab diff before after
        pawslab diff out:debian-11 out:debian-13
      """)

  @Argument(help: "DIR or DIR:KERNEL.")
  var first: String

  @Argument(help: "DIR or DIR:KERNEL.")
  var second: String

  @Flag(help: "Show the packets of both sides.")
  var packets = false

  /// One side: a folder, and perhaps one kernel of it.
  private struct Side {
    var name: String
    var folder: RunFolder
    var results: Results
    var kernel: String?

    init(_ text: String) throws {
      name = text
      let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      let isFolder = FileManager.default.fileExists(atPath: text)
      guard isFolder || parts.count > 1 else {
        throw ValidationError("\(text.isEmpty ? "\"\"" : text): no such folder; a side is DIR or DIR:KERNEL")
      }
      folder = try RunFolder(reading: isFolder ? text : parts.dropLast().joined(separator: ":"))
      results = try folder.loadResults()
      kernel = isFolder ? nil : parts.last
      if let kernel, results.kernels[kernel] == nil {
        throw ValidationError(
          "\(text): that run had no kernel \(kernel.isEmpty ? "\"\"" : kernel); it had \(results.kernelNames.joined(separator: ", "))"
        )
      }
      if let unfinished = results.unfinished { Console.error("pawslab: \(text): \(unfinished)") }
    }
  }

  func run() async throws {
    let sides = [try Side(first), try Side(second)]
    let common = sides[0].results.kernelNames.filter { sides[1].results.kernels[$0] != nil }
    let pairs: [(String, String)] =
      if sides.contains(where: { $0.kernel != nil }) {
        [(sides[0].kernel ?? sides[1].kernel ?? "", sides[1].kernel ?? sides[0].kernel ?? "")]
      } else {
        common.map { ($0, $0) }
      }
    guard !pairs.isEmpty, sides[0].results.kernels[pairs[0].0] != nil,
      sides[1].results.kernels[pairs[0].1] != nil
    else {
      let names = sides.map { $0.results.kernelNames.joined(separator: ", ") }
      throw ValidationError(
        "the two have no kernel in common (\(names[0]); \(names[1])): name one each: DIR:KERNEL")
    }
    var alike = true
    for (left, right) in pairs {
      let names =
        (first == second ? ["\(first):\(left)", "\(second):\(right)"] : [sides[0].name, sides[1].name])
      for (name, (side, kernel)) in zip(names, zip(sides, [left, right])) {
        Console.print("\(name): \(kernel), Linux \(side.results.kernels[kernel]?.release ?? "?")")
      }
      let comparison = Comparison(
        .init(name: names[0], sides[0].results, kernel: left),
        .init(name: names[1], sides[1].results, kernel: right))
      for line in comparison.lines { Console.print(line) }
      alike = alike && comparison.isAlike
      for difference in comparison.differences { try show(difference, sides, [left, right], names) }
    }
    // Kernels of which the other side has none were not looked at: that is no likeness.
    if sides.allSatisfy({ $0.kernel == nil }) {
      let compared = Set(common)
      for side in sides {
        for name in side.results.kernelNames where !compared.contains(name) {
          Console.print("\(side.name): \(name) is on this side only, and was compared with nothing")
          alike = false
        }
      }
    }
    if !alike { throw ExitCode(1) }
  }

  /// The witnesses of both sides, for the first case of a difference.
  private func show(_ difference: Difference, _ sides: [Side], _ kernels: [String], _ names: [String]) throws
  {
    let id = difference.cases[0]
    Console.print("")
    Console.print(id)
    for (index, side) in sides.enumerated() {
      guard
        let entry = side.results.cases.first(where: { $0.key == id && $0.kernel == kernels[index] })
          ?? side.results.cases.first(where: { $0.id == id && $0.kernel == kernels[index] })
      else {
        continue
      }
      Console.print("  \(names[index]): \(entry.verdict.rawValue)  \(entry.reason)")
      for attempt in entry.attempts {
        Console.print(
          "    \(attempt.attempt.label) #\(attempt.attempt.id): \(attempt.word), \(attempt.syns) SYNs sent, "
            + "\(attempt.synsAtServer) at the server")
      }
      for witness in entry.witnesses {
        guard case .counter = witness.subject else { continue }
        Console.print("    \(witness.name) \(witness.seenWords)")
      }
      guard packets else { continue }
      guard entry.observation != nil else {
        Console.print("    its packets were not kept")
        continue
      }
      let result = try side.folder.load(entry.place)
      guard let observation = result.observation else { continue }
      let clients = Set(result.test.network.clients.prefix(3).map(\.name))
      let network = result.test.network
      let ladder = Ladder(
        observation, lanes: Lanes(network), clients: clients, limit: 40)
      for line in ladder.lines { Console.print("    " + line) }
    }
  }
}
