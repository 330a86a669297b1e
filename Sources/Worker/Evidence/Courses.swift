import Evidence
import Linux

/// An address and a port, as texts.
struct EndPoint: Hashable, CustomStringConvertible {
  var address: String
  var port: Int

  init(_ address: String, _ port: Int) { (self.address, self.port) = (address, port) }

  /// Reads `198.18.0.2:40112` or `[2001:2::2]:40112`.
  init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else {
      return nil
    }
    let address = text[..<colon].drop { $0 == "[" }
    self.init(String(address.last == "]" ? address.dropLast() : address), port)
  }

  func socketAddress() throws -> SocketAddress { try SocketAddress(address, port: port) }

  var description: String { SocketAddress.text(address, port: port) }
}

/// Where connections stand, by their segments on the links that are captured.
struct Courses {
  /// One direction of a connection.
  struct Course {
    /// The sequence number behind everything that was sent.
    var next: UInt32
    /// The last TSval, and when that was sent.
    var tsval: UInt32?
    var time: Int64
  }

  /// A connection that a node has opened.
  struct Opening {
    var source: EndPoint
    var destination: EndPoint
    /// Nanoseconds since 1970: its first SYN, and the first answer to that.
    var began: Int64
    var ended: Int64?
    /// As `connect()` would have told; nil where a SYN-ACK came.
    var errno: String? = "ETIMEDOUT"
  }

  private struct Way: Hashable {
    var source: EndPoint
    var destination: EndPoint
  }

  private let follows: Bool
  private var courses: [Way: Course] = [:]
  private var node: String?
  private(set) var openings: [Opening] = []

  /// - Parameter follows: whether every connection is remembered.
  init(follows: Bool) { self.follows = follows }

  /// Whether segments are asked for.
  var isWatching: Bool { follows || node != nil }

  mutating func follow(_ node: String?) {
    self.node = node
    openings = []
  }

  /// One direction, by the addresses that a link has seen; nil where none has seen a segment of it.
  func course(from source: EndPoint, to destination: EndPoint) -> Course? {
    courses[Way(source: source, destination: destination)]
  }

  mutating func add(_ segment: Segment) {
    let way = Way(
      source: EndPoint(segment.source, segment.sourcePort),
      destination: EndPoint(segment.destination, segment.destinationPort))
    if follows { follow(segment, way) }
    if segment.node == node { open(segment, way) }
  }

  private mutating func follow(_ segment: Segment, _ way: Way) {
    // What answers no connection has a number that is nobody's.
    if segment.flags.contains(.rst) { return }
    let ends = (segment.flags.contains(.syn) ? 1 : 0) + (segment.flags.contains(.fin) ? 1 : 0)
    let next = segment.sequence &+ UInt32(segment.payload + ends)
    let known = courses[way]
    // A SYN begins anew; else what is behind was sent again.
    let isOlder =
      !segment.flags.contains(.syn) && known.map { Int32(bitPattern: next &- $0.next) < 0 } == true
    courses[way] = Course(
      next: isOlder ? known?.next ?? next : next, tsval: segment.tsval ?? known?.tsval, time: segment.time)
  }

  private mutating func open(_ segment: Segment, _ way: Way) {
    if segment.outgoing, segment.isSYN {
      let isKnown = openings.contains {
        $0.source == way.source && $0.destination == way.destination && $0.ended == nil
      }
      if !isKnown {
        openings.append(Opening(source: way.source, destination: way.destination, began: segment.time))
      }
    } else if !segment.outgoing, segment.isSYNACK || segment.flags.contains(.rst) {
      guard
        let index = openings.lastIndex(where: {
          $0.source == way.destination && $0.destination == way.source && $0.ended == nil
        })
      else { return }
      openings[index].ended = segment.time
      openings[index].errno = segment.isSYNACK ? nil : "ECONNREFUSED"
    }
  }
}
