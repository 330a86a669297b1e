/// Takes a frame apart: link, VLANs, IP within IP, TCP or an ICMP error.
enum LinkDecoder {
  /// What a frame was.
  enum Content {
    case tcp(Sighting)
    case icmp(Complaint)
    /// An ICMP error, cut off before what it is about: to whom, and what it says.
    case complains(to: Address, String)
    /// ARP asks for an address that has not answered so far, or answers.
    case asks(for: Address)
    case answers(Address)
    case other
    /// A link type that this does not know.
    case foreign
  }

  private static func u16(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> Int {
    Int(bytes[at]) << 8 | Int(bytes[at + 1])
  }
  private static func u32(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: u16(bytes, at) << 16 | u16(bytes, at + 2))
  }
  private static func u64(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt64 {
    UInt64(u32(bytes, at)) << 32 | UInt64(u32(bytes, at + 4))
  }

  /// The numbers are those of <https://www.tcpdump.org/linktypes.html>.
  static func content(_ frame: CaptureReader.Frame) -> Content {
    let bytes = frame.bytes
    switch frame.link {
    case 1:
      guard bytes.count >= 14 else { return .other }
      return ether(frame, type: u16(bytes, 12), at: 14, outgoing: frame.outgoing)
    case 113:  // LINUX_SLL: packet type 4 is what this machine sent.
      guard bytes.count >= 16 else { return .other }
      return ether(frame, type: u16(bytes, 14), at: 16, outgoing: frame.outgoing ?? (u16(bytes, 0) == 4))
    case 276:  // LINUX_SLL2, with the interface's index.
      guard bytes.count >= 20 else { return .other }
      var named = frame
      named.interface = frame.interface << 20 | Int(u32(bytes, 4) & 0xfffff)
      return ether(named, type: u16(bytes, 0), at: 20, outgoing: frame.outgoing ?? (bytes[10] == 4))
    case 0, 108:  // NULL and LOOP: a family of four bytes, of either order.
      guard bytes.count >= 5 else { return .other }
      return ip(frame, at: 4, outgoing: frame.outgoing)
    case 12, 14, 101, 228, 229: return ip(frame, at: 0, outgoing: frame.outgoing)
    case 9, 50: return ppp(frame)
    case 239: return nflog(frame)
    default: return .foreign
    }
  }

  private static func ppp(_ frame: CaptureReader.Frame) -> Content {
    let bytes = frame.bytes
    let at = bytes.count >= 2 && bytes[0] == 0xff && bytes[1] == 3 ? 2 : 0
    guard bytes.count >= at + 2, [0x0021, 0x0057].contains(u16(bytes, at)) else { return .other }
    return ip(frame, at: at + 2, outgoing: frame.outgoing)
  }

  /// LINKTYPE_NFLOG: a header of four bytes and attributes, of which number 9 is the packet.
  private static func nflog(_ frame: CaptureReader.Frame) -> Content {
    var at = 4
    while at + 4 <= frame.bytes.count {
      let length = Int(frame.bytes[at]) | Int(frame.bytes[at + 1]) << 8
      let type = Int(frame.bytes[at + 2]) | Int(frame.bytes[at + 3]) << 8
      guard length >= 4 else { return .other }
      if type == 9 { return ip(frame, at: at + 4, outgoing: frame.outgoing) }
      at += (length + 3) & ~3
    }
    return .other
  }

  private static func ether(
    _ frame: CaptureReader.Frame, type: Int, at: Int, outgoing: Bool?
  ) -> Content {
    let bytes = frame.bytes
    var (type, at) = (type, at)
    // 802.1Q, 802.1ad and what was used before it; as many as there are.
    while [0x8100, 0x88a8, 0x9100].contains(type) {
      guard bytes.count >= at + 4 else { return .other }
      (type, at) = (u16(bytes, at + 2), at + 4)
    }
    switch type {
    case 0x0800, 0x86dd: return ip(frame, at: at, outgoing: outgoing)
    case 0x8847:
      while at + 4 <= bytes.count {
        at += 4
        if bytes[at - 2] & 1 == 1 { break }
      }
      return ip(frame, at: at, outgoing: outgoing)
    case 0x8864:  // PPPoE
      guard bytes.count >= at + 8, [0x0021, 0x0057].contains(u16(bytes, at + 6)) else { return .other }
      return ip(frame, at: at + 8, outgoing: outgoing)
    case 0x0806:
      guard bytes.count >= at + 28, u16(bytes, at + 2) == 0x0800 else { return .other }
      let isReply = u16(bytes, at + 6) == 2
      return isReply
        ? .answers(Address(ipv4: u32(bytes, at + 14))) : .asks(for: Address(ipv4: u32(bytes, at + 24)))
    default: return .other
    }
  }

  /// IP within IP ends somewhere.
  private static let deepest = 4

  private static func ip(
    _ frame: CaptureReader.Frame, at start: Int, outgoing: Bool?, depth: Int = 0
  ) -> Content {
    let bytes = frame.bytes
    guard depth < deepest, bytes.count > start,
      let header = IPHeader(bytes, at: start, whole: frame.length)
    else { return .other }
    switch header.next {
    case 4, 41: return ip(frame, at: header.inner, outgoing: outgoing, depth: depth + 1)
    case 47:  // GRE (RFC 2784, RFC 2890)
      guard bytes.count >= header.inner + 4 else { return .other }
      let flags = bytes[header.inner]
      let more = [UInt8(0x80), 0x20, 0x10].reduce(0) { $0 + (flags & $1 == 0 ? 0 : 4) }
      let type = u16(bytes, header.inner + 2)
      let at = header.inner + 4 + more
      if type == 0x6558, bytes.count >= at + 14 {
        return ether(frame, type: u16(bytes, at + 12), at: at + 14, outgoing: outgoing)
      }
      return [0x0800, 0x86dd].contains(type)
        ? ip(frame, at: at, outgoing: outgoing, depth: depth + 1) : .other
    case 6: return tcp(frame, header, outgoing: outgoing)
    case 1, 58: return icmp(frame, header)
    default: return .other
    }
  }

  private struct IPHeader {
    var next: Int
    /// Where that begins.
    var inner: Int
    /// Where the packet ends, which may be behind what was captured.
    var end: Int
    var source: Address
    var destination: Address
    var ttl: UInt8
    var identification: UInt16
    var isIPv4: Bool

    init?(_ bytes: UnsafeRawBufferPointer, at start: Int, whole: Int) {
      guard bytes.count > start else { return nil }
      switch bytes[start] >> 4 {
      case 4:
        guard bytes.count >= start + 20, bytes[start] & 0xf >= 5 else { return nil }
        // A later fragment has no TCP header.
        guard u16(bytes, start + 6) & 0x1fff == 0 else { return nil }
        (next, inner) = (Int(bytes[start + 9]), start + Int(bytes[start] & 0xf) * 4)
        // 0 where the card cuts it into packets itself (TSO).
        let length = u16(bytes, start + 2)
        end = length == 0 ? whole : start + length
        (source, destination) = (
          Address(ipv4: u32(bytes, start + 12)), Address(ipv4: u32(bytes, start + 16))
        )
        (ttl, identification, isIPv4) = (bytes[start + 8], UInt16(u16(bytes, start + 4)), true)
      case 6:
        guard bytes.count >= start + 40 else { return nil }
        (next, inner) = (Int(bytes[start + 6]), start + 40)
        let length = u16(bytes, start + 4)
        end = length == 0 ? whole : start + 40 + length
        source = Address(high: u64(bytes, start + 8), low: u64(bytes, start + 16))
        destination = Address(high: u64(bytes, start + 24), low: u64(bytes, start + 32))
        (ttl, identification, isIPv4) = (bytes[start + 7], 0, false)
        // Hop by hop, routing, fragment, destination options, authentication.
        while [0, 43, 44, 51, 60].contains(next) {
          guard bytes.count >= inner + 8 else { return nil }
          if next == 44, u16(bytes, inner + 2) & 0xfff8 != 0 { return nil }
          let size =
            next == 44 ? 8 : next == 51 ? (Int(bytes[inner + 1]) + 2) * 4 : (Int(bytes[inner + 1]) + 1) * 8
          (next, inner) = (Int(bytes[inner]), inner + size)
        }
      default: return nil
      }
    }
  }

  private static func tcp(_ frame: CaptureReader.Frame, _ header: IPHeader, outgoing: Bool?) -> Content {
    let (bytes, at) = (frame.bytes, header.inner)
    // Flags and numbers are within 20 bytes; the options may be cut.
    guard bytes.count >= at + 20 else { return .other }
    let length = Int(bytes[at + 12] >> 4) * 4
    guard length >= 20 else { return .other }
    var segment = Sighting(
      source: Endpoint(address: header.source, port: UInt16(u16(bytes, at))),
      destination: Endpoint(address: header.destination, port: UInt16(u16(bytes, at + 2))))
    segment.time = frame.time
    segment.interface = frame.interface
    segment.outgoing = outgoing
    segment.sequence = u32(bytes, at + 4)
    segment.acknowledgement = u32(bytes, at + 8)
    segment.flags = Sighting.Flags(rawValue: bytes[at + 13])
    segment.payload = max(0, header.end - at - length)
    segment.ttl = header.ttl
    segment.identification = header.identification
    let end = min(at + length, bytes.count)
    var option = at + 20
    while option < end {
      let kind = bytes[option]
      if kind == 0 { break }
      if kind == 1 {
        option += 1
        continue
      }
      guard option + 1 < end, bytes[option + 1] >= 2 else { break }
      let size = Int(bytes[option + 1])
      if kind == 8, size == 10, option + 10 <= end {
        (segment.tsval, segment.tsecr) = (u32(bytes, option + 2), u32(bytes, option + 6))
      }
      if kind == 3 { segment.scales = true }
      if kind == 4 { segment.permitsSACK = true }
      option += size
    }
    return .tcp(segment)
  }

  private static func icmp(_ frame: CaptureReader.Frame, _ header: IPHeader) -> Content {
    let (bytes, at) = (frame.bytes, header.inner)
    guard bytes.count >= at + 8, (header.next == 1) == header.isIPv4 else { return .other }
    let type = bytes[at]
    if !header.isIPv4, type == 135 || type == 136, bytes.count >= at + 24 {
      let target = Address(high: u64(bytes, at + 8), low: u64(bytes, at + 16))
      return type == 135 ? .asks(for: target) : .answers(target)
    }
    guard header.isIPv4 ? [3, 4, 11, 12].contains(type) : (1...127).contains(type) else { return .other }
    guard let about = IPHeader(bytes, at: at + 8, whole: frame.length), bytes.count >= about.inner + 8 else {
      let words = Complaint.words(isIPv4: header.isIPv4, type: type, code: bytes[at + 1])
      return .complains(to: header.destination, "\(words), says \(header.source)")
    }
    guard about.next == 6 else { return .other }
    return .icmp(
      Complaint(
        time: frame.time, from: header.source, isIPv4: header.isIPv4, type: type, code: bytes[at + 1],
        source: Endpoint(address: about.source, port: UInt16(u16(bytes, about.inner))),
        destination: Endpoint(address: about.destination, port: UInt16(u16(bytes, about.inner + 2))),
        sequence: u32(bytes, about.inner + 4)))
  }
}
