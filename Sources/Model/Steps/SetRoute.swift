/// A node sends what it has for an address another way from here on: a failover, an answer that takes another path.
public struct SetRoute: StepAction {
  /// The node whose route it is.
  public var node: String
  /// A node, or an address that has a name.
  public var to: String
  /// The node that is next.
  public var via: String

  public init(node: String, to: String, via: String) { (self.node, self.to, self.via) = (node, to, via) }

  public static let verb = Verb(
    "route", "a node sends what it has for an address another way", shell: "ip route replace TO via GATEWAY",
    subject: .name(.node),
    options: [
      Field("to", .newName, isRequired: true, "A node, or an address that has a name"),
      Field("via", .name(.node), isRequired: true, "The node that is next, on a link of this one"),
    ],
    example: "{route: server, to: late, via: hop}")

  public static func read(_ words: StepWords) -> [SetRoute] {
    guard let node = words.subject.text, let to = words["to"]?.text, let via = words["via"]?.text else {
      return []
    }
    return [SetRoute(node: node, to: to, via: via)]
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String { "\(node) sends what it has for \(to) by \(via)" }

  public var groups: [String] { [] }
  public var names: [String] { [node, via] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs(.netAdmin) { $0.losesPackets = true } }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? { nil }
  public func mistake(in test: Case) -> StepMistake? {
    if test.network.address(named: to) == nil {
      return StepMistake("there is no \(to) to which a route could lead", at: "to")
    }
    return gateway(in: test.network) == nil
      ? StepMistake("\(node) and \(via) are on no link together", at: "via") : nil
  }
  public func perNode(_ members: (String) -> [String]) -> [SetRoute] {
    let nodes = members(node)
    return nodes.isEmpty ? [self] : nodes.map { SetRoute(node: $0, to: to, via: via) }
  }

  /// The address of the node that is next, and the own interface to it; nil where no link joins them.
  public func gateway(in network: Network) -> (address: String, interface: String)? {
    let next = Set(network.members(of: via))
    for link in network.links {
      let ends = link.allEnds
      guard let own = ends.first(where: { network.members(of: node).contains($0.host) }),
        let address = ends.first(where: { next.contains($0.host) })?.address
      else { continue }
      return (address, own.interface)
    }
    return nil
  }
}
