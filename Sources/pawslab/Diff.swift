import ArgumentParser
import Foundation
import Model
import Report

struct Diff: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What changed between two runs or records, or between two kernels of one run.",
    discussion: """
      Each side is a folder that --out kept, one kernel of it, or a record: DIR, DIR:KERNEL or FILE.json. Cases that cannot be compared are \
      named: those on one side only, not judged, or broken. Exit status 1 if something differs or could not be compared.

      Examples:
        pawslab diff before after
        pawslab diff out:debian-11 out:debian-13
        pawslab diff lab/records/debian-12.json out
      """)

  @Argument(help: "DIR, DIR:KERNEL or a record.")
  var first: String

  @Argument(help: "DIR, DIR:KERNEL or a record.")
  var second: String

  @Flag(help: "Show the packets of both sides.")
  var packets = false

  /// One side: a folder, and perhaps one kernel of it.
  private struct Side {
    var name: String
    /// nil for a record.
    var folder: RunFolder?
    var results: Results
    var kernel: String?
    var record: KernelRecord?

    init(_ text: String) async throws {
      name = text
      var isDirectory: ObjCBool = false
      if FileManager.default.fileExists(atPath: text, isDirectory: &isDirectory), !isDirectory.boolValue {
        let (record, signature) = try await SignedRecord.read(text)
        Console.error("pawslab: \(text): \(signature.words)")
        (self.record, results, kernel) = (record, record.results, record.name)
        return
      }
      let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      let isFolder = FileManager.default.fileExists(atPath: text)
      guard isFolder || parts.count > 1 else {
        throw ValidationError(
          "\(text.isEmpty ? "\"\"" : text): no such folder; a side is DIR, DIR:KERNEL or a record")
      }
      let folder = try RunFolder(reading: isFolder ? text : parts.dropLast().joined(separator: ":"))
      results = try folder.loadResults()
      self.folder = folder
      kernel = isFolder ? nil : parts.last
      if let kernel, results.kernels[kernel] == nil {
        throw ValidationError(
          "\(text): that run had no kernel \(kernel.isEmpty ? "\"\"" : kernel); it had \(results.kernelNames.joined(separator: ", "))"
        )
      }
      if let unfinished = results.unfinished { Console.error("pawslab: \(text): \(unfinished)") }
    }

    /// The kernel that is meant beside another side.
    func named(beside other: Side) -> String {
      if let kernel { return kernel }
      let own = results.kernelNames
      if let name = other.kernel, own.contains(name) { return name }
      return other.record != nil && own.count == 1 ? own[0] : other.kernel ?? ""
    }
  }

  func run() async throws {
    let sides = [try await Side(first), try await Side(second)]
    let common = sides[0].results.kernelNames.filter { sides[1].results.kernels[$0] != nil }
    let pairs: [(String, String)] =
      if sides.contains(where: { $0.kernel != nil }) {
        // A run of one kernel beside a record needs no name.
        [(sides[0].named(beside: sides[1]), sides[1].named(beside: sides[0]))]
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
      if let one = sides[0].results.kernels[left], let other = sides[1].results.kernels[right] {
        let lines = one.told(from: other, names: (names[0], names[1]))
        for line in lines { Console.print(line) }
        // A record is of a kernel, and says what it can.
        if sides.contains(where: { $0.record != nil }) { alike = alike && lines.isEmpty }
      }
      if let words = Self.digests(sides, left, right) { Console.print(words) }
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

  /// How many cases said the same to the nanosecond, where that can be asked.
  private static func digests(_ sides: [Side], _ left: String, _ right: String) -> String? {
    guard sides.contains(where: { $0.record != nil }) else { return nil }
    let records = zip(sides, [left, right]).map { side, kernel in
      side.record ?? (try? KernelRecord(side.results, name: kernel, program: nil))
    }
    guard let one = records[0], let other = records[1] else { return nil }
    let (then, now) = (one.digests, other.digests)
    let both = then.keys.filter { now[$0] != nil }
    guard !both.isEmpty else { return nil }
    guard one.origin == other.origin else {
      return "digests are of other kernels, workers, tools or QEMUs, and cannot be compared"
    }
    return "\(both.count { then[$0] == now[$0] }) of \(both.count) the same to the nanosecond"
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
      guard let result = try side.folder?.load(entry.place) else { continue }
      guard let observation = result.observation else { continue }
      let clients = Set(result.test.network.clients.prefix(3).map(\.name))
      let network = result.test.network
      let ladder = Ladder(
        observation, lanes: Lanes(network), clients: clients, limit: 40)
      for line in ladder.lines { Console.print("    " + line) }
    }
  }
}
