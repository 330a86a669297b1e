/// How long at most the kernel tries, and so how long a step may take before the lab is broken. All in milliseconds,
/// all saturating: settings come from lab files.
public enum Deadlines {
  /// What a busy machine may add to anything that is waited for.
  public static let slack = 30_000
  /// For both ends of a step's connections to close.
  public static let settling = 10_000
  /// For a byte on an open connection to be acknowledged, or to be seen twice.
  public static let byte = 20_000
  /// What a connection that is answered takes, on a loaded machine.
  static let connection = 20

  /// From the first SYN to ETIMEDOUT: `tcp_write_timeout` and `tcp_retransmit_timer`, net/ipv4/tcp_timer.c.
  ///
  /// The timer starts at TCP_TIMEOUT_INIT, 1 s; after the first `linear` retransmissions (6.5) each one doubles it, up
  /// to TCP_RTO_MAX, 120 s. After `retries + linear` retransmissions it runs once more, and then the client gives up:
  /// 3 s for the lab's 1, 127 s for the kernel's 6.
  public static func synTimeout(retries: Int, linear: Int = 0) -> Int {
    let retries = min(max(retries, 0), maximumRetries)
    let linear = min(max(linear, 0), maximumRetries)
    var total = 0
    var timer = 1_000
    for expiry in 1...retries + linear + 1 {
      total += timer
      if expiry > linear { timer = min(timer * 2, 120_000) }
    }
    return total
  }

  /// MAX_TCP_SYNCNT, include/net/tcp.h: the kernel refuses more.
  public static let maximumRetries = 127
}

extension Case {
  /// The longest that a SYN of one of these groups' clients is tried for, by every value that `tcp_syn_retries` and
  /// `tcp_syn_linear_timeouts` ever have there.
  public func synTimeout(of groups: [String]) -> Int {
    let names = Set(network.clients.filter { groups.contains($0.group) }.map(\.name))
    func most(_ setting: String) -> Int {
      // A value that is no number is refused by the kernel before any SYN.
      var values = names.map { settings[$0]?[setting] ?? Setting.named(setting)?.baseline }
      for case .set(let node, setting, let value) in workload where names.contains(node) {
        values.append(value)
      }
      return values.compactMap { $0.flatMap { Int($0) } }.max() ?? 0
    }
    return Deadlines.synTimeout(
      retries: most("tcp_syn_retries"), linear: most("tcp_syn_linear_timeouts"))
  }

  /// The longest that one attempt of a step may take, from its first `connect()` or `send()` on; 0 where a step makes
  /// none. What has taken longer is broken.
  public func attemptLimit(ofStep index: Int) -> Int {
    guard workload.indices.contains(index) else { return 0 }
    return switch workload[index] {
    case .connect(let step): sum(Deadlines.slack, synTimeout(of: [step.client]), step.again)
    case .churn(let step): sum(Deadlines.slack, synTimeout(of: step.clients))
    case .send: Deadlines.byte
    case .flush, .set, .remove, .advance, .clock: 0
    }
  }

  /// The longest that a step may take in all.
  public func limit(ofStep index: Int) -> Int {
    guard workload.indices.contains(index) else { return 0 }
    let attempt = attemptLimit(ofStep: index)
    switch workload[index] {
    case .connect(let step):
      return product(step.times, sum(attempt, Deadlines.settling))
    case .send(let step):
      let opened = workload.prefix(index).reduce(0) { sum($0, opens($1, by: step.client)) }
      return product(max(1, opened), attempt)
    case .churn(let step):
      if step.flush != nil {
        let clients = network.clients.count { step.clients.contains($0.group) }
        return product(clients, product(step.connections, sum(attempt, Deadlines.settling)))
      }
      let pause = step.rate.map { 1000 / max(1, $0) + 1 } ?? 0
      let each = sum(synTimeout(of: step.clients), Deadlines.connection, pause)
      return sum(Deadlines.slack, product(step.connections, each), Deadlines.settling)
    case .flush, .set, .remove, .advance, .clock:
      return Deadlines.slack
    }
  }

  /// The limit of the step that may take longest.
  public var longestStep: Int { workload.indices.map(limit(ofStep:)).max() ?? 0 }

  /// The longest that a worker which is well may say nothing while its workload runs: it tells each attempt when it
  /// ends, each step when it begins.
  public var longestSilence: Int {
    sum(workload.indices.map(attemptLimit(ofStep:)).max() ?? 0, Deadlines.settling, Deadlines.slack)
  }

  /// The longest that the whole workload may take.
  public var longestWorkload: Int { workload.indices.reduce(0) { sum($0, limit(ofStep: $1)) } }

  /// How many connections a step leaves open for a group.
  private func opens(_ step: Step, by group: String) -> Int {
    let members = network.clients.count { $0.group == group }
    return switch step {
    case .connect(let step) where step.client == group && step.closes == .nobody:
      product(max(members, network.serverPorts), step.times)
    case .churn(let step) where step.clients.contains(group) && step.closes == .nobody:
      product(members, step.connections)
    default: 0
    }
  }
}

private func sum(_ numbers: Int...) -> Int { numbers.reduce(0) { $0.adding($1) } }

private func product(_ a: Int, _ b: Int) -> Int { a.multiplied(by: b) }
