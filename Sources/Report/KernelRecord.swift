import Evidence
import Foundation
import Judging
import Model

/// What a kernel does with each setting, small enough to be kept beside the lab files and handed on: of each case its
/// verdict, what happened to whom by which mechanism, and which counters of refusals moved; no packets, no times.
///
/// Made of a run that was kept, one file per kernel, with keys sorted and a line for each case, so that two of them can be
/// held against each other line by line.
public struct KernelRecord: Codable, Sendable, Equatable {
  /// The mark of a file that is ours.
  public private(set) var format = Self.mark
  /// How it is written; another number is another meaning.
  public private(set) var version = Self.current
  private static let mark = "pawslab record"
  private static let current = 1

  /// Which version of the program.
  public var program: String?
  /// What `--kernel` called it.
  public var name: String
  /// The kernel as it was probed: release, capabilities, settings, ticks.
  public var kernel: Kernel
  /// Where the store had it from: package and version; nil for the host's, and where nobody knows.
  public var source: String?
  /// SHA-256 of kernel, worker, tools and QEMU that digests are of; nil where nothing ran in virtual time.
  public var origin: String?
  /// By lab file.
  public var files: [String: File]

  /// One lab file.
  public struct File: Codable, Sendable, Equatable {
    public var title: String
    /// The axes that all of its cases have, in their order; rows are called by their values.
    public var axes: [String]
    /// The different things that its cases do.
    public var does: [Difference.Behaviour]
    /// A case's values, with commas between them, to which of these it does; behind a space 16 digits of what the guest
    /// said (SHA-256), where its time was its own.
    public var rows: [String: String]
  }

  /// Bytes that are read of a file.
  public static let limit = 64 << 20

  /// Makes it of one kernel of a run.
  ///
  /// What broke, and what was run from another seed than the first, is left out; see ``leftOut(of:name:)``.
  ///
  /// - Throws: `Failure` where the run had no such kernel, or nothing was judged on it.
  public init(_ results: Results, name: String, program: String?, source: String? = nil) throws(Failure) {
    guard let kernel = results.kernels[name] else {
      throw Failure(
        stage: "record", object: name,
        cause: "that run had no such kernel; it had \(results.kernelNames.joined(separator: ", "))",
        isUsage: true)
    }
    (self.name, self.kernel, self.program, self.source) = (name, kernel, program, source)
    self.kernel.missing = [:]
    // What is installed beside it is no kernel's.
    self.kernel.capabilities.subtract(Capability.Feature.programs.map(Capability.feature))
    files = [:]
    let entries = Self.kept(results, name)
    guard entries.contains(where: { $0.verdict != .skip }) else {
      throw Failure(
        stage: "record", object: name, cause: "nothing was judged on it", mend: "run it anew", isUsage: true)
    }
    origin = entries.lazy.compactMap(\.exact?.origin).first
    for (scenario, own) in Dictionary(grouping: entries, by: \.scenario) {
      let axes = Self.axes(of: own.map(\.id))
      var does: [Difference.Behaviour] = []
      var rows: [String: String] = [:]
      for entry in own.sorted(by: { $0.id < $1.id }) {
        let behaviour = Difference.Behaviour(entry)
        let index =
          does.firstIndex { $0 == behaviour && $0.because == behaviour.because } ?? does.count
        if index == does.count { does.append(behaviour) }
        rows[Self.row(entry.id, axes)] = "\(index)" + (entry.exact.map { " \($0.digest.prefix(16))" } ?? "")
      }
      files[scenario] = File(title: own.first?.title ?? scenario, axes: axes, does: does, rows: rows)
    }
  }

  /// Each case once: from the first seed.
  private static func kept(_ results: Results, _ name: String) -> [Results.Entry] {
    var known: Set<String> = []
    return results.cases.filter { $0.kernel == name && $0.over == nil && $0.verdict != .error }
      .sorted { $0.seed ?? 0 < $1.seed ?? 0 }.filter { known.insert($0.id).inserted }
  }

  /// How many cases of a kernel broke or were not judged, which no record has.
  public static func leftOut(of results: Results, name: String) -> Int {
    let broken = results.cases.filter { $0.kernel == name && $0.over == nil && $0.verdict == .error }
    return Set((broken + (results.notJudged ?? []).filter { $0.kernel == name }).map(\.id))
      .subtracting(kept(results, name).map(\.id)).count
  }

  /// How many cases it has.
  public var count: Int { files.values.reduce(0) { $0 + $1.rows.count } }

  // MARK: names

  /// The axes that all ids have in one order; none where they do not.
  private static func axes(of ids: [String]) -> [String] {
    let all = Set(
      ids.map { id in
        parts(of: id).map { $0.split(separator: "=", maxSplits: 1).first.map(String.init) ?? "" }
      })
    guard all.count == 1, let axes = all.first,
      ids.allSatisfy({ parts(of: $0).allSatisfy { $0.contains("=") } })
    else { return [] }
    return axes
  }

