import Evidence
import Foundation

/// The first thing in which two observations of one case are not the same: a packet, else whatever else was written down.
public enum FirstDifference {
  /// In words; nil where everything is the same.
  public static func between(_ then: Observation, _ now: Observation) throws -> String? {
    let first = then.packets.first?.time ?? now.packets.first?.time ?? 0
    for (index, pair) in zip(then.packets, now.packets).enumerated() where pair.0 != pair.1 {
      return "packet \(index + 1): then \(words(pair.0, from: first)), now \(words(pair.1, from: first))"
        + (pair.0.bytes != pair.1.bytes && words(pair.0, from: first) == words(pair.1, from: first)
          ? ", and other bytes at \(place(pair.0.bytes, pair.1.bytes))" : "")
    }
    if then.packets.count != now.packets.count {
      let (longer, word) =
        then.packets.count > now.packets.count ? (then.packets, "then") : (now.packets, "now")
      let index = min(then.packets.count, now.packets.count)
      return "packet \(index + 1): only \(word), \(words(longer[index], from: first))"
    }
    let encoder = JSONEncoder()
    func object(_ observation: Observation) throws -> Any {
      try JSONSerialization.jsonObject(with: try encoder.encode(observation))
    }
    return difference(try object(then), try object(now), at: "")
  }

  /// The first byte that differs, from 0.
  private static func place(_ one: Data, _ other: Data) -> Int {
    zip(one, other).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(one.count, other.count)
  }

  /// `client eth0 > +0.012345678 s 198.18.0.2:40000 > 198.19.0.1:80 SYN seq 1 ...`
  private static func words(_ packet: Packet, from first: Int64) -> String {
    let nanoseconds = packet.time - first
    let fraction = String(nanoseconds.magnitude % 1_000_000_000)
    let time =
      "\(nanoseconds < 0 ? "-" : "+")\(nanoseconds.magnitude / 1_000_000_000)."
      + String(repeating: "0", count: 9 - fraction.count) + fraction
    let place = "\(packet.node) \(packet.interface) \(packet.outgoing ? "sent" : "got") at \(time) s"
    guard let segment = Segment(packet) else { return "\(place), \(packet.length) bytes" }
    let flags = [("SYN", Segment.Flags.syn), ("FIN", .fin), ("RST", .rst), ("PSH", .psh), ("ACK", .ack)]
      .filter { segment.flags.contains($0.1) }.map(\.0).joined(separator: ",")
    return
      "\(place), \(segment.source):\(segment.sourcePort) > \(segment.destination):\(segment.destinationPort) "
      + "\(flags) seq \(segment.sequence) ack \(segment.acknowledgement)"
      + (segment.tsval.map { " TSval \($0)" } ?? "")
  }

  /// Walks both in the order of their keys.
  private static func difference(_ then: Any, _ now: Any, at path: String) -> String? {
    func words(_ value: Any?) -> String { value.map { String("\($0)".prefix(120)) } ?? "nothing" }
    switch (then, now) {
    case (let then as [String: Any], let now as [String: Any]):
      for key in Set(then.keys).union(now.keys).sorted() {
        let own = path.isEmpty ? key : "\(path).\(key)"
        guard let one = then[key], let other = now[key] else {
          return "\(own): then \(words(then[key])), now \(words(now[key]))"
        }
        if let found = difference(one, other, at: own) { return found }
      }
      return nil
    case (let then as [Any], let now as [Any]):
      for (index, pair) in zip(then, now).enumerated() {
        if let found = difference(pair.0, pair.1, at: "\(path)[\(index)]") { return found }
      }
      return then.count == now.count ? nil : "\(path): then \(then.count), now \(now.count)"
    default:
      guard let one = then as? NSObject, let other = now as? NSObject, one == other else {
        return "\(path): then \(words(then)), now \(words(now))"
      }
      return nil
    }
  }
}
