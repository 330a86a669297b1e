import Evidence
import Foundation
import Judging
import Model

extension RunFolder {
  /// This folder as a part of a whole.
  ///
  /// - Throws: where nothing says what the run set out to do, where somebody still writes there, or where it is of another
  ///   format: files are taken as they are, and a run has one.
  public func part() throws -> Merge.Part {
    guard files.size(of: Self.plan) != nil else {
      throw Failure(
        stage: "merge", object: path,
        cause: "no \(Self.plan) there, so nothing says what the run set out to do",
        mend: "run it anew: pawslab run --out", isUsage: true)
    }
    if let user {
      throw Failure(
        stage: "merge", object: path, cause: "a run is writing there now\(user)", mend: "wait for its end",
        isUsage: true)
    }
    for (kind, name) in [(StoredFile.Kind.plan, Self.plan), (.results, Self.results)]
    where files.size(of: name) != nil {
      let file = StoredFile(kind: kind, name: files.shown(name))
      let format = try file.format(of: try files.read(name, limit: Self.limit))
      guard format == EvidenceFormat.current else {
        throw Failure(
          stage: "merge", object: files.shown(name), cause: EvidenceFormat.mismatch(format),
          mend: "pawslab report reads it; a run of one format has none of another: run it anew", isUsage: true
        )
      }
    }
    guard let plan = try loadPlan() else { throw Failure(stage: "merge", object: path, cause: "no plan") }
    return Merge.Part(name: path, plan: plan, results: try loadResults())
  }

  /// Takes all that the parts have kept, as it is, and says what the whole came to. Reports are not made yet.
  ///
  /// - Parameter folders: those of the parts, in their order.
  public func take(_ merge: Merge, from folders: [RunFolder]) throws {
    try begin(merge.plan)
    var results = merge.results
    for index in results.cases.indices {
      let entry = results.cases[index]
      guard entry.observation != nil, let number = merge.parts[entry.place] else { continue }
      let part = folders[number]
      // What is damaged is said here, and not by whoever reads the whole.
      _ = try part.load(entry.place, packets: false)
      let names = try Self.files(entry.place)
      for name in [names.capture, names.observation] {
        try files.write(name) { piece in
          try part.files.read(name, limit: Self.limit) { try piece($0) }
        }
      }
      (results.cases[index].observation, results.cases[index].capture) = (names.observation, names.capture)
    }
    try takeEvents(folders)
    for part in folders { try takeConsoles(part, of: Set(merge.plan.kernels.keys)) }
    try save(results)
  }

  /// Lines as they happened, whole ones only.
  private func takeEvents(_ folders: [RunFolder]) throws {
    var lines: [(time: String, line: Data)] = []
    for part in folders where part.files.size(of: Self.events) != nil {
      let file = StoredFile(kind: .event, name: part.files.shown(Self.events))
      for line in try part.files.read(Self.events, limit: Self.limit).split(separator: UInt8(ascii: "\n")) {
        guard let event = try? file.decoded(RunEvent.self, from: line) else { continue }
        lines.append((event.time, line + Data("\n".utf8)))
      }
    }
    lines.sort { $0.time < $1.time }
    try files.write(lines.reduce(into: Data()) { $0 += $1.line }, to: Self.events)
  }

  private func takeConsoles(_ part: RunFolder, of kernels: Set<String>) throws {
    for (name, isFolder) in try part.files.list("consoles") where !isFolder && name.hasSuffix(".txt") {
      let words = name.dropLast(4).split(separator: "-", omittingEmptySubsequences: false)
      let kernel = words.dropLast().joined(separator: "-")
      guard kernels.contains(kernel), let number = words.last, Int(number) != nil else { continue }
      let text = try part.files.read("consoles/\(name)", limit: Self.limit)
      try save(console: String(decoding: text, as: UTF8.self), of: kernel)
    }
  }
}
