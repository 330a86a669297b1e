/// Empties a table of a node: `conntrack -F`.
public struct Flush: StepAction {
  public var table: Step.Table

  public init(table: Step.Table) { self.table = table }

  enum CodingKeys: String, CodingKey { case table }

  /// A table alone is what was written while a step was an enumeration.
  public init(from decoder: any Decoder) throws {
    if let table = try? decoder.singleValueContainer().decode(Step.Table.self) {
      self.init(table: table)
      return
    }
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(table: try container.decode(Step.Table.self, forKey: .table))
  }

  public static let verb = Verb(
    "flush", "a table is emptied: the hop's conntrack, or what the servers remember of other hosts",
    shell: "conntrack -F; ip tcp_metrics flush", subject: .word(Step.Table.allCases.map(\.rawValue)),
    options: [], example: "{flush: conntrack}")

  public static func read(_ words: StepWords) -> [Flush] {
    words.subject.text.flatMap(Step.Table.init).map { [Flush(table: $0)] } ?? []
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String {
    switch table {
    case .conntrack: "the hop's conntrack table is emptied"
    case .tcpMetrics: "what the servers remember of other hosts is forgotten (ip tcp_metrics flush)"
    }
  }

  public var groups: [String] { [] }
  public var names: [String] { [] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs(.netAdmin) }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? { nil }
  public func mistake(in test: Case) -> String? {
    table == .conntrack && test.network.trackingNodes.isEmpty
      ? "there is no hop whose conntrack could be flushed" : nil
  }
  public func perNode(_ members: (String) -> [String]) -> [Flush] { [self] }
}

extension Step {
  public static func flush(_ table: Step.Table) -> Step { Step(Flush(table: table)) }
}
