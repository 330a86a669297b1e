import Evidence
import Model

/// What passed a case's interfaces, without what chance, time or another kernel's habits decide: ports, sequence numbers and
/// timestamps that are drawn. What is left is the same on two kernels that do the same.
struct PacketStory {
  /// One packet of a connection at an interface.
  private struct Step: Equatable {
    var outgoing: Bool
    var flags: UInt8
    /// From what its side began this connection with; nil where it belongs to another.
    var sequence: Int?
    var acknowledgement: Int?
    var payload: Int
    var hasTimestamp: Bool
  }

  /// A connection at an interface: of those that were seen there the how manieth.
  private struct Course: Hashable, Comparable {
    var place: String
    var number: Int

    static func < (left: Course, right: Course) -> Bool {
      (left.place, left.number) < (right.place, right.number)
    }
  }

  private struct Connection: Hashable {
    var place: String
    /// Both ends, the lower first.
    var ends: [String]
  }

  private var courses: [Course: [(step: Step, time: Int64)]] = [:]
  private var began: Int64 = 0

  /// Numbers that are further away are another connection's.
  private static let far = 1 << 20

  init(_ observation: Observation) {
    began = observation.packets.first?.time ?? 0
    var numbers: [Connection: Int] = [:]
    var counts: [String: Int] = [:]
    /// What each end began with.
    var bases: [Connection: [String: UInt32]] = [:]
    for packet in observation.packets {
      guard let segment = Segment(packet) else { continue }
      let place = "\(packet.node) \(packet.interface)"
      let source = "\(segment.source) \(segment.sourcePort)"
      let destination = "\(segment.destination) \(segment.destinationPort)"
      let connection = Connection(place: place, ends: [source, destination].sorted())
      if numbers[connection] == nil {
        numbers[connection] = counts[place, default: 0]
        counts[place, default: 0] += 1
      }
      if segment.flags.contains(.syn) || bases[connection]?[source] == nil {
        bases[connection, default: [:]][source] = segment.sequence
      }
      func distance(_ number: UInt32, of end: String) -> Int? {
        guard let base = bases[connection]?[end] else { return nil }
        let distance = Int(Int32(bitPattern: number &- base))
        return abs(distance) > Self.far ? nil : distance
      }
      let step = Step(
        outgoing: packet.outgoing, flags: segment.flags.rawValue,
        sequence: distance(segment.sequence, of: source),
        acknowledgement: segment.flags.contains(.ack)
          ? distance(segment.acknowledgement, of: destination) : nil,
        payload: segment.payload, hasTimestamp: segment.tsval != nil)
      courses[Course(place: place, number: numbers[connection] ?? 0), default: []].append(
        (step, packet.time))
    }
  }

  /// Where two stories of one case part first, in words; nil where they do not.
  static func firstDifference(
    _ left: (name: String, seen: Observation), _ right: (name: String, seen: Observation)
  )
    -> String?
  {
    let sides = [(left.name, PacketStory(left.seen)), (right.name, PacketStory(right.seen))]
    var first: (after: Int64, words: String)?
    for course in Set(sides.flatMap(\.1.courses.keys)).sorted() {
      let own = sides.map { $0.1.courses[course] ?? [] }
      let count = zip(own[0], own[1]).prefix { $0.step == $1.step }.count
      guard count < own.map(\.count).max() ?? 0 else { continue }
      let after =
        zip(sides, own).compactMap { side, steps in
          steps.dropFirst(count).first.map { $0.time - side.1.began }
        }.min() ?? 0
      if let first, first.after <= after { continue }
      let words = zip(sides, own).map { side, steps in
        let name = side.0
        guard let one = steps.dropFirst(count).first else { return "nothing more on \(name)" }
        let time = fixed(Double(one.time - side.1.began) / 1_000_000)
        return "on \(name) it \(one.step.outgoing ? "sends" : "gets") \(text(one.step)) at \(time) ms"
      }
      first = (
        after,
        "\(course.place), connection \(course.number + 1), packet \(count + 1): "
          + words.joined(separator: "; ")
      )
    }
    return first?.words
  }

  private static func text(_ step: Step) -> String {
    let flags = Segment.Flags(rawValue: step.flags)
    let names = [("SYN", Segment.Flags.syn), ("FIN", .fin), ("RST", .rst), ("ACK", .ack)]
      .filter { flags.contains($0.1) }.map(\.0).joined(separator: "/")
    var words = [names.isEmpty ? "no flag" : names]
    words.append("seq \(step.sequence.map(String.init) ?? "of another connection")")
    if flags.contains(.ack) {
      words.append("ack \(step.acknowledgement.map(String.init) ?? "of another connection")")
    }
    if step.payload > 0 { words.append("len \(step.payload)") }
    if !step.hasTimestamp { words.append("no timestamp") }
    return words.joined(separator: " ")
  }
}

extension FirstDifference {
  /// Where what two kernels did in one case parts first, whatever chance drew on either: `server eth0, connection 2, packet
  /// 3: on debian-11 it sends SYN/ACK ...; on debian-12 ...`; nil where every connection has the same packets.
  public static func between(
    kernels left: (name: String, seen: Observation), _ right: (name: String, seen: Observation)
  ) -> String? { PacketStory.firstDifference(left, right) }
}
