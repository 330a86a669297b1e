import Model
import Yams

/// A network that a file spells out, from what was read of `nodes` and `links`.
enum SketchReader {
  /// - Parameters:
  ///   - nodes: of the kind that ``Grammar/nodes`` says.
  ///   - links: of the kind that ``Grammar/links`` says.
  static func sketch(nodes: FieldValue?, links: FieldValue?) -> NetworkSketch {
    NetworkSketch(
      nodes: (nodes?.entries ?? []).map { node($0.key, $0.value) },
      links: (links?.entries ?? []).map { name, value in
        var link = NetworkSketch.Link(name, (value["nodes"] ?? value).texts)
        link.isCaptured = value["captured"]?.flag ?? true
        link.packets = Impairment { value[$0] }
        link.from = impairments(value["from"])
        link.to = impairments(value["to"])
        return link
      })
  }

  private static func impairments(_ value: FieldValue?) -> [String: Impairment] {
    Dictionary((value?.entries ?? []).map { name, said in (name, Impairment { said[$0] }) }) { first, _ in
      first
    }
  }

  private static func word<Word: RawRepresentable>(_ value: FieldValue?, _ byDefault: Word) -> Word
  where Word.RawValue == String {
    value?.text.flatMap(Word.init(rawValue:)) ?? byDefault
  }

  private static func node(_ name: String, _ value: FieldValue) -> NetworkSketch.Node {
    var node = NetworkSketch.Node(name)
    node.count = value["count"]?.number ?? 1
    node.listens = value["listens"]?.number
    node.forwards = value["forwards"]?.flag ?? false
    node.backend = word(value["backend"], .auto)
    node.nat = value["nat"].map { nat in
      var made = NetworkSketch.NAT(out: nat["out"]?.texts ?? [])
      made.source = nat["as"]?.text
      made.target = word(nat["target"], .snat)
      made.ports = nat["ports"]?.ports ?? made.ports
      made.random = word(nat["random"], .none)
      return made
    }
    node.rules = (value["rules"]?.list ?? []).compactMap(rule)
    node.services = (value["balances"]?.entries ?? []).map { name, service in
      var made = NetworkSketch.Service(name, servers: service["to"]?.texts ?? [])
      made.forwarding = word(service["by"], .nat)
      made.scheduler = word(service["scheduler"], .rr)
      made.persistence = service["persistence"]?.number
      made.ports = service["ports"]?.number
      return made
    }
    node.has = value["has"]?.texts ?? []
    node.routes = (value["routes"]?.entries ?? []).compactMap { to, via in
      via.text.map { NetworkSketch.Route(to: to, via: $0) }
    }
    return node
  }

  private static func rule(_ value: FieldValue) -> NetworkSketch.Rule? {
    for verdict in PacketRule.Verdict.allCases {
      guard let kind = value[verdict.rawValue]?.text.flatMap(PacketRule.Kind.init(rawValue:)) else {
        continue
      }
      var rule = NetworkSketch.Rule(verdict, kind)
      rule.in = value["in"]?.text
      rule.out = value["out"]?.text
      rule.from = value["from"]?.text
      rule.to = value["to"]?.text
      rule.nth = value["nth"]?.number
      if verdict == .synproxy { rule.proxy = SynProxy { value[$0] } }
      return rule
    }
    return nil
  }
}
