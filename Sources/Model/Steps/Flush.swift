/// Empties a table of a node: `conntrack -F`.
public struct Flush: StepAction {
  public var table: Step.Table
  /// The node; nil for every node of the kind that has such a table.
  public var on: String?

  public init(table: Step.Table, on: String? = nil) { (self.table, self.on) = (table, on) }

  public static let verb = Verb(
    "flush", "a table of a node is emptied",
    shell: "conntrack -F; ip tcp_metrics flush; ip neigh flush all",
    subject: .word(Step.Table.allCases.map(\.rawValue)),
    options: [
      Field(
        "on", .name(.node), byDefault: "every node that NATs, directs or serves, by the table", "the node")
    ], example: "{flush: conntrack}")

  public static func read(_ words: StepWords) -> [Flush] {
    words.subject.text.flatMap(Step.Table.init).map { [Flush(table: $0, on: words["on"]?.text)] } ?? []
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String {
    switch table {
    case .conntrack: "\(on ?? "the hop")'s conntrack table is emptied"
    case .tcpMetrics:
      "what \(on ?? "the servers") remember\(on == nil ? "" : "s") of other hosts is forgotten (ip tcp_metrics flush)"
    case .ipvs: "\(on ?? "the director") forgets the connections that it has passed on"
    case .neighbours: "\(on ?? "every node") forgets its neighbours (ip neigh flush all)"
    }
  }

  public var groups: [String] { [] }
  public var names: [String] { on.map { [$0] } ?? [] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs {
    Step.Needs(.netAdmin) {
      $0.losesPackets = table == .conntrack || table == .ipvs
      if table == .ipvs { $0.features = [.ipvsFlush] }
    }
  }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? { nil }
  public func mistake(in test: Case) -> StepMistake? {
    if let on, !test.network.nodes.contains(on) {
      return StepMistake("there is no node \(on)", at: "on")
    }
    func has(_ nodes: [String]) -> Bool { on.map(nodes.contains) ?? !nodes.isEmpty }
    let key = on.map { _ in "on" } ?? Self.verb.name
    return switch table {
    case .conntrack where !has(test.network.trackingNodes):
      StepMistake("there is no \(on ?? "hop") whose conntrack could be flushed", at: key)
    case .ipvs where !has(test.network.directorNodes):
      StepMistake("there is no director whose connections could be flushed", at: key)
    default: nil
    }
  }
  public func perNode(_ members: (String) -> [String]) -> [Flush] { [self] }
}

extension Step {
  public static func flush(_ table: Step.Table) -> Step { Step(Flush(table: table)) }
}
