import Model

/// A case whose cause was taken away while its expectation stayed: it must fail, or the case proves nothing.
public struct Mutant: Sendable, Equatable {
  /// What was changed, e.g. `skew`, `ports`, or `late.clock behind->ahead`.
  public var change: String
  /// The changed world under the unchanged expectation; its ``Case/id`` says both.
  public var test: Case

  /// Every mutant of a scenario's cases on one kernel, by case and change.
  ///
  /// - What takes the cause of each mechanism away that is expected (``Mutation``).
  /// - `skew`, `rules`, `without VERB`: what the file does to its network and connections; for cases with a mechanism that
  ///   has no such change of its own.
  /// - `listener`: the server listens to nothing; for cases that expect no mechanism.
  /// - `AXIS A->B`: the world of the neighbouring case on one axis, where that case expects something else.
  public static func all(of cases: [Case], on kernel: Kernel) -> [Mutant] {
    let byID = Dictionary(cases.map { ($0.axes, $0) }, uniquingKeysWith: { first, _ in first })
    // Values of each axis, among cases with as many axes.
    var valuesOf: [Int: [Set<String>]] = [:]
    for test in cases {
      var values = valuesOf[test.axes.count] ?? test.axes.map { _ in [] }
      for (index, axis) in test.axes.enumerated() { values[index].insert(axis.value) }
      valuesOf[test.axes.count] = values
    }
    return cases.flatMap { test -> [Mutant] in
      guard let rule = test.rule(on: kernel) else { return [] }
      let mechanisms = Set(rule.outcomes.values.compactMap(\.mechanism)).sorted { $0.rawValue < $1.rawValue }
      var mutants: [Mutant] = []
      let mutations = mechanisms.isEmpty ? [.listener] : mechanisms.flatMap { $0.rule?.mutations ?? [] }
      for mutation in mutations
      where mutation.applies(test) && !mutants.contains(where: { $0.change == mutation.name }) {
        mutants.append(test.mutant(mutation.name, mutation.apply))
      }
      // Where no mechanism says what its cause is: what the file itself does to its network and its connections.
      if mutants.isEmpty {
        mutants = Mutation.general(for: test).filter { $0.applies(test) }.map {
          test.mutant($0.name, $0.apply)
        }
      }
      for (index, axis) in test.axes.enumerated() {
        let values = valuesOf[test.axes.count]?[index] ?? []
        for value in values.subtracting([axis.value]).sorted() {
          var axes = test.axes
          axes[index].value = value
          guard let neighbour = byID[axes], let other = neighbour.rule(on: kernel),
            other.expects(otherThan: rule)
          else { continue }
          mutants.append(
            test.mutant("\(axis.axis) \(axis.value)->\(value)") {
              ($0.network, $0.settings, $0.workload) = (
                neighbour.network, neighbour.settings, neighbour.workload
              )
            })
        }
      }
      return mutants
    }
  }
}

