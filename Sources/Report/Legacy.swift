import Evidence
import Foundation
import Judging
import Model

/// A file of a run's folder, in the format that it says it has: of an older one, made into today's here and nowhere
/// else; of a newer one, refused before anything else of it is looked at.
struct StoredFile {
  /// What a file holds.
  enum Kind {
    /// `results.json`
    case results
    /// `run.json`
    case plan
    /// A case with what was seen of it.
    case observation
    /// A line of `events.jsonl`.
    case event

    /// The first format that can be read. `results.json` had numbers before there was one for all; `run.json` had its
    /// own; the others had none.
    fileprivate var oldest: Int {
      switch self {
      case .results: 3
      case .plan: 1
      case .observation, .event: Self.unnumbered
      }
    }
    fileprivate static let unnumbered = 3
  }

  let kind: Kind
  /// As it is shown.
  let name: String

  /// Decodes it.
  /// - Throws: `Failure` with the place of what is wrong, or both formats where it is of one that cannot be read.
  func decoded<Value: Decodable>(_ type: Value.Type, from data: Data) throws(Failure) -> Value {
    let number = try format(of: data)
    try check(number)
    return try decode(
      type, from: number == EvidenceFormat.current ? data : try Legacy.lifted(data, kind, name), name)
  }

  /// The format that it says it has.
  func format(of data: Data) throws(Failure) -> Int {
    switch kind {
    case .results, .plan: return try decode(Numbered.self, from: data, name).version
    case .observation:
      let seen = try decode(Observed.self, from: data, name).observation
      return seen.map { $0.format ?? Kind.unnumbered } ?? EvidenceFormat.current
    case .event: return try decode(Head.self, from: data, name).format ?? Kind.unnumbered
    }
  }

  /// - Throws: where a format cannot be read.
  func check(_ number: Int) throws(Failure) {
    guard !(kind.oldest...EvidenceFormat.current).contains(number) else { return }
    throw Failure(
      stage: "read", object: name, cause: EvidenceFormat.mismatch(number, oldest: kind.oldest),
      mend: number > EvidenceFormat.current
        ? "a newer pawslab wrote it, and reads it" : "run it again with this version of the lab")
  }

  private struct Numbered: Decodable { var version: Int }
  private struct Head: Decodable { var format: Int? }
  private struct Observed: Decodable { var observation: Head? }
}

/// What was written before there was one format for all evidence, made into format 4 value by value: JSON in, JSON out,
/// so that no decoder need know that there was anything else.
enum Legacy {
  fileprivate static func lifted(_ data: Data, _ kind: StoredFile.Kind, _ name: String) throws(Failure)
    -> Data
  {
    do {
      var value = try JSONSerialization.jsonObject(with: data)
      switch kind {
      case .results: change(&value, results)
      case .plan: change(&value, plan)
      case .observation: change(&value, result)
      case .event: change(&value, event)
      }
      return try JSONSerialization.data(withJSONObject: value)
    } catch {
      throw Failure(
        stage: "read", object: name, cause: "no JSON, cut short, or a number in it is too large",
        mend: "it is damaged, or written by another version of the lab")
    }
  }

  private typealias Fields = [String: Any]

  /// Changes an object; what is none is left for the decoder to say so.
  private static func change(_ value: inout Any, _ body: (inout Fields) -> Void) {
    guard var fields = value as? Fields else { return }
    body(&fields)
    value = fields
  }

  private static func change(_ name: String, of fields: inout Fields, _ body: (inout Fields) -> Void) {
    guard var value = fields[name] else { return }
    change(&value, body)
    fields[name] = value
  }

  private static func each(_ name: String, of fields: inout Fields, _ body: (inout Fields) -> Void) {
    guard var values = fields[name] as? [Any] else { return }
    for index in values.indices { change(&values[index], body) }
    fields[name] = values
  }

  // MARK: files

