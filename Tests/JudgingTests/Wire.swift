import Evidence
import Foundation
import Model

/// Writes packets by hand: IPv4 between a client behind a one-port NAT and the server.
struct Wire {
  var observation = Observation(caseID: "made/by=hand")
  private(set) var time: Int64 = 1_000_000_000

  mutating func wait(milliseconds: Int) { time += Int64(milliseconds) * 1_000_000 }

  /// One segment as seen on `node`'s link.
  mutating func segment(
    on node: String, outgoing: Bool, from: (String, Int), to: (String, Int), seq: UInt32, ack: UInt32 = 0,
    flags: Segment.Flags, ts: (UInt32, UInt32)? = nil, payload: Int = 0
  ) {
    var tcp: [UInt8] = be16(from.1) + be16(to.1) + be32(seq) + be32(ack)
    let options: [UInt8] = ts.map { [1, 1, 8, 10] + be32($0.0) + be32($0.1) } ?? []
    tcp += [UInt8((20 + options.count) / 4) << 4, flags.rawValue] + be16(65535) + [0, 0, 0, 0] + options
    let length = 20 + tcp.count + payload
    let ip: [UInt8] =
      [0x45, 0] + be16(length) + [0, 0, 0, 0, 64, 6, 0, 0] + address(from.0) + address(to.0)
    let bytes = [UInt8](repeating: 0, count: 12) + [8, 0] + ip + tcp
    time += 10_000
    observation.packets.append(
      Packet(
        node: node, interface: "eth0", time: time, outgoing: outgoing, length: bytes.count + payload,
        bytes: Data(bytes)))
  }

  /// A connection that the server closes first, on both links; returns the client's FIN sequence number.
  mutating func served(
    attempt id: Int, client: String, isn: UInt32, tsval: UInt32?, label: String? = nil
  ) -> UInt32 {
    let began = time
    let ts: (UInt32, UInt32)? = tsval.map { ($0, 7) }
    syn(client, isn: isn, tsval: tsval)
    both(client, fromServer: true, seq: 900, ack: isn &+ 1, flags: [.syn, .ack], ts: ts.map { ($0.1, $0.0) })
    both(client, fromServer: false, seq: isn &+ 1, ack: 901, flags: [.ack], ts: ts)
    both(client, fromServer: true, seq: 901, ack: isn &+ 1, flags: [.fin, .ack], ts: ts.map { ($0.1, $0.0) })
    both(client, fromServer: false, seq: isn &+ 1, ack: 902, flags: [.fin, .ack], ts: ts)
    both(client, fromServer: true, seq: 902, ack: isn &+ 2, flags: [.ack], ts: ts.map { ($0.1, $0.0) })
    finish(id, client, label ?? client, isn: isn, began: began, errno: nil)
    return isn &+ 1
  }

  mutating func syn(_ client: String, isn: UInt32, tsval: UInt32?) {
    both(client, fromServer: false, seq: isn, flags: [.syn], ts: tsval.map { ($0, 0) })
  }

  /// A segment seen on the client's link and on the server's, in the order in which it travels.
  mutating func both(
    _ client: String, fromServer: Bool, seq: UInt32, ack: UInt32 = 0, flags: Segment.Flags,
    ts: (UInt32, UInt32)? = nil
  ) {
    let inside = (address: "198.18.0.2", port: port(client)), outside = ("198.19.0.1", 40000)
    let server = ("198.19.0.2", 8000)
    if fromServer {
      segment(
        on: "server", outgoing: true, from: server, to: outside, seq: seq, ack: ack, flags: flags, ts: ts)
      segment(on: client, outgoing: false, from: server, to: inside, seq: seq, ack: ack, flags: flags, ts: ts)
    } else {
      segment(on: client, outgoing: true, from: inside, to: server, seq: seq, ack: ack, flags: flags, ts: ts)
      segment(
        on: "server", outgoing: false, from: outside, to: server, seq: seq, ack: ack, flags: flags, ts: ts)
    }
  }

  mutating func finish(
    _ id: Int, _ client: String, _ label: String, isn: UInt32?, began: Int64, errno: String?
  ) {
    observation.attempts.append(
      Attempt(
        id: id, step: id, label: label, kind: .connect, client: client, local: "198.18.0.2:\(port(client))",
        remote: "198.19.0.2:8000", isn: isn, began: began, ended: time, calls: 1, errno: errno))
  }

  func port(_ client: String) -> Int { 50000 + Int(client.utf8.reduce(0) { $0 + Int($1) }) }

