import Evidence
import Judging
import Model

/// The packets of a case between its nodes, drawn as text from the capture alone.
///
///        ms  client       client    hop     server
///     4.849  late          |--SYN-->|--SYN-->|  seq 65536  TSval 4329221
///     4.902                |<--ACK--|<--ACK--|  seq 8 ack 7  TSval 871055325 TSecr 4929218
///
/// Sequence numbers count from the first that each side showed on the server's 4-tuple.
public struct Ladder {
  private struct Row {
    var time: Int64
    var client: String?
    var segment: Segment
    /// Where it was seen.
    var points: Set<Lanes.Point>
    /// Bound for the server.
    var outbound: Bool
    /// What was remarked on either of its packets.
    var remark: String?
  }

  private var rows: [Row]
  let lanes: Lanes
  /// Rows beyond the limit.
  let dropped: Int
  private let marks: Bool
  private let ticksPerSecond: Int
  /// The first sequence number that each side showed.
  private var bases: [Bool: UInt32]
  /// The first TSval that was bound for the server: whose, and when.
  private let reference: (client: String?, tsval: UInt32, time: Int64)?

  /// - Parameters:
  ///   - lanes: the links that are drawn.
  ///   - since: draw only packets from then on; numbers count from the first of all the same.
  ///   - ticksPerSecond: of TSvals; nil takes what was seen to be so, else 1000.
  ///   - clients: draw only these nodes' packets; nil draws all.
  ///   - limit: at most so many rows.
  ///   - remarks: on packets, by their index; with none the packets alone tell which SYN was not accepted.
  ///   - marks: whether they are to tell it, which takes what follows.
  public init(
    _ observation: Observation, lanes: Lanes, clients: Set<String>? = nil,
    limit: Int = 200,
    remarks: [Int: String] = [:], marks: Bool = true, since: Int64 = .min, ticksPerSecond: Int? = nil
  ) {
    self.lanes = lanes
    self.ticksPerSecond = max(1, ticksPerSecond ?? observation.clockReference?.ticksPerSecond ?? 1000)
    self.marks = marks && remarks.isEmpty
    var rows: [Row] = []
    /// Rows that only one side has seen so far, by what both sides see alike.
    var open: [Key: [Int]] = [:]
    for (number, packet) in observation.packets.enumerated() {
      guard let segment = Segment(packet) else { continue }
      guard let point = lanes.point(of: packet) else { continue }
      let outbound = lanes.isOutbound(packet, segment)
      let client = point.lane == 0 && point.side == 0 ? packet.node : nil
      let key = Key(segment, outbound: outbound)
      if let index = open[key]?.last(where: { !rows[$0].points.contains(point) }) {
        rows[index].points.insert(point)
        if rows[index].points == lanes.all { open[key]?.removeAll { $0 == index } }
        rows[index].client = rows[index].client ?? client
        rows[index].remark = rows[index].remark ?? remarks[number]
        continue
      }
      rows.append(
        Row(
          time: packet.time, client: client, segment: segment, points: [point], outbound: outbound,
          remark: remarks[number]))
      open[key, default: []].append(rows.count - 1)
    }
    if let clients { rows = rows.filter { row in row.client.map(clients.contains) ?? true } }
    reference = rows.first { $0.outbound && $0.segment.tsval != nil }
      .flatMap { row in row.segment.tsval.map { (row.client, $0, row.time) } }
    bases = [:]
    for row in rows where bases[row.outbound] == nil { bases[row.outbound] = row.segment.sequence }
    rows.removeAll { $0.time < since }
    dropped = max(0, rows.count - limit)
    self.rows = Array(rows.prefix(limit))
  }

  /// Whether the last packet has been seen on every link.
  var lastIsComplete: Bool { rows.last.map { $0.points == lanes.all } ?? true }

  /// How many lines its last packet takes.
  func lastLines(width: Int) -> Int {
    guard !rows.isEmpty else { return 0 }
    var before = self
    before.rows.removeLast()
    return lines(width: width).count - (before.rows.isEmpty ? 1 : before.lines(width: width).count)
  }

  /// The lines with a remark: when, who, what.
  public var remarked: [String] {
    guard let first = rows.first else { return [] }
    let width = max(6, rows.compactMap { $0.client?.count }.max() ?? 6)
    return rows.compactMap { row in
      guard let remark = row.remark, !remark.isEmpty else { return nil }
      return pad(fixed(milliseconds(from: first.time, to: row.time)), 10, right: true)
        + "  \(pad(row.client ?? "", width))  \(remark)"
    }
  }

