import ArgumentParser
import Foundation
import Report
import Scenario

struct Diff: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What changed between two runs, or between two kernels of one run.",
    discussion: """
      Each side is a folder that --out kept, or one kernel of it: DIR or DIR:KERNEL. Exit status 1 if something differs.

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
      let parts = text.split(separator: ":").map(String.init)
      let isFolder = FileManager.default.fileExists(atPath: text)
      folder = try RunFolder(reading: isFolder ? text : parts.dropLast().joined(separator: ":"))
      results = try folder.loadResults()
      kernel = isFolder ? nil : parts.last
      if let kernel, results.kernels[kernel] == nil {
        throw ValidationError(
          "\(text): that run had no kernel \(kernel); it had \(results.kernelNames.joined(separator: ", "))")
      }
    }

    /// Its cases under the side's own name, so that both can be held against each other.
    func entries(on kernel: String, as name: String) -> [Results.Entry] {
      results.cases.filter { $0.kernel == kernel }.map { entry in
        var entry = entry
        entry.kernel = name
        return entry
      }
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
      throw ValidationError("the two have no kernel in common; name one each: DIR:KERNEL")
    }
    var differ = false
    for (left, right) in pairs {
      let names =
        (first == second ? ["\(first):\(left)", "\(second):\(right)"] : [sides[0].name, sides[1].name])
      let own = sides[0].entries(on: left, as: names[0])
      let other = sides[1].entries(on: right, as: names[1])
      let releases = [
        sides[0].results.kernels[left]?.release ?? "", sides[1].results.kernels[right]?.release ?? "",
      ]
      Console.print("\(names[0]): \(left), Linux \(releases[0])")
      Console.print("\(names[1]): \(right), Linux \(releases[1])")
      let differences = Difference.all(own + other, between: names, skips: true)
      for line in Difference.lines(differences) { Console.print(line) }
      let missing = Set(own.map(\.id)).symmetricDifference(other.map(\.id))
      if !missing.isEmpty { Console.print("\(missing.count) cases are in one of the two only") }
      differ = differ || !differences.isEmpty || !missing.isEmpty
      for difference in differences { try show(difference, sides, [left, right], names) }
    }
    if differ { throw ExitCode(1) }
  }

  /// The witnesses of both sides, for the first case of a difference.
  private func show(_ difference: Difference, _ sides: [Side], _ kernels: [String], _ names: [String]) throws
  {
    let id = difference.cases[0]
    Console.print("")
    Console.print(id)
    for (index, side) in sides.enumerated() {
      guard let entry = side.results.cases.first(where: { $0.id == id && $0.kernel == kernels[index] }) else {
        continue
      }
      Console.print("  \(names[index]): \(entry.verdict.rawValue)  \(entry.reason)")
      for attempt in entry.attempts {
        Console.print(
          "    \(attempt.attempt.label) #\(attempt.attempt.id): \(attempt.outcome.rawValue), \(attempt.syns) SYNs sent, "
            + "\(attempt.synsAtServer) at the server")
      }
      for witness in entry.witnesses where witness.seen.hasPrefix("+") {
        Console.print("    \(witness.name) \(witness.seen)")
      }
      guard packets, entry.observation != nil else { continue }
      let result = try side.folder.load(id, kernel: kernels[index])
      guard let observation = result.observation else { continue }
      let clients = Set(result.test.network.clients.prefix(3).map(\.name))
      for line in Ladder(observation, hop: result.test.network.hop != nil, clients: clients, limit: 40).lines
      {
        Console.print("    " + line)
      }
    }
  }
}
