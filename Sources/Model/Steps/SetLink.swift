/// A node's link goes down at its other end, or comes up again: the node keeps its addresses and routes and has no
/// carrier.
public struct SetLink: StepAction {
  /// The node at whose link it is, or the link's own name.
  public var node: String
  public var isUp: Bool

  enum CodingKeys: String, CodingKey { case node, isUp = "up" }

  public init(node: String, isUp: Bool) { (self.node, self.isUp) = (node, isUp) }

  public static let verb = Verb(
    "link",
    "a node's links lose their carrier, or have it again; a link by its name goes down where its first node is not",
    shell: "ip link set dev PEER down",
    subject: .entries(key: .either([.name(.node), .name(.link)]), .word(["up", "down"])), options: [],
    example: "{link: {late: down}}")

  public static func read(_ words: StepWords) -> [SetLink] {
    (words.subject.entries ?? []).compactMap { node, value in
      value.text.map { SetLink(node: node, isUp: $0 == "up") }
    }
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String { "\(node)'s link \(isUp ? "comes up" : "goes down")" }

  public var groups: [String] { [] }
  public var names: [String] { [node] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs(.netAdmin) { $0.losesPackets = !isUp } }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? { nil }
  public func mistake(in test: Case) -> StepMistake? {
    test.linkMistake(node, at: Self.verb.name)
  }
  public func perNode(_ members: (String) -> [String]) -> [SetLink] {
    let nodes = members(node)
    return nodes.isEmpty ? [self] : nodes.map { SetLink(node: $0, isUp: isUp) }
  }
}
