#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What `tcpdump` and `nstat` saw of a case, to be held against what the lab saw.
public struct SecondReading: Codable, Sendable {
  /// One capture of one direction of one link.
  public struct Capture: Codable, Sendable {
    public var node: String
    public var interface: String
    public var outgoing: Bool
    /// What `tcpdump --time-stamp-precision=nano -w -` wrote.
    public var pcap: Data

    /// Makes a capture.
    public init(node: String, interface: String, outgoing: Bool, pcap: Data) {
      self.node = node
      self.interface = interface
      self.outgoing = outgoing
      self.pcap = pcap
    }
  }

  public var captures: [Capture]
  /// Node to what `nstat -asz` printed, before the workload.
  public var before: [String: String]
  /// And after it.
  public var after: [String: String]
  /// By which tcpdump stamped its packets.
  public var clock: WallClock
  /// What was captured later is left out: the case's time at which the reading was over.
  public var until: Int64

  /// Makes a reading.
  public init(
    captures: [Capture], before: [String: String], after: [String: String], clock: WallClock = WallClock(),
    until: Int64 = .max
  ) {
    self.captures = captures
    self.before = before
    self.after = after
    self.clock = clock
    self.until = until
  }

  /// An observation with these packets and counters in place of the lab's own. What `nstat` does not know
  /// (conntrack's counters and the rules') stays.
  public func replacing(in observation: Observation) -> Observation {
    var second = observation
    second.packets = captures.flatMap(bothWays).filter { $0.time <= until }.sorted { $0.time < $1.time }
    for (node, text) in before {
      second.countersBefore[node] = merge(text, into: observation.countersBefore[node])
    }
    for (node, text) in after {
      second.countersAfter[node] = merge(text, into: observation.countersAfter[node])
    }
    return second
  }

  /// libpcap shows what passes `lo` once, as coming in (`linux_check_direction`, pcap-linux.c): it has left there too.
  private func bothWays(_ capture: Capture) -> [Packet] {
    let packets = packets(capture)
    guard capture.interface == "lo" else { return packets }
    guard !capture.outgoing else { return [] }
    return packets.flatMap { packet in
      var sent = packet
      sent.outgoing = true
      return [sent, packet]
    }
  }

  /// pcap (pcap-savefile(5)) with nanoseconds, of this machine's byte order.
  private func packets(_ capture: Capture) -> [Packet] {
    let bytes = [UInt8](capture.pcap)
    func number(_ at: Int) -> Int { (0..<4).reversed().reduce(0) { $0 << 8 | Int(bytes[at + $1]) } }
    guard bytes.count >= 24, number(0) == 0xa1b2_3c4d else { return [] }
    var packets: [Packet] = []
    var at = 24
    while at + 16 <= bytes.count {
      let (length, wire) = (number(at + 8), number(at + 12))
      guard at + 16 + length <= bytes.count else { break }
      packets.append(
        Packet(
          node: capture.node, interface: capture.interface,
          time: clock.time(wall: Int64(number(at)) * 1_000_000_000 + Int64(number(at + 4))),
          outgoing: capture.outgoing,
          length: wire,
          bytes: Data(bytes[at + 16..<at + 16 + length])))
      at += 16 + length
    }
    return packets
  }

  /// `TcpExtPAWSEstab  2  0.0` is `TcpExt.PAWSEstab`.
  private func merge(_ text: String, into own: [String: Int]?) -> [String: Int] {
    let groups = ["TcpExt", "Tcp", "Ip6", "Ip"]
    var counters = (own ?? [:]).filter { name, _ in !groups.contains { name.hasPrefix("\($0).") } }
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ", omittingEmptySubsequences: true)
      guard words.count >= 2, let value = Int(words[1]), value != 0,
        let group = groups.first(where: { words[0].hasPrefix($0) })
      else { continue }
      counters["\(group).\(words[0].dropFirst(group.count))"] = value
    }
    return counters
  }
}
