import Foundation
import Judging
import Model

/// A text out of a file that somebody else may have written, as it can be shown anywhere: quoted, one line, printable
/// ASCII, bounded.
func quoted(_ text: some StringProtocol) -> String {
  let scalars = text.unicodeScalars.prefix(120)
  let words = scalars.map { $0.escaped(asASCII: true) }.joined()
  return "\"\(words)\(text.unicodeScalars.count > 120 ? "..." : "")\""
}

/// Decodes JSON; what is wrong with it is said with the place in it, not in a library's words.
func decode<Value: Decodable>(_ type: Value.Type, from data: Data, _ file: String) throws(Failure) -> Value {
  let decoder = JSONDecoder()
  decoder.dateDecodingStrategy = .iso8601
  do { return try decoder.decode(type, from: data) } catch {
    throw Failure(
      stage: "read", object: file, cause: words(for: error),
      mend: "it is damaged, or written by another version of the lab")
  }
}

/// `cases[3].verdict: not one of the values that it can have`
private func words(for error: any Error) -> String {
  func place(_ path: [any CodingKey]) -> String {
    guard !path.isEmpty else { return "" }
    let text = path.reduce("") { text, key in
      if let index = key.intValue { return text + "[\(index)]" }
      let name = key.stringValue
      let isPlain = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) }
      return text + (text.isEmpty ? "" : ".") + (isPlain ? name : quoted(name))
    }
    return text + ": "
  }
  switch error {
  case DecodingError.keyNotFound(let key, let context):
    return "\(place(context.codingPath))no \(quoted(key.stringValue))"
  case DecodingError.valueNotFound(_, let context): return "\(place(context.codingPath))null"
  case DecodingError.typeMismatch(let type, let context):
    return "\(place(context.codingPath))not of its type (\(type))"
  case DecodingError.dataCorrupted(let context):
    guard !context.codingPath.isEmpty else { return "no JSON, cut short, or a number in it is too large" }
    // What our own types say names the value and the range; what Swift's say names types.
    let isSwifts = context.debugDescription.hasPrefix("Cannot initialize")
    return place(context.codingPath)
      + (isSwifts ? "not one of the values that it can have" : context.debugDescription)
  default: return "it cannot be read"
  }
}

extension Results {
  /// How many cases are read of a file; more is damage or an attack.
  static let most = 200_000

  /// What makes no sense in results that were read: names that lead elsewhere, a case twice, files that are not the
  /// case's; nil where all is well.
  var mistake: String? {
    if cases.count + (notJudged?.count ?? 0) > Self.most { return "more than \(Self.most) cases" }
    if let mistake = kernels.savedMistake { return mistake }
    for guest in guests {
      do { _ = try ResultName(guest.kernel) } catch { return error.description }
    }
    var known: Set<PlannedRun.Place> = []
    for (list, entries) in [("cases", cases), ("notJudged", notJudged ?? [])] {
      for (index, entry) in entries.enumerated() {
        if let mistake = entry.mistake(among: kernels) { return "\(list)[\(index)], \(mistake)" }
        // Over its seeds a case has no files.
        guard entry.over != nil || known.insert(entry.place.file).inserted else {
          return "\(list)[\(index)], \(quoted(entry.id)): stands twice on \(entry.kernel)"
        }
      }
    }
    return CaseName.collisions(among: Set(cases.map(\.id)).sorted()).first.map {
      "\(quoted($0.first)) and \(quoted($0.second)) have one file name"
    }
  }
}

extension [String: Kernel] {
  /// What makes no sense in kernels that were read.
  var savedMistake: String? {
    for (name, kernel) in sorted(by: { $0.key < $1.key }) {
      do { _ = try ResultName(name) } catch { return error.description }
      // CONFIG_HZ was once the clock; microseconds are the finest there is.
      guard (1...1_000_000).contains(kernel.timestampTicksPerSecond) else {
        return "kernel \(name): \(kernel.timestampTicksPerSecond) ticks per second"
      }
    }
    return nil
  }
}

