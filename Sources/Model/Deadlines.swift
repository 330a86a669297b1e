/// How long at most the kernel tries, and so how long a step may take before the lab is broken. All in milliseconds,
/// all saturating: settings come from lab files.
public enum Deadlines {
  /// What a busy machine may add to anything that is waited for.
  public static let slack = 30_000
  /// For both ends of a step's connections to close.
  public static let settling = 10_000
  /// For a byte on an open connection to be acknowledged, or to be seen twice.
  public static let byte = 20_000
  /// What anybody waits for by the way: a SYN that is given up after longer makes its case a slow one.
  static let patience = 30_000
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
      for write in workload.compactMap(\.action.writes)
      where write.setting == setting && names.contains(write.node) {
        values.append(write.value)
      }
      return values.compactMap { $0.flatMap { Int($0) } }.max() ?? 0
    }
    return Deadlines.synTimeout(
      retries: most("tcp_syn_retries"), linear: most("tcp_syn_linear_timeouts"))
  }

  /// The longest that one attempt of a step may take, from its first `connect()` or `send()` on; 0 where a step makes
  /// none. What has taken longer is broken.
  public func attemptLimit(ofStep index: Int) -> Int {
    workload.indices.contains(index) ? workload[index].action.limits(in: self, at: index).attempt : 0
  }

  /// The longest that a step may take in all.
  public func limit(ofStep index: Int) -> Int {
    workload.indices.contains(index) ? workload[index].action.limits(in: self, at: index).whole : 0
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

  /// How many connections the steps before one leave open, by a group or a label; nil for all.
  func opened(before index: Int, by name: String?) -> Int {
    workload.prefix(max(0, index)).reduce(0) { sum, step in
      let opens = step.action.size(in: self).opens
      guard let name, step.label != name else { return opens.values.reduce(sum) { $0.adding($1) } }
      return sum.adding(opens[name] ?? 0)
    }
  }

  /// What is wrong with the name of a group or label whose connections are to be open; nil where all is well.
  func unknownOpener(_ name: String?) -> StepMistake? {
    if opened(before: workload.count, by: name) > 0 { return nil }
    return StepMistake(
      "\(name ?? "nobody") has no open connection; connect with closes: nobody", at: name.map { _ in "on" })
  }

  /// What is wrong with the name of a node or link whose packets a step would touch; nil where all is well.
  func linkMistake(_ name: String, at verb: String) -> StepMistake? {
    let nodes = network.members(of: name)
    let isThere = network.links.contains { link in
      link.name == name || link.ends.contains { nodes.contains($0.host) }
    }
    return isThere ? nil : StepMistake("\(name) is no link, and no node with one", at: verb)
  }

  /// How many clients these groups have together.
  func members(of groups: [String]) -> Int { network.clients.count { groups.contains($0.group) } }
}

private func sum(_ numbers: Int...) -> Int { numbers.reduce(0) { $0.adding($1) } }
