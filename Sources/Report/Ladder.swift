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
    var left: Bool
    var right: Bool
    /// Bound for the server.
    var outbound: Bool
    /// What was remarked on either of its packets.
    var remark: String?
  }

  private let rows: [Row]
  let hop: Bool
  private let around: Bool
  /// Rows beyond the limit.
  let dropped: Int
  private let marks: Bool

  /// - Parameters:
  ///   - around: whether answers go round the hop (direct routing): they are drawn past it.
  ///   - clients: draw only these nodes' packets; nil draws all.
  ///   - limit: at most so many rows.
  ///   - remarks: on packets, by their index; with none the packets alone tell which SYN was not accepted.
  ///   - marks: whether they are to tell it, which takes what follows.
  public init(
    _ observation: Observation, hop: Bool, around: Bool = false, clients: Set<String>? = nil,
    limit: Int = 200,
    remarks: [Int: String] = [:], marks: Bool = true
  ) {
    self.hop = hop
    self.around = hop && around
    self.marks = marks && remarks.isEmpty
    var rows: [Row] = []
    /// Rows that only one side has seen so far, by what both sides see alike.
    var open: [Key: [Int]] = [:]
    for (number, packet) in observation.packets.enumerated() {
      guard let segment = Segment(packet) else { continue }
      let atServer = Network.isServer(packet.node)
      let outbound = atServer ? !segment.outgoing : segment.outgoing
      let key = Key(segment, outbound: outbound)
      if let index = open[key]?.last(where: { atServer ? !rows[$0].right : !rows[$0].left }) {
        open[key]?.removeAll { $0 == index }
        if atServer { rows[index].right = true } else { rows[index].left = true }
        if !atServer { rows[index].client = packet.node }
        rows[index].remark = rows[index].remark ?? remarks[number]
        continue
      }
      rows.append(
        Row(
          time: packet.time, client: atServer ? nil : packet.node, segment: segment, left: !atServer,
          right: atServer, outbound: outbound, remark: remarks[number]))
      open[key, default: []].append(rows.count - 1)
    }
    if let clients { rows = rows.filter { row in row.client.map(clients.contains) ?? true } }
    dropped = max(0, rows.count - limit)
    self.rows = Array(rows.prefix(limit))
  }

  /// Whether both ends have seen the last packet.
  var lastIsComplete: Bool { rows.last.map { $0.left && $0.right } ?? true }

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
  public var lines: [String] {
    guard let first = rows.first else { return ["no packets"] }
    let width = max(6, rows.compactMap { $0.client?.count }.max() ?? 6)
    var lines = [
      pad("ms", 10, right: true) + "  " + pad("client", width) + "  "
        + (hop ? "client      hop      server" : "client    server")
    ]
    let bases = bases
    for (index, row) in rows.enumerated() {
      let time = fixed(milliseconds(from: first.time, to: row.time))
      let leg = { (seen: Bool) in seen ? arrow(row.segment, row.outbound) : pad("", 9) }
      var line = pad(time, 10, right: true) + "  " + pad(row.client ?? "", width) + "  |"
      if around, !row.outbound {
        line += past(row) + "|"
      } else {
        line += hop ? leg(row.left) + "|" + leg(row.right) + "|" : leg(row.left || row.right) + "|"
      }
      line += "  " + describe(row.segment, row.outbound, bases)
      if let mark = row.remark ?? (marks ? mark(index) : nil) { line += "  <- " + mark }
      lines.append(line)
    }
    if dropped > 0 { lines.append("... \(dropped) more packets") }
    return lines
  }

  /// A row per packet, as the page draws it: ms, client, whether it was seen on the left and on the right, whether it
  /// was bound for the server, its name, its text, its remark, whether it went round the hop.
  var cells: [[String]] {
    guard let first = rows.first else { return [] }
    let bases = bases
    return rows.map { row in
      [
        fixed(milliseconds(from: first.time, to: row.time)), row.client ?? "", row.left ? "1" : "",
        row.right ? "1" : "", row.outbound ? "1" : "", name(row.segment),
        describe(row.segment, row.outbound, bases), row.remark ?? "", around && !row.outbound ? "1" : "",
      ]
    }
  }

  /// The first sequence number that each side showed.
  private var bases: [Bool: UInt32] {
    var bases: [Bool: UInt32] = [:]
    for row in rows where bases[row.outbound] == nil { bases[row.outbound] = row.segment.sequence }
    return bases
  }

  private func name(_ segment: Segment) -> String {
    let name = Self.names.filter { segment.flags.contains($0.flag) }.map(\.letter).joined(separator: "/")
    return name == "ACK" && segment.payload > 0 ? "DATA" : name
  }

  /// Two legs and the hop between them as one: as far as the packet was seen.
  private func past(_ row: Row) -> String {
    if row.left, row.right { return arrow(row.segment, row.outbound, width: 19) }
    let leg = arrow(row.segment, row.outbound)
    return row.left ? pad(leg, 19) : pad(leg, 19, right: true)
  }

  private func arrow(_ segment: Segment, _ outbound: Bool, width: Int = 9) -> String {
    let name = name(segment)
    let body = String(repeating: "-", count: max(0, width - 2 - name.count) / 2) + name
    let line = body + String(repeating: "-", count: max(0, width - 1 - body.count))
    return outbound ? line + ">" : "<" + line
  }

  private static let names: [(flag: Segment.Flags, letter: String)] = [
    (.syn, "SYN"), (.fin, "FIN"), (.rst, "RST"), (.ack, "ACK"),
  ]

  private func describe(_ segment: Segment, _ outbound: Bool, _ bases: [Bool: UInt32]) -> String {
    let relative = { (value: UInt32, side: Bool) in
      String(Int32(bitPattern: value &- (bases[side] ?? 0)))
    }
    var text = "seq \(relative(segment.sequence, outbound))"
    if segment.flags.contains(.ack) { text += " ack \(relative(segment.acknowledgement, !outbound))" }
    if segment.payload > 0 { text += " len \(segment.payload)" }
    if let tsval = segment.tsval { text += "  TSval \(tsval) TSecr \(segment.tsecr ?? 0)" }
    return text
  }

  /// What a reader should notice.
  private func mark(_ index: Int) -> String? {
    let row = rows[index]
    guard row.segment.isSYN else {
      // An ACK that answers a SYN without acknowledging it is TIME_WAIT's.
      if !row.outbound, row.segment.flags == .ack,
        let syn = rows[..<index].last(where: { $0.outbound && $0.right }),
        syn.segment.isSYN, row.segment.acknowledgement != syn.segment.sequence &+ 1
      {
        return "old ACK"
      }
      return nil
    }
    if hop, !row.right { return "never left the hop" }
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
  let fraction = String(total.magnitude % scale.magnitude)
  let zeros = String(repeating: "0", count: decimals - fraction.count)
  return "\(total < 0 ? "-" : "")\(total.magnitude / scale.magnitude).\(zeros)\(fraction)"
}