  /// What NAT leaves alone.
  private struct Key: Hashable {
    var outbound: Bool
    var sequence: UInt32
    var acknowledgement: UInt32
    var flags: UInt8
    var payload: Int
    var tsval: UInt32?

    init(_ segment: Segment, outbound: Bool) {
      self.outbound = outbound
      sequence = segment.sequence
      acknowledgement = segment.acknowledgement
      flags = segment.flags.rawValue
      payload = segment.payload
      // tc rewrites a client's own view of TSecr only; TSval is what is on the wire on both links.
      tsval = segment.tsval
    }
  }

  /// One line per packet, the earliest first.
  public var lines: [String] { lines(width: .max) }

  /// The same in lines of at most so many characters: what has no room behind a packet's arrows goes below them.
  public func lines(width limit: Int) -> [String] {
    guard let first = rows.first else { return ["no packets"] }
    let width = max(6, rows.compactMap { $0.client?.count }.max() ?? 6)
    var lines = [
      pad("ms", 10, right: true) + "  " + pad("client", width) + "  "
        + heading
    ]
    for (index, row) in rows.enumerated() {
      let time = fixed(milliseconds(from: first.time, to: row.time))
      var line = pad(time, 10, right: true) + "  " + pad(row.client ?? "", width) + "  |"
      for lane in 0..<lanes.count {
        line += (isSeen(row, lane) ? arrow(row.segment, row.outbound) : pad("", 9)) + "|"
      }
      var parts = describe(row)
      if let mark = row.remark ?? (marks ? mark(index) : nil) { parts.append("<- " + mark) }
      lines += Self.fit(line, parts, limit)
    }
    if dropped > 0 { lines.append("... \(dropped) more packets") }
    return lines
  }

  /// A packet's arrows, and behind or below them what is said of it.
  private static func fit(_ line: String, _ parts: [String], _ limit: Int) -> [String] {
    // Where the arrows leave no room, below the client's name.
    let indent = String(repeating: " ", count: limit - line.count < 30 ? 12 : line.count + 2)
    var lines: [String] = []
    var line = line
    var isFresh = false
    for part in parts {
      let gap = isFresh ? "" : "  "
      if line.count + gap.count + part.count > limit {
        if !isFresh { lines.append(line) }
        let pieces = Columns.fit(indent + part, limit)
        lines += pieces.dropLast()
        line = pieces.last ?? indent
      } else {
        line += gap + part
      }
      isFresh = false
    }
    return lines + [line]
  }

  /// The names of the columns, each a little to the right of its line.
  private var heading: String {
    var text = ""
    for (index, name) in lanes.columns.enumerated() {
      let last = index == lanes.count
      let at = index == 0 ? 0 : last ? index * 10 + (index > 1 ? 1 : 0) : index * 10 + 2
      text = pad(text, at) + (last ? name : String(name.prefix(9)))
    }
    return text
  }

  private func isSeen(_ row: Row, _ lane: Int) -> Bool { row.points.contains { $0.lane == lane } }

  /// Whether it reached the last link, or came from there.
  private func isAtServer(_ row: Row) -> Bool {
    let side = lanes.all.filter { $0.lane == lanes.count - 1 }.map(\.side).max() ?? 0
    return row.points.contains(Lanes.Point(lane: lanes.count - 1, side: side))
  }

  /// A row per packet, as the page draws it: ms, client, a 0 or 1 for each lane, whether it was bound for the server,
  /// its name, its text, its remark.
  var cells: [[String]] {
    guard let first = rows.first else { return [] }
    return rows.map { row in
      [
        fixed(milliseconds(from: first.time, to: row.time)), row.client ?? "",
        (0..<lanes.count).map { isSeen(row, $0) ? "1" : "0" }.joined(), row.outbound ? "1" : "",
        name(row.segment), describe(row).joined(separator: "  "), row.remark ?? "",
      ]
    }
  }

  private func name(_ segment: Segment) -> String {
    let name = Self.names.filter { segment.flags.contains($0.flag) }.map(\.letter).joined(separator: "/")
    return name == "ACK" && segment.payload > 0 ? "DATA" : name
  }

  private func arrow(_ segment: Segment, _ outbound: Bool) -> String {
    let width = 9
    let name = name(segment)
    let body = String(repeating: "-", count: max(0, width - 2 - name.count) / 2) + name
    let line = body + String(repeating: "-", count: max(0, width - 1 - body.count))
    return outbound ? line + ">" : "<" + line
  }

