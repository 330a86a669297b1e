/// Which packets of a capture are kept, and those that were.
struct Watch {
  /// Connections by both their ends; nil keeps those of all.
  var ends: [(client: Endpoint, server: Endpoint)]?
  /// Nanoseconds since 1970.
  var times: ClosedRange<Int64>
  private(set) var segments: [Sighting] = []

  /// Packets of one attempt and what followed; nobody reads more.
  static let most = 4_000

  init(ends: [(client: Endpoint, server: Endpoint)]?, times: ClosedRange<Int64>) {
    (self.ends, self.times) = (ends, times)
  }

  mutating func add(_ segment: Sighting) {
    guard times.contains(segment.time), segments.count < Self.most else { return }
    if let ends {
      let isOne = ends.contains {
        ($0.client == segment.source && $0.server == segment.destination)
          || ($0.client == segment.destination && $0.server == segment.source)
      }
      guard isOne else { return }
    }
    segments.append(segment)
  }
}
