import Model

/// What a case does and what is expected of it, in words.
public struct Explanation {
  private let test: Case

  /// Makes an explanation.
  public init(_ test: Case) { self.test = test }

  /// Line by line.
  public var lines: [String] {
    var lines = [test.id, test.title, ""]
    lines += test.why.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    lines += ["network"] + network.map { "  " + $0 }
    let settings = test.settings.sorted { $0.key < $1.key }.flatMap { node, values in
      values.sorted { $0.key < $1.key }.map { "  \(node): \($0.key)=\($0.value)" }
    }
    if !settings.isEmpty { lines += ["settings beside the baseline"] + settings }
    lines += ["workload"] + test.workload.enumerated().map { "  \($0 + 1). \(Self.describe($1))" }
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
        }
      return "\(client.name): \(clock), ISN \(client.isn.rawValue)"
    }
    if test.network.clients.count > 8 { lines.append("... \(test.network.clients.count) clients in all") }
    if let hop = test.network.hop {
      var words = ["hop"]
      if test.network.topology.isIPVS {
        words.append(
          "IPVS (\(test.network.topology.rawValue)), \(hop.scheduler.rawValue), VIP \(Addressing(test.network).virtual)"
        )
      }
      if test.network.topology.hidesClients {
        words.append("\(hop.nat.rawValue) to ports \(hop.ports.lowerBound)-\(hop.ports.upperBound)")
        if hop.random != .none { words.append(hop.random == .fully ? "random-fully" : "random") }
      }
      if hop.dropInvalid { words.append("drops INVALID") }
      lines.append(words.count == 1 ? words[0] : "hop: " + words.dropFirst().joined(separator: ", "))
    }
    let ports = test.network.serverPorts
    let servers = test.network.serverNames
    lines.append(
      "\(servers.count == 1 ? servers[0] : "\(servers.count) servers"): listens on \(Network.serverPort)"
        + (ports > 1 ? "-\(Network.serverPort + ports - 1)" : "") + ", \(test.network.family.rawValue)")
    return lines
  }

  private static func describe(_ step: Step) -> String {
    switch step {
    case .connect(let step):
      "\(step.client) connects"
        + (step.label == step.client ? "" : " (\(step.label))")
        + (step.times > 1 ? " \(step.times) times" : "")
        + (step.closes == .nobody ? " and stays open" : ", the \(step.closes.rawValue) closes first")
        + (step.again > 0 ? ", tried again for \(step.again) ms after EADDRNOTAVAIL" : "")
    case .send(let step):
      "the \(step.from.rawValue) sends a byte on \(step.client)'s connection (\(step.label))"
    case .churn(let step):
      "\(step.clients.joined(separator: ", ")): \(step.connections) connections each"
        + (step.rate.map { ", \($0) per second" } ?? "") + ", the \(step.closes.rawValue) closes first"
        + (step.flush.map { ", \($0.rawValue) emptied before each" } ?? "")
    case .advance(let seconds): "the wall clock is set \(seconds) s forward"
    case .remove(let server): "\(server) is taken out of the director's table"
    case .flush(.conntrack): "the hop's conntrack table is emptied"
    case .flush(.tcpMetrics): "what the servers remember of other hosts is forgotten (ip tcp_metrics flush)"
    case .set(let node, let setting, let value): "\(node): \(setting)=\(value)"
    case .clock(let client, let clock):
      if case .offset(let milliseconds) = clock {
        "\(client)'s clock jumps to \(milliseconds) ms"
      } else {
        "\(client)'s clock changes"
      }
    }
  }
}
