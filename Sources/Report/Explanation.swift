import Model

/// What a case does and what is expected of it, in words.
public struct Explanation {
  private let test: Case

  /// Makes an explanation.
  public init(_ test: Case) { self.test = test }

  /// Line by line.
  public var lines: [String] {
    var lines = [test.id, test.title, ""]
    lines += Columns.paragraphs(test.why)
    lines += ["network"] + network.map { "  " + $0 }
    let settings = test.settings.sorted { $0.key < $1.key }.flatMap { node, values in
      values.sorted { $0.key < $1.key }.map { "  \(node): \($0.key)=\($0.value)" }
    }
    if !settings.isEmpty { lines += ["settings beside the baseline"] + settings }
    lines += ["workload"] + test.workload.enumerated().map { "  \($0 + 1). \($1.action.words)" }
    lines.append("expected")
    for rule in test.rules {
      let condition = rule.kernel.map { ($0.present ? "" : "no ") + $0.capability.description }
      let outcomes = rule.outcomes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
      lines.append(
        "  " + (condition.isEmpty ? "" : "[\(condition.joined(separator: ", "))] ")
          + (outcomes.isEmpty ? "everything connected" : outcomes.joined(separator: ", ")))
      if let source = rule.source { lines.append("    the servers see the \(source.rawValue)'s address") }
      if let length = rule.timeWait {
        lines.append("    TIME_WAIT on the servers lasts \(length == .recycled ? "3.5 RTO" : "60 s")")
      }
      for (label, by) in rule.served.sorted(by: { $0.key < $1.key }) {
        lines.append(
          "    \(label) is served by \(by.same ? "the same server as" : "another server than") \(by.label)")
      }
      for (label, percent) in (rule.shares ?? [:]).sorted(by: { $0.key < $1.key }) {
        lines.append(
          "    over the seeds of a run \(percent) % of \(label) are refused, and both branches occur")
      }
      lines += (rule.witnesses?.lines ?? []).map { "    seen: \($0)" }
      lines.append("    because \(rule.because)")
    }
    return lines
  }

  private var network: [String] {
    var lines = test.network.clients.prefix(8).map { client in
      let clock =
        switch client.clock {
        case .offset(let milliseconds): "clock \(milliseconds >= 0 ? "+" : "")\(milliseconds) ms"
        case .natural: "natural timestamps"
        case .off: "no timestamps"
        case .microseconds: "timestamps in microseconds"
        }
      return "\(client.name): \(clock), ISN \(client.isn.rawValue)"
    }
    if test.network.clients.count > 8 { lines.append("... \(test.network.clients.count) clients in all") }
    for host in test.network.hosts where host.forwards || host.hasRules || !host.services.isEmpty {
      lines.append(host.name + (words(host).isEmpty ? "" : ": " + words(host).joined(separator: ", ")))
    }
    lines += test.network.links.flatMap(words)
    let servers = test.network.hosts.filter { $0.server != nil }
    let ports = servers.compactMap { $0.server?.ports }
    if let first = ports.first {
      let alike = ports.allSatisfy { $0 == first }
      for (name, ports) in alike
        ? [(servers.count == 1 ? servers[0].name : "\(servers.count) servers", first)]
        : zip(servers.map(\.name), ports).map({ ($0, $1) })
      {
        lines.append("\(name): listens on \(Self.range(ports)), \(test.network.family.rawValue)")
      }
    }
    return lines
  }

  private static func range(_ ports: ClosedRange<Int>) -> String {
    ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
  }

  /// What happens to packets on a link.
  private func words(_ link: Link) -> [String] {
    guard link.isImpaired else { return [] }
    let sent = link.ends.map(\.sent)
    if let first = sent[0], sent.allSatisfy({ $0 == first }), link.ends.allSatisfy({ $0.received == nil }) {
      return ["link \(link.name): \(first.words)"]
    }
    return link.ends.flatMap { end in
      [("sends", end.sent), ("gets", end.received)].compactMap { way, packets in
        packets.map { "link \(link.name), what \(end.host) \(way): \($0.words)" }
      }
    }
  }

  /// A rule that a lab file has written itself.
  private func words(_ rule: PacketRule, of host: Network.Node) -> String {
    func link(_ interface: String) -> String {
      test.network.links.first { $0.allEnds.contains { $0.host == host.name && $0.interface == interface } }?
        .name ?? interface
    }
    let which = rule.nth.map { "number \($0) of " } ?? ""
    let ways = [
      rule.in.map { "from \(link($0))" }, rule.out.map { "to \(link($0))" },
      rule.from.map { "of \($0)" }, rule.to.map { "for \($0)" },
    ]
    return "\(rule.verdict.rawValue) \(which)\(rule.kind.rawValue)"
      + ways.compactMap(\.self).map { " " + $0 }.joined()
  }

  /// What a node in the middle does.
  private func words(_ host: Network.Node) -> [String] {
    var words = host.services.map { service in
      let means: String =
        switch service.forwarding {
        case .nat: "ipvsadm -m"
        case .route: "ipvsadm -g"
        case .tunnel: "ipvsadm -i"
        }
      return "IPVS (\(means)), \(service.scheduler.rawValue), VIP \(service.address)"
    }
    if let nat = host.nat {
      words.append("\(nat.target.rawValue) to ports \(nat.ports.lowerBound)-\(nat.ports.upperBound)")
      if nat.random != .none { words.append(nat.random == .fully ? "random-fully" : "random") }
    }
    if host.rules.contains(.dropInvalid) { words.append("drops INVALID") }
    words += host.rules.filter { $0 != .dropInvalid }.map { self.words($0, of: host) }
    return words
  }
}
