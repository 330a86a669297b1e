import Evidence
import Linux
import Model

extension Forge: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let testbed = workload.testbed
    guard let node = testbed.node(named: from), let flags = ForgedSegment.Flags(tcpdump: flags) else {
      throw workload.lacks("forge", from, "no node of that name, or no flags \(self.flags)")
    }
    guard let attempt = workload.recorder.attempts.last(where: { $0.label == like && $0.kind == .connect }),
      let ends = ends(of: attempt, from: node, in: workload)
    else { throw workload.lacks("forge", like, "no connection of that label has two ends that are known") }
    try workload.loop.drain()
    let (own, other) = (
      workload.recorder.courses.course(from: ends.source, to: ends.destination),
      workload.recorder.courses.course(from: ends.destination, to: ends.source)
    )
    guard let own else {
      throw workload.lacks("forge", like, "no segment from \(ends.source) to \(ends.destination) was seen")
    }
    func moved(_ number: UInt32, _ by: Int?) -> UInt32 { number &+ UInt32(truncatingIfNeeded: by ?? 0) }
    let ticks =
      (testbed.time.now - own.time) / (1_000_000_000 / Int64(max(1, testbed.kernel.timestampTicksPerSecond)))
    var segment = ForgedSegment(
      from: try ends.source.socketAddress(), to: try ends.destination.socketAddress(), flags,
      sequence: moved(own.next, sequence), acknowledgement: moved(other?.next ?? 0, acknowledgement),
      payload: [UInt8](repeating: UInt8(ascii: "f"), count: payload ?? 0))
    if isBare != true, let tsval = own.tsval {
      let stamp = moved(moved(tsval, Int(ticks)), timestamp)
      segment.timestamps = .init(
        value: unskewed(stamp, sentBy: node, testbed), echo: moved(other?.tsval ?? 0, echo))
    }
    do {
      try node.namespace.run { try RawSender(ipv6: workload.test.network.family == .ipv6).send(segment) }
    } catch { throw Failure(error, stage: "forge", object: from) }
    // What comes back comes at once, or is late by what the links are.
    try workload.awaitOrQuiet("what a forged segment is answered by", quiet: 20) { false }
  }

  /// The addresses of its end of the connection and of the other, as they are where the segment begins: before NAT on the
  /// client's own node, behind it anywhere else, and the other way round for the server's.
  private func ends(
    of attempt: Attempt, from node: Node, in workload: Workload
  ) -> (source: EndPoint, destination: EndPoint)? {
    let end = end ?? .client
    let server = workload.server(of: attempt.id)
    let near = attempt.local.flatMap { local in Self.pair(local, attempt.remote) }
    let far = server.flatMap { server in
      server.peers[attempt.id].flatMap { peer in server.locals[attempt.id].flatMap { Self.pair(peer, $0) } }
    }
    let isNear = end == .client ? node.name == attempt.client : node.name != attempt.server
    guard let pair = (isNear ? near : far) ?? near else { return nil }
    return end == .client ? (pair.0, pair.1) : (pair.1, pair.0)
  }

  private static func pair(_ one: String, _ other: String) -> (EndPoint, EndPoint)? {
    EndPoint(one).flatMap { one in EndPoint(other).map { (one, $0) } }
  }

  /// A client's clock is set on its link (``SkewedClocks``), where what is forged there passes too.
  private func unskewed(_ stamp: UInt32, sentBy node: Node, _ testbed: Testbed) -> UInt32 {
    guard testbed.clocks?.method == "tc-bpf",
      let change = testbed.clocks?.changes.last(where: { $0.client == node.name })
    else { return stamp }
    return stamp &- UInt32(truncatingIfNeeded: change.ticks)
  }
}
