import Model

/// Packets out of a capture file of any program, however its bytes are cut into pieces: pcap of either byte order with
/// micro- or nanoseconds (pcap-savefile(5)), pcapng (draft-ietf-opsawg-pcapng) with as many sections and interfaces as
/// there are. Nothing is kept of what has been told.
struct CaptureReader {
  /// One packet as it lies in the file. Valid while it is told only.
  struct Frame {
    /// Nanoseconds since 1970.
    var time: Int64
    /// `LINKTYPE_`, as tcpdump.org lists them.
    var link: Int
    /// Which of the file's interfaces.
    var interface: Int
    /// Whether the capturing machine sent it; nil where the file does not say.
    var outgoing: Bool?
    var bytes: UnsafeRawBufferPointer
    /// Of the packet, of which ``bytes`` may be less.
    var length: Int
  }

  private struct Interface {
    var link: Int
    /// Ticks of a second, as a power of 10 or of 2.
    var ticks: Ticks
    var offset: Int64 = 0
  }

  private enum Ticks {
    case decimal(Int)
    case binary(Int)

    /// Nanoseconds of a number of ticks; what does not fit is cut.
    func nanoseconds(_ count: UInt64) -> Int64 {
      switch self {
      case .decimal(let digits) where digits <= 9:
        return Int64(truncatingIfNeeded: count &* Self.power(9 - digits))
      case .decimal(let digits):
        return Int64(truncatingIfNeeded: count / Self.power(min(19, digits) - 9))
      case .binary(let bits):
        let bits = UInt64(min(bits, 63))
        let (seconds, rest) = (count >> bits, count & (1 << bits - 1))
        let part = rest.multipliedFullWidth(by: 1_000_000_000)
        let low = bits == 0 ? 0 : part.low >> bits | part.high << (64 - bits)
        return Int64(truncatingIfNeeded: seconds &* 1_000_000_000 &+ low)
      }
    }

    private static func power(_ digits: Int) -> UInt64 { (0..<digits).reduce(1) { power, _ in power &* 10 } }
  }

  private enum Format {
    case unknown
    case pcap(swapped: Bool, nanoseconds: Bool, link: Int)
    case pcapng(swapped: Bool)
  }

  /// What the file is called, for errors.
  let file: String
  private var format = Format.unknown
  private var interfaces: [Interface] = []
  private var rest: [UInt8] = []
  /// How far ``rest`` lies from the file's beginning.
  private var place = 0
  private(set) var packets = 0
  /// Interfaces, of all sections.
  private(set) var interfaceCount = 0
  private var firstInterface = 0

  /// A packet is never longer: MAXIMUM_SNAPLEN of libpcap is 262144, a usbmon's 128 MiB. Longer says that the file is
  /// none.
  private static let longest = 1 << 24

  /// From 1970 to 2116, so that whatever is reckoned with two times is a number.
  private static func sane(_ time: Int64) -> Int64 { min(max(0, time), 1 << 62) }

  init(file: String) { self.file = file }

  /// Whether a file begins as one.
  static func recognises(_ bytes: some Collection<UInt8>) -> Bool {
    let magic = Array(bytes.prefix(4))
    return [
      [0xa1, 0xb2, 0xc3, 0xd4], [0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d], [0x4d, 0x3c, 0xb2, 0xa1],
      [0x0a, 0x0d, 0x0d, 0x0a],
    ].contains(magic)
  }

  /// Tells the packets that are complete with these bytes.
  ///
  /// - Throws: `Failure` with the offset of what is not as the format has it, and what `body` throws.
  mutating func add(_ piece: UnsafeRawBufferPointer, _ body: (Frame) throws -> Void) throws {
    rest.append(contentsOf: piece)
    var at = 0
    let held = rest
    try held.withUnsafeBytes { bytes in
      while try next(Cursor(bytes: bytes), &at, body) {}
    }
    rest.removeFirst(at)
    place += at
  }