/// A change of a case's world that takes a mechanism's cause away.
package struct Mutation: Sendable {
  /// What reports call it.
  var name: String
  /// Whether there is something to change.
  var applies: @Sendable (Case) -> Bool
  var apply: @Sendable (inout Case) -> Void

  /// Every clock is the kernel's own, and stays so; for cases with clocks that differ, and servers that look at them.
  static let skew = Mutation(
    name: "skew", applies: { $0.hasSkew && !$0.isStampless }, apply: { $0.removeSkew() })

  /// Sequence numbers lie ahead, where they are left to the kernel and nothing else speaks for a SYN.
  static let pinned = Mutation(
    name: "pinned",
    applies: { test in test.isStampless && test.network.clients.contains { $0.isn == .natural } },
    apply: { test in
      for index in test.network.clients.indices where test.network.clients[index].isn == .natural {
        test.network.clients[index].isn = .ahead
      }
    })

  /// No node has rules of its own.
  private static let rules = Mutation(
    name: "rules", applies: { test in test.network.hosts.contains { !$0.rules.isEmpty } },
    apply: { test in for index in test.network.hosts.indices { test.network.hosts[index].rules = [] } })

  /// Packets are neither late nor lost on any link.
  private static let links = Mutation(
    name: "links", applies: \.network.isImpaired,
    apply: { test in
      for link in test.network.links.indices {
        for end in test.network.links[link].ends.indices {
          test.network.links[link].ends[end].sent = nil
          test.network.links[link].ends[end].received = nil
        }
      }
    })

  /// Steps that do something to connections, links or servers, and whose absence must show.
  private static let doing: [String] = [
    "vanish", "forge", "close", "listen", "link", "shape", "weight", "remove", "add",
  ]

  /// What a file itself does, each taken away.
  static func general(for test: Case) -> [Mutation] {
    let verbs = doing.filter { verb in test.workload.contains { $0.verb == verb } }
    return [skew, rules, links]
      + verbs.map { verb in
        Mutation(
          name: "without \(verb)", applies: { _ in true },
          apply: { $0.workload.removeAll { $0.verb == verb } })
      }
  }

  /// A client without timestamps has them, where it is refused for that.
  static let stamped = Mutation(
    name: "stamped", applies: { $0.network.clients.contains { $0.clock == .off } }, apply: { $0.stampAll() })

  /// Nothing is set on the way, where a SYN is refused for that.
  static let set = Mutation(
    name: "set", applies: { $0.workload.contains(where: \.isSet) },
    apply: { $0.workload.removeAll(where: \.isSet) })

  /// Pinned sequence numbers lie on the other side.
  static let isn = Mutation(name: "isn", applies: { _ in true }, apply: { $0.flipSequences() })

  /// No port comes again: a NAT's range is wide and it keeps each client's own, and no step names one.
  static let ports = Mutation(
    name: "ports",
    applies: { !$0.network.natNodes.isEmpty || $0.workload.contains(where: \.fixesPort) },
    apply: { $0.widenPorts() })

  /// What a NAT holds until all are there comes one after the other.
  static let apart = Mutation(
    name: "apart", applies: \.holdsSYNs,
    apply: { $0.workload = $0.workload.flatMap(\.apart) })

  /// The server listens to nothing.
  static let listener = Mutation(
    name: "listener", applies: { _ in true }, apply: { $0.network.listening = false })

  /// The same, for such cases only.
  func `where`(_ applies: @escaping @Sendable (Case) -> Bool) -> Mutation {
    let own = self.applies
    return Mutation(name: name, applies: { own($0) && applies($0) }, apply: apply)
  }

  /// A setting that causes it is what every node has unless a file says otherwise, wherever the case says otherwise.
  static func baseline(_ setting: String) -> Mutation {
    Mutation(
      name: setting,
      applies: { test in
        // What says no other than the baseline is the same world.
        let baseline = Setting.named(setting)?.baseline
        return test.settings.values.contains { $0[setting].map { $0 != baseline } == true }
          || test.workload.contains { $0.isSet(setting) }
      },
      apply: { test in
        for node in test.settings.keys { test.settings[node]?[setting] = Setting.named(setting)?.baseline }
        test.workload.removeAll { $0.isSet(setting) }
      })
  }
}

extension Case {
  fileprivate func mutant(_ change: String, _ apply: (inout Case) -> Void) -> Mutant {
    var test = self
    apply(&test)
    test.id += " ~ \(change)"
    return Mutant(change: change, test: test)
  }

  /// Whether clients' clocks differ, or come to differ.
  fileprivate var hasSkew: Bool {
    let differ = network.clients.contains { ![.off, .offset(milliseconds: 0)].contains($0.clock) }
    return differ || workload.contains(where: \.changesClock)
  }

  /// Whether no server has timestamps.
  fileprivate var isStampless: Bool {
    network.serverNames.allSatisfy { settings[$0]?["tcp_timestamps"] == "0" }
  }

  fileprivate mutating func stampAll() {
    for index in network.clients.indices where network.clients[index].clock == .off {
      network.clients[index].clock = .offset(milliseconds: 0)
      settings[network.clients[index].name, default: [:]]["tcp_timestamps"] = "2"
    }
  }

  fileprivate mutating func removeSkew() {
    for index in network.clients.indices {
      guard network.clients[index].clock != .off else { continue }
      network.clients[index].clock = .offset(milliseconds: 0)
      settings[network.clients[index].name, default: [:]]["tcp_timestamps"] = "2"
    }
    workload.removeAll(where: \.changesClock)
  }

  /// Clients get ranges of their own within the hop's: a random port out of thousands would come again once in
  /// some hundred runs. SNAT keeps a source port that is free (`nf_nat_l4proto_unique_tuple`).
  fileprivate mutating func widenPorts() {
    for index in network.hosts.indices {
      network.hosts[index].nat?.ports = 20000...59999
      network.hosts[index].nat?.random = .none
    }
    workload = workload.map(\.withoutPort)
    let width = 40000 / max(1, network.clients.count)
    for (index, client) in network.clients.enumerated() {
      let first = 20000 + index * width
      settings[client.name, default: [:]]["ip_local_port_range"] = "\(first) \(first + width - 1)"
    }
  }

  fileprivate mutating func flipSequences() {
    for index in network.clients.indices {
      switch network.clients[index].isn {
      case .ahead: network.clients[index].isn = .behind
      case .behind: network.clients[index].isn = .ahead
      case .natural: break
      }
    }
  }
}