  private static func parts(of id: String) -> [Substring] {
    (id.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).last ?? "")
      .split(separator: ",", omittingEmptySubsequences: false)
  }

  private static func row(_ id: String, _ axes: [String]) -> String {
    guard !axes.isEmpty else { return parts(of: id).joined(separator: ",") }
    return parts(of: id).map {
      $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).last ?? ""
    }
    .joined(separator: ",")
  }

  private static func id(_ scenario: String, _ row: String, _ axes: [String]) -> String? {
    guard !axes.isEmpty else { return "\(scenario)/\(row)" }
    let values = row.split(separator: ",", omittingEmptySubsequences: false)
    guard values.count == axes.count else { return nil }
    return "\(scenario)/" + zip(axes, values).map { "\($0)=\($1)" }.joined(separator: ",")
  }

  // MARK: reading and writing

  /// The file's text: keys sorted, a line for each row.
  public var text: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      func json(_ value: some Encodable) throws -> String {
        String(decoding: try encoder.encode(value), as: UTF8.self)
      }
      var lines = ["{\"format\":\(try json(format)),\"version\":\(version),\"name\":\(try json(name)),"]
      if let program { lines.append("\"program\":\(try json(program)),") }
      if let source { lines.append("\"source\":\(try json(source)),") }
      if let origin { lines.append("\"origin\":\(try json(origin)),") }
      lines.append("\"kernel\":\(try json(kernel)),")
      lines.append("\"files\":{")
      for (index, (scenario, file)) in files.sorted(by: { $0.key < $1.key }).enumerated() {
        lines.append(
          "\(try json(scenario)):{\"title\":\(try json(file.title)),\"axes\":\(try json(file.axes)),")
        lines.append("\"does\":[")
        lines += try file.does.enumerated().map { try json($1) + ($0 + 1 < file.does.count ? "," : "") }
        lines.append("],\"rows\":{")
        let rows = file.rows.sorted { $0.key < $1.key }
        lines += try rows.enumerated().map {
          "\(try json($1.key)):\(try json($1.value))" + ($0 + 1 < rows.count ? "," : "")
        }
        lines.append(index + 1 < files.count ? "}}," : "}}")
      }
      return (lines + ["}}"]).joined(separator: "\n") + "\n"
    }
  }

  /// Reads one that somebody else may have written.
  ///
  /// - Throws: `Failure` with what is wrong.
  public init(_ data: Data, file: String) throws(Failure) {
    struct Head: Decodable { var format: String, version: Int }
    let head = try decode(Head.self, from: data, file)
    guard head.format == Self.mark, head.version == Self.current else {
      throw Failure(
        stage: "read", object: file,
        cause: head.format == Self.mark
          ? "a record of version \(head.version); this program reads \(Self.current)"
          : "no record of pawslab",
        mend: "pawslab record makes them", isUsage: true)
    }
    self = try decode(KernelRecord.self, from: data, file)
    if let mistake { throw Failure(stage: "read", object: file, cause: mistake) }
  }

  private var mistake: String? {
    if let mistake = [name: kernel].savedMistake { return mistake }
    if count > Results.most { return "more than \(Results.most) cases" }
    for (scenario, file) in files.sorted(by: { $0.key < $1.key }) {
      if scenario.isEmpty || scenario.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 < 0x20 }) {
        return "\(quoted(scenario)) cannot be a lab file's name"
      }
      for (row, what) in file.rows {
        let words = what.split(separator: " ", omittingEmptySubsequences: false)
        guard (1...2).contains(words.count), let index = Shard.number(words[0]),
          file.does.indices.contains(index),
          Self.id(scenario, row, file.axes) != nil
        else { return "\(quoted(scenario)): \(quoted(row)) does \(quoted(what)), and there is no such thing" }
      }
    }
    return nil
  }

  /// As a run's results, for whoever compares them.
  public var results: Results {
    var results = Results([], kernels: [name: kernel], seconds: 0)
    for (scenario, file) in files.sorted(by: { $0.key < $1.key }) {
      for (row, what) in file.rows.sorted(by: { $0.key < $1.key }) {
        let words = what.split(separator: " ")
        guard let first = words.first, let index = Int(first), file.does.indices.contains(index),
          let id = Self.id(scenario, row, file.axes)
        else { continue }
        results.cases.append(
          .init(recorded: file.does[index], id: id, scenario: scenario, title: file.title, on: name))
      }
    }
    results.summary.count(results.cases)
    return results
  }

  /// Of each case with a digest, its first 16 digits.
  public var digests: [String: Substring] {
    var digests: [String: Substring] = [:]
    for (scenario, file) in files {
      for (row, what) in file.rows {
        let words = what.split(separator: " ")
        if words.count == 2, let id = Self.id(scenario, row, file.axes) { digests[id] = words[1] }
      }
    }
    return digests
  }
}

extension Results.Entry {
  fileprivate init(
    recorded: Difference.Behaviour, id: String, scenario: String, title: String, on kernel: String
  ) {
    (self.id, self.scenario, self.title, self.kernel) = (id, scenario, title, kernel)
    name = CaseName(id: id).description
    verdict = recorded.verdict
    reason = recorded.because ?? "recorded"
    (axes, expected, attempts, counters, witnesses, settings, timings) = ([:], [:], [], [:], [], [:], [])
    seconds = 0
    self.recorded = recorded
  }
}

extension Kernel {
  /// What one has and another lacks, in words a person reads: features and settings by name, counters by number.
  public func told(from other: Kernel, names: (String, String)) -> [String] {
    var lines: [String] = []
    for (own, there, name) in [(self, other, names.0), (other, self, names.1)] {
      let only = own.capabilities.subtracting(there.capabilities)
        .subtracting(Capability.Feature.programs.map(Capability.feature)).sorted()
      let counters = only.filter(\.isCounter)
      var words = only.filter { !counters.contains($0) }.map(\.description)
      if (1...3).contains(counters.count) { words += counters.map(\.description) }
      if counters.count > 3 { words.append("\(counters.count) counters") }
      if !words.isEmpty { lines.append("only \(name) has \(words.joined(separator: ", "))") }
    }
    if timestampTicksPerSecond != other.timestampTicksPerSecond {
      lines.append(
        "timestamps tick \(timestampTicksPerSecond) and \(other.timestampTicksPerSecond) times a second")
    }
    let settings = perKernelSettings.symmetricDifference(other.perKernelSettings).sorted()
    if !settings.isEmpty {
      lines.append("one per kernel on one side only: \(settings.joined(separator: ", "))")
    }
    return lines
  }
}