  /// How many bytes of a last packet are there, which was cut off; 0 where the file is whole.
  var cut: Int { rest.count }

  private struct Cursor {
    let bytes: UnsafeRawBufferPointer

    func u16(_ at: Int, _ swapped: Bool) -> Int {
      let value = bytes.loadUnaligned(fromByteOffset: at, as: UInt16.self)
      return Int(swapped ? UInt16(bigEndian: value) : UInt16(littleEndian: value))
    }
    func u32(_ at: Int, _ swapped: Bool) -> Int {
      let value = bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)
      return Int(swapped ? UInt32(bigEndian: value) : UInt32(littleEndian: value))
    }
  }

  private mutating func next(
    _ cursor: Cursor, _ at: inout Int, _ body: (Frame) throws -> Void
  ) throws -> Bool {
    switch format {
    case .unknown: return try begin(cursor, &at)
    case .pcap(let swapped, let nanoseconds, let link):
      guard at + 16 <= cursor.bytes.count else { return false }
      let (count, length) = (cursor.u32(at + 8, swapped), cursor.u32(at + 12, swapped))
      guard count <= Self.longest else {
        throw broken(at, "a packet of \(count) bytes")
      }
      guard at + 16 + count <= cursor.bytes.count else { return false }
      let fraction = Int64(cursor.u32(at + 4, swapped)) * (nanoseconds ? 1 : 1000)
      packets += 1
      try body(
        Frame(
          time: Int64(cursor.u32(at, swapped)) * 1_000_000_000 + fraction, link: link, interface: 0,
          outgoing: nil, bytes: UnsafeRawBufferPointer(rebasing: cursor.bytes[(at + 16)..<(at + 16 + count)]),
          length: max(count, length)))
      at += 16 + count
      return true
    case .pcapng(let swapped): return try block(cursor, &at, swapped, body)
    }
  }

  private mutating func begin(_ cursor: Cursor, _ at: inout Int) throws -> Bool {
    guard at + 24 <= cursor.bytes.count else { return false }
    switch cursor.u32(at, false) {
    case 0x0a0d_0d0a:
      format = .pcapng(swapped: false)  // Its own magic says which.
      return true
    case let magic:
      let kinds = [0xa1b2_c3d4: (false, false), 0xd4c3_b2a1: (true, false)].merging(
        [0xa1b2_3c4d: (false, true), 0x4d3c_b2a1: (true, true)]) { first, _ in first }
      guard let (swapped, nanoseconds) = kinds[magic] else {
        throw broken(at, "neither pcap nor pcapng begins so")
      }
      // The upper bits are of the FCS (pcap-savefile(5)).
      let link = cursor.u32(at + 20, swapped) & 0xffff
      format = .pcap(swapped: swapped, nanoseconds: nanoseconds, link: link)
      interfaceCount = 1
      at += 24
      return true
    }
  }

  private mutating func block(
    _ cursor: Cursor, _ at: inout Int, _ swapped: Bool, _ body: (Frame) throws -> Void
  ) throws -> Bool {
    guard at + 12 <= cursor.bytes.count else { return false }
    var swapped = swapped
    let kind = cursor.u32(at, swapped)
    if kind == 0x0a0d_0d0a {
      switch cursor.u32(at + 8, false) {
      case 0x1a2b_3c4d: swapped = false
      case 0x4d3c_2b1a: swapped = true
      default: throw broken(at, "a section of neither byte order")
      }
    }
    let length = cursor.u32(at + 4, swapped)
    guard length >= 12, length % 4 == 0, length <= Self.longest else {
      throw broken(at, "a block of \(length) bytes")
    }
    guard at + length <= cursor.bytes.count else { return false }
    guard cursor.u32(at + length - 4, swapped) == length else {
      throw broken(at, "a block of \(length) bytes that ends with another length")
    }
    defer { at += length }
    let end = at + length - 4
    switch kind {
    case 0x0a0d_0d0a:
      format = .pcapng(swapped: swapped)
      firstInterface = interfaceCount
      interfaces = []
    case 1:
      guard length >= 20 else { throw broken(at, "an interface of \(length) bytes") }
      var interface = Interface(link: cursor.u16(at + 8, swapped), ticks: .decimal(6))
      try options(cursor, from: at + 16, to: end, swapped) { code, start, count in
        if code == 9, count >= 1 {
          let byte = Int(cursor.bytes[start])
          interface.ticks = byte & 0x80 == 0 ? .decimal(byte) : .binary(byte & 0x7f)
        }
        if code == 14, count >= 8 {
          let (low, high) = (
            cursor.u32(swapped ? start + 4 : start, swapped), cursor.u32(swapped ? start : start + 4, swapped)
          )
          interface.offset = Int64(truncatingIfNeeded: UInt64(high) << 32 | UInt64(low)) &* 1_000_000_000
        }
      }
      interfaces.append(interface)
      interfaceCount += 1
    case 6, 2:
      // Enhanced, and the packet block that it replaced, whose interface has 16 bits.
      guard length >= 32 else { throw broken(at, "a packet block of \(length) bytes") }
      let id = kind == 6 ? cursor.u32(at + 8, swapped) : cursor.u16(at + 8, swapped)
      let count = cursor.u32(at + 20, swapped)
      guard interfaces.indices.contains(id) else { throw broken(at, "a packet of no interface (\(id))") }
      guard at + 28 + count <= end else { throw broken(at, "a packet of \(count) bytes in a shorter block") }
      var outgoing: Bool?
      try options(cursor, from: at + 28 + (count + 3) & ~3, to: end, swapped) { code, start, size in
        guard code == 2, size == 4 else { return }
        let direction = cursor.u32(start, swapped) & 3
        if direction != 0 { outgoing = direction == 2 }
      }
      let ticks = UInt64(cursor.u32(at + 12, swapped)) << 32 | UInt64(cursor.u32(at + 16, swapped))
      let interface = interfaces[id]
      packets += 1
      try body(
        Frame(
          time: Self.sane(interface.ticks.nanoseconds(ticks) &+ interface.offset), link: interface.link,
          interface: firstInterface + id, outgoing: outgoing,
          bytes: UnsafeRawBufferPointer(rebasing: cursor.bytes[(at + 28)..<(at + 28 + count)]),
          length: max(count, cursor.u32(at + 24, swapped))))
    case 3:
      guard length >= 16, let interface = interfaces.first else {
        throw broken(at, "a packet of no interface")
      }
      let whole = cursor.u32(at + 8, swapped)
      packets += 1
      try body(
        Frame(
          time: 0, link: interface.link, interface: firstInterface, outgoing: nil,
          bytes: UnsafeRawBufferPointer(rebasing: cursor.bytes[(at + 12)..<min(end, at + 12 + whole)]),
          length: whole))
    default: break
    }
    return true
  }

  private func options(
    _ cursor: Cursor, from start: Int, to end: Int, _ swapped: Bool, _ body: (Int, Int, Int) throws -> Void
  ) throws {
    var at = start
    while at + 4 <= end {
      let (code, count) = (cursor.u16(at, swapped), cursor.u16(at + 2, swapped))
      guard code != 0 else { return }
      guard at + 4 + count <= end else { throw broken(at, "an option of \(count) bytes in a shorter block") }
      try body(code, at + 4, count)
      at += 4 + (count + 3) & ~3
    }
  }

  private func broken(_ at: Int, _ what: String) -> Failure {
    Failure(
      stage: "diagnose", object: "\(file), byte \(place + at)", cause: what,
      mend: packets > 0
        ? "editcap -F pcap \(file) NEW keeps what can be read" : "tcpdump -w FILE writes what can be read",
      isUsage: true)
  }
}