  private func be16(_ value: Int) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
  private func be32(_ value: UInt32) -> [UInt8] { be16(Int(value >> 16)) + be16(Int(value & 0xffff)) }
  private func address(_ text: String) -> [UInt8] { text.split(separator: ".").compactMap { UInt8($0) } }
}

extension Kernel {
  /// A current kernel with everything.
  static func current(without: Set<Capability> = []) -> Kernel {
    let counters = KnownCounters.ofKernels.filter { $0.hasPrefix("TcpExt.") }
    let all =
      Capability.Feature.allCases.map(Capability.feature) + counters.map { .counter($0) }
      + Setting.all.filter { $0.name != "tcp_tw_recycle" }.map { .setting($0.name) }
    return Kernel(
      release: "6.18.0", machine: "x86_64",
      // What only old kernels do is none of this one's.
      capabilities: Set(all).subtracting(without).subtracting([
        .feature(.reopeningInvalid), .feature(.neighboursInvalid),
      ]),
      perKernelSettings: [], timestampTicksPerSecond: 1000, privilege: .root, missing: [:])
  }
}

extension Wire {
  /// A connection that is answered and stays as it is: ESTABLISHED at both ends.
  mutating func opened(
    attempt id: Int, client: String, isn: UInt32, tsval: UInt32?, server: String? = "server"
  ) {
    let began = time
    let ts: (UInt32, UInt32)? = tsval.map { ($0, 7) }
    syn(client, isn: isn, tsval: tsval)
    both(client, fromServer: true, seq: 900, ack: isn &+ 1, flags: [.syn, .ack], ts: ts.map { ($0.1, $0.0) })
    both(client, fromServer: false, seq: isn &+ 1, ack: 901, flags: [.ack], ts: ts)
    finish(id, client, client, isn: isn, began: began, errno: nil)
    observation.attempts[observation.attempts.count - 1].server = server
  }

  /// late's SYN is answered by an ACK of the connection before, its RST follows, and if that ends the old socket, the
  /// next SYN is answered.
  mutating func challenged(
    _ id: Int = 1, isn: UInt32, tsval: UInt32?, seq: UInt32, ack: UInt32, recovers: Bool = true
  ) {
    let began = time
    syn("late", isn: isn, tsval: tsval)
    both("late", fromServer: true, seq: seq, ack: ack, flags: [.ack], ts: tsval.map { ($0, 1) })
    both("late", fromServer: false, seq: ack, flags: [.rst])
    wait(milliseconds: 10)
    syn("late", isn: isn, tsval: tsval.map { $0 &+ 10 })
    if recovers {
      both(
        "late", fromServer: true, seq: 5000, ack: isn &+ 1, flags: [.syn, .ack], ts: tsval.map { (9, $0) })
      both(
        "late", fromServer: false, seq: isn &+ 1, ack: 5001, flags: [.ack], ts: tsval.map { ($0 &+ 10, 9) })
    }
    finish(id, "late", "late", isn: isn, began: began, errno: recovers ? nil : "ETIMEDOUT")
    observation.attempts[observation.attempts.count - 1].server = recovers ? "server" : nil
  }

  mutating func moved(_ node: String, _ counters: [String: Int]) {
    observation.countersAfter[node, default: [:]].merge(counters) { $0 + $1 }
  }
}

extension Wire {
  /// An ICMP error about a segment, as it comes to a node.
  mutating func error(
    on node: String, type: UInt8, code: UInt8, from: String, about source: (String, Int),
    to destination: (String, Int),
    seq: UInt32
  ) {
    segment(on: node, outgoing: false, from: source, to: destination, seq: seq, flags: [.syn])
    let inner = [UInt8](observation.packets.removeLast().bytes.dropFirst(14))
    let addresses = (from + "." + source.0).split(separator: ".").compactMap { UInt8($0) }
    let ip: [UInt8] = [0x45, 0, 0, UInt8(28 + inner.count), 0, 0, 0, 0, 64, 1, 0, 0] + addresses
    let bytes = [UInt8](repeating: 0, count: 12) + [8, 0] + ip + [type, code, 0, 0, 0, 0, 0, 0] + inner
    observation.packets.append(
      Packet(
        node: node, interface: "eth0", time: time, outgoing: false, length: bytes.count, bytes: Data(bytes)))
  }
}

extension Wire {
  /// Gives the segment before last, which is the server's own view of what passed last, an option of four bytes.
  mutating func addOption(_ option: [UInt8]) {
    var bytes = [UInt8](observation.packets[observation.packets.count - 2].bytes)
    bytes[14 + 3] += 4
    bytes[14 + 20 + 12] += 1 << 4
    observation.packets[observation.packets.count - 2].bytes = Data(bytes + option)
  }
}