extension Results.Summary {
  /// Counts the verdicts of cases that were read back; what else it says stays.
  mutating func count(_ entries: [Results.Entry]) {
    func count(_ verdict: Verdict, emulated: Bool) -> Int {
      entries.count { $0.verdict == verdict && ($0.emulation != nil) == emulated }
    }
    pass = count(.pass, emulated: false)
    fail = count(.fail, emulated: false)
    skip = count(.skip, emulated: false)
    error = count(.error, emulated: false)
    emulated =
      entries.contains { $0.emulation != nil }
      ? Counts(
        pass: count(.pass, emulated: true), fail: count(.fail, emulated: true),
        error: count(.error, emulated: true)) : nil
  }
}

extension Results.Entry {
  fileprivate func mistake(among kernels: [String: Kernel]) -> String? {
    if kernels[kernel] == nil { return "\(quoted(id)): no kernel \(quoted(kernel)) in these results" }
    if scenario.isEmpty || scenario.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 }) {
      return "\(quoted(id)): \(quoted(scenario)) cannot be a lab file's name"
    }
    let own = [CaseFiles(place), .old(id: id, kernel: kernel)]
    if let observation, !own.contains(where: { $0.observation == observation }) {
      return "\(quoted(id)): its observation cannot be \(quoted(observation))"
    }
    if let capture, !own.contains(where: { $0.capture == capture }) {
      return "\(quoted(id)): its capture cannot be \(quoted(capture))"
    }
    return seconds.isFinite && seconds >= 0 ? nil : "\(quoted(id)): it took \(seconds) s"
  }
}

extension Case {
  /// What no lab file could have made of a case that was saved: it is run as it stands, so it is held to the same
  /// bounds (LabFile, ScenarioReader and WorkloadReader). nil where all is well.
  var savedMistake: String? {
    // Counts first: what follows is as long as they say.
    if !(1...Bounds.clients).contains(network.clients.count) {
      return "\(network.clients.count) clients; 1 to \(Bounds.clients)"
    }
    if network.serverNames.isEmpty { return "no server" }
    let nodes = network.nodes
    let names = nodes + network.clients.map(\.group)
    if Set(nodes).count != nodes.count { return "two nodes of one name" }
    for name in names
    where name.isEmpty || name == "." || name == ".." || name.utf8.contains(where: Self.isOdd) {
      return "no node can be called \(quoted(name))"
    }
    for case .offset(let milliseconds) in network.clients.map(\.clock) where Self.isFar(milliseconds) {
      return "a clock \(milliseconds) ms off"
    }
    // What a lab file can spell out besides.
    if let excess = network.excess { return excess }
    for (node, values) in settings.sorted(by: { $0.key < $1.key }) {
      if !nodes.contains(node) { return "no node \(quoted(node)), which has settings" }
      for name in values.keys.sorted() where Setting.named(name) == nil {
        return "the lab knows no setting \(quoted(name))"
      }
    }
    return workload.lazy.compactMap { $0.savedMistake(in: self) }.first
  }

  private static func isOdd(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == 0x7f || byte == UInt8(ascii: "/")
  }

  /// Beyond any TSval clock: 2^32 ticks are less than 50 days.
  static func isFar(_ milliseconds: Int) -> Bool { !(-(1 << 40)...(1 << 40)).contains(milliseconds) }
}

extension Step {
  fileprivate func savedMistake(in test: Case) -> String? {
    if let excess = action.excess { return excess }
    let known = Set(
      test.network.nodes + test.network.clients.map(\.group) + test.network.links.map(\.name))
    if let name = action.names.first(where: { !known.contains($0) }) {
      return "\(verb) names \(quoted(name)), and there is none"
    }
    if let write = action.writes, Setting.named(write.setting) == nil {
      return "sets \(quoted(write.setting)) on \(quoted(write.node))"
    }
    return action.mistake(in: test)?.message
  }
}