  private static func results(_ fields: inout Fields) {
    fields["version"] = EvidenceFormat.current
    kernels(&fields)
    for list in ["cases", "notJudged"] {
      each(list, of: &fields) { entry in
        emulation(&entry)
        each("witnesses", of: &entry, witness)
      }
    }
  }

  private static func plan(_ fields: inout Fields) {
    fields["version"] = EvidenceFormat.current
    kernels(&fields)
    each("tests", of: &fields, test)
  }

  private static func result(_ fields: inout Fields) {
    change("observation", of: &fields) { $0["format"] = EvidenceFormat.current }
    change("test", of: &fields, test)
    change("judgement", of: &fields) { each("witnesses", of: &$0, witness) }
    emulation(&fields)
  }

  private static func event(_ fields: inout Fields) {
    fields["format"] = EvidenceFormat.current
    emulation(&fields)
  }

  // MARK: what is in them

  /// Settings that were emulated became the emulation that gives them.
  private static func kernels(_ fields: inout Fields) {
    change("kernels", of: &fields) { kernels in
      for name in kernels.keys {
        change(name, of: &kernels) { kernel in
          let settings = kernel.removeValue(forKey: "emulated") as? [String] ?? []
          if let emulation = settings.lazy.compactMap(Emulation.giving).first {
            kernel["emulation"] = emulation.name
          }
        }
      }
    }
  }

  /// That something was emulated became what it was: there was one emulation.
  private static func emulation(_ fields: inout Fields) {
    if fields.removeValue(forKey: "emulated") as? Bool == true {
      fields["emulation"] = TimeWaitRecycling.emulation.name
    }
  }

  private static func test(_ fields: inout Fields) {
    if let old = fields["network"] as? Fields, old["hosts"] == nil, let new = network(old) {
      fields["network"] = new
    }
    each("workload", of: &fields, step)
  }

  /// A network was a topology's name and its parameters. What makes no sense is left for the decoder to say so.
  private static func network(_ old: Fields) -> Any? {
    guard let data = try? JSONSerialization.data(withJSONObject: old),
      let parameters = try? JSONDecoder().decode(Parameters.self, from: data), parameters.isPossible,
      let new = try? JSONEncoder().encode(parameters.network)
    else { return nil }
    return try? JSONSerialization.jsonObject(with: new)
  }

  private struct Parameters: Decodable {
    var topology: Network.Topology
    var family: Network.Family
    var clients: [Client]
    var serverPorts: Int
    var listening: Bool
    var hop: Hop?
    var servers: Int

    /// What a lab file could have asked for: the rest would take memory, or trap.
    var isPossible: Bool {
      clients.count <= Bounds.clients && (1...Bounds.serverPorts).contains(serverPorts)
        && (1...Bounds.servers).contains(servers) && (hop == nil) == (topology == .direct)
    }

    var network: Network {
      Network(
        topology: topology, family: family, clients: clients, serverPorts: serverPorts, listening: listening,
        hop: hop, servers: servers)
    }
  }

  /// A step was an enumeration, whose value lay under `_0`; and what to flush was a word.
  private static func step(_ fields: inout Fields) {
    for verb in fields.keys {
      if let value = fields[verb] as? Fields, let inner = value["_0"] { fields[verb] = inner }
    }
    if let table = fields["flush"] as? String { fields["flush"] = ["table": table] }
  }

  /// Of a witness there were words only, by which a counter is told.
  private static func witness(_ fields: inout Fields) {
    guard fields["subject"] == nil, let name = fields["name"] as? String,
      let expected = fields["expected"] as? String, let seen = fields["seen"] as? String,
      let holds = fields["holds"] as? Bool
    else { return }
    let whole = Witness(
      name: name, expected: expected, seen: seen, holds: holds, unheard: fields["unheard"] as? Bool)
    guard let data = try? JSONEncoder().encode(whole),
      let new = try? JSONSerialization.jsonObject(with: data) as? Fields
    else { return }
    fields = new
  }
}