  private static let names: [(flag: Segment.Flags, letter: String)] = [
    (.syn, "SYN"), (.fin, "FIN"), (.rst, "RST"), (.ack, "ACK"),
  ]

  private func describe(_ row: Row) -> [String] {
    let (segment, outbound) = (row.segment, row.outbound)
    let relative = { (value: UInt32, side: Bool) in
      String(Int32(bitPattern: value &- (bases[side] ?? 0)))
    }
    var text = "seq \(relative(segment.sequence, outbound))"
    if segment.flags.contains(.ack) { text += " ack \(relative(segment.acknowledgement, !outbound))" }
    if segment.payload > 0 { text += " len \(segment.payload)" }
    guard let tsval = segment.tsval else { return [text] }
    let tsecr = segment.tsecr ?? 0
    let (own, echo) = (
      outbound ? stamp(tsval, row) : "\(tsval)", outbound || tsecr == 0 ? "\(tsecr)" : stamp(tsecr, row)
    )
    // There is room for what is to be noticed: a SYN echoes nothing.
    return [text, "TSval \(own)" + (tsecr == 0 && own.hasSuffix("behind)") ? "" : " TSecr \(echo)")]
  }

  /// A client's timestamp. Of one that is behind the first client's it is said by how much, on its SYN; and where it lies
  /// in the upper half of its range, as it does where it has gone below 0, instead of the number, which would look ahead.
  private func stamp(_ value: UInt32, _ row: Row) -> String {
    guard let reference, let client = row.client, client != reference.client,
      !lanes.inMicroseconds.contains(client)
    else { return "\(value)" }
    let elapsed = milliseconds(from: reference.time, to: row.time) / 1000
    let ahead = Double(Int32(bitPattern: value &- reference.tsval)) / Double(ticksPerSecond) - elapsed
    let behind = (-ahead).rounded().saturated
    let isGiant = value >= 1 << 31
    guard behind >= 1, isGiant || row.segment.isSYN else { return "\(value)" }
    return isGiant ? "\(behind) s behind" : "\(value) (\(behind) s behind)"
  }

  /// What a reader should notice.
  private func mark(_ index: Int) -> String? {
    let row = rows[index]
    guard row.segment.isSYN else {
      // An ACK that answers a SYN without acknowledging it is TIME_WAIT's.
      if !row.outbound, row.segment.flags == .ack,
        let syn = rows[..<index].last(where: { $0.outbound && isAtServer($0) }),
        syn.segment.isSYN, row.segment.acknowledgement != syn.segment.sequence &+ 1
      {
        return "old ACK"
      }
      return nil
    }
    if lanes.count > 1, let seen = row.points.map(\.lane).max(), seen < lanes.count - 1 {
      let node = lanes.columns[seen + 1]
      return "never left \(node == Network.hop || node == Network.router ? "the " : "")\(node)"
    }
    func isCopy(_ other: Row) -> Bool {
      other.outbound && other.segment.isSYN && other.segment.sequence == row.segment.sequence
    }
    let again = rows[..<index].contains(where: isCopy)
    // What comes first decides: the SYN-ACK, or the next copy.
    let next = rows[(index + 1)...].first {
      isCopy($0)
        || !$0.outbound && $0.segment.isSYNACK && $0.segment.acknowledgement == row.segment.sequence &+ 1
    }
    if next?.segment.isSYNACK != true { return again ? "SYN again, not accepted" : "SYN not accepted" }
    return again ? "SYN again" : nil
  }
}

/// Text in a column.
func pad(_ text: String, _ width: Int, right: Bool = false) -> String {
  let space = String(repeating: " ", count: max(0, width - text.count))
  return right ? space + text : text + space
}

/// Milliseconds between two times in nanoseconds, whatever a file says they are.
func milliseconds(from earlier: Int64, to later: Int64) -> Double {
  let (difference, overflow) = later.subtractingReportingOverflow(earlier)
  return (overflow ? Double(later) - Double(earlier) : Double(difference)) / 1_000_000
}

/// With three decimals. A saved file may say anything: what is beyond all counting is the end of it, no number is 0.
func fixed(_ value: Double, decimals: Int = 3) -> String {
  let scale = (0..<decimals).reduce(1) { product, _ in product * 10 }
  let total = (value * Double(scale)).saturated
  guard decimals > 0 else { return "\(total)" }
  let fraction = String(total.magnitude % scale.magnitude)
  let zeros = String(repeating: "0", count: decimals - fraction.count)
  return "\(total < 0 ? "-" : "")\(total.magnitude / scale.magnitude).\(zeros)\(fraction)"
}
