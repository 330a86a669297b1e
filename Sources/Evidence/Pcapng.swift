import Model

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Packets of several links in one file, as Wireshark reads it: pcapng (draft-ietf-opsawg-pcapng), little-endian,
/// nanoseconds, one interface per node and link. A worker's stream and the file that a run keeps are both this.
public enum Pcapng {
  private enum Block: UInt32 {
    case section = 0x0a0d_0d0a
    case interface = 1
    case packet = 6
  }
  private enum Option {
    static let end: UInt16 = 0
    static let comment: UInt16 = 1
    static let flags: UInt16 = 2  // of a packet
    static let system: UInt16 = 3  // of a section
    static let application: UInt16 = 4
    static let name: UInt16 = 2  // of an interface
    static let description: UInt16 = 3
    static let resolution: UInt16 = 9
  }

  /// What a section says of itself.
  public struct Header: Sendable, Equatable {
    /// Of the section, e.g. the case and its settings; lines.
    public var comment: String
    /// `Linux 6.1.0`
    public var system: String
    /// The program that wrote it.
    public var application: String

    /// Makes a header.
    public init(comment: String = "", system: String = "", application: String = "pawslab") {
      self.comment = comment
      self.system = system
      self.application = application
    }
  }

  /// Turns packets into bytes, each once; an interface is told before its first packet.
  public struct Writer: Sendable {
    private struct Link: Hashable {
      var node: String
      var interface: String
    }
    private var links: [Link: UInt32] = [:]
    /// What has been written and not taken.
    private var bytes: [UInt8] = []

    /// Begins a section.
    public init(_ header: Header = Header()) {
      block(.section) { body in
        body.add(UInt32(0x1a2b_3c4d))
        body.add(UInt16(1))
        body.add(UInt16(0))
        body.add(UInt64.max)  // until the file's end
        body.option(Option.comment, header.comment)
        body.option(Option.system, header.system)
        body.option(Option.application, header.application)
        body.option(Option.end, "")
      }
    }

    /// Adds a packet, with what a reader should notice about it.
    public mutating func add(_ packet: Packet, comment: String? = nil) {
      let id = interface(Link(node: packet.node, interface: packet.interface))
      block(.packet) { body in
        let time = UInt64(bitPattern: packet.time)
        body.add(id)
        body.add(UInt32(truncatingIfNeeded: time >> 32))
        body.add(UInt32(truncatingIfNeeded: time))
        body.add(UInt32(packet.bytes.count))
        body.add(UInt32(clamping: packet.length))
        body.pad(packet.bytes)
        if let comment { body.option(Option.comment, comment) }
        body.add(Option.flags)
        body.add(UInt16(4))
        body.add(UInt32(packet.outgoing ? 2 : 1))
        body.option(Option.end, "")
      }
    }

    /// How many bytes wait to be taken.
    public var count: Int { bytes.count }

    /// What was written since the last call.
    public mutating func take() -> Data {
      defer { bytes.removeAll(keepingCapacity: true) }
      return Data(bytes)
    }

    private mutating func interface(_ link: Link) -> UInt32 {
      if let id = links[link] { return id }
      let id = UInt32(links.count)
      links[link] = id
      block(.interface) { body in
        body.add(UInt16(1))  // LINKTYPE_ETHERNET
        body.add(UInt16(0))
        body.add(UInt32(192))
        body.option(Option.name, link.node)
        body.option(Option.description, link.interface)
        body.add(Option.resolution)
        body.add(UInt16(1))
        body.add(UInt32(9))  // 10^-9 s, and three bytes of padding
        body.option(Option.end, "")
      }
      return id
    }

    private mutating func block(_ kind: Block, _ fill: (inout [UInt8]) -> Void) {
      let start = bytes.count
      bytes.add(kind.rawValue)
      bytes.add(UInt32(0))
      fill(&bytes)
      let length = UInt32(bytes.count - start + 4)
      bytes.add(length)
      for (index, byte) in length.littleEndianBytes.enumerated() { bytes[start + 4 + index] = byte }
    }
  }

  /// Turns bytes into packets, however they are cut.
  public struct Reader: Sendable {
    private var links: [(node: String, interface: String)] = []
    private var rest: [UInt8] = []

    /// Begins with nothing.
    public init() {}

    /// The packets that are complete with these bytes.
    ///
    /// - Throws: `Failure` where they are not what ``Writer`` writes.
    public mutating func add(_ data: Data) throws -> [Packet] {
      rest.append(contentsOf: data)
      var packets: [Packet] = []
      var at = 0
      try rest.withUnsafeBytes { bytes in
        func u16(_ at: Int) -> Int {
          Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt16.self)))
        }
        func u32(_ at: Int) -> Int {
          Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
        }
        while at + 12 <= bytes.count {
          let length = u32(at + 4)
          guard length >= 12, length % 4 == 0, length < 1 << 24 else { throw Self.broken }
          guard at + length <= bytes.count else { break }
          guard u32(at + length - 4) == length else { throw Self.broken }
          let end = at + length - 4
          /// The options from an offset on.
          func options(from start: Int, _ body: (Int, UnsafeRawBufferPointer) throws -> Void) throws {
            var place = start
            while place + 4 <= end, u16(place) != 0 {
              let count = u16(place + 2)
              guard place + 4 + count <= end else { throw Self.broken }
              try body(u16(place), UnsafeRawBufferPointer(rebasing: bytes[(place + 4)..<(place + 4 + count)]))
              place += 4 + (count + 3) & ~3
            }
          }
          switch Block(rawValue: UInt32(u32(at))) {
          case .section:
            guard length >= 28, u32(at + 8) == 0x1a2b_3c4d else { throw Self.broken }
          case .interface:
            guard length >= 20 else { throw Self.broken }
            var link = (node: "", interface: "")
            try options(from: at + 16) { code, value in
              if code == Int(Option.name) { link.node = String(decoding: value, as: UTF8.self) }
              if code == Int(Option.description) { link.interface = String(decoding: value, as: UTF8.self) }
            }
            links.append(link)
          case .packet:
            guard length >= 32 else { throw Self.broken }
            let (id, count) = (u32(at + 8), u32(at + 20))
            guard links.indices.contains(id), at + 28 + count <= end else { throw Self.broken }
            var outgoing = false
            try options(from: at + 28 + (count + 3) & ~3) { code, value in
              if code == Int(Option.flags), value.count == 4 { outgoing = value[0] & 3 == 2 }
            }
            packets.append(
              Packet(
                node: links[id].node, interface: links[id].interface,
                time: Int64(u32(at + 12)) << 32 | Int64(u32(at + 16)), outgoing: outgoing,
                length: u32(at + 24), bytes: Data(bytes[(at + 28)..<(at + 28 + count)])))
          case nil: break
          }
          at += length
        }
      }
      rest.removeFirst(at)
      return packets
    }

    /// Says that nothing more comes.
    ///
    /// - Throws: `Failure` where the last block is cut short.
    public func end() throws {
      if !rest.isEmpty { throw Self.broken }
    }

    private static var broken: Failure {
      Failure(
        stage: "read", object: "packets", cause: "not pcapng as the lab writes it", mend: "run the case again"
      )
    }
  }
}

extension [UInt8] {
  fileprivate mutating func add(_ number: some FixedWidthInteger) {
    append(contentsOf: number.littleEndianBytes)
  }

  /// The bytes, and zeros until the length is a multiple of 4.
  fileprivate mutating func pad(_ content: some Collection<UInt8>) {
    append(contentsOf: content)
    append(contentsOf: repeatElement(0, count: -content.count & 3))
  }

  /// Nothing where the text is empty, but for the option that ends the list.
  fileprivate mutating func option(_ code: UInt16, _ text: String) {
    guard !text.isEmpty || code == 0 else { return }
    let value = Array(text.utf8.prefix(65_532))
    add(code)
    add(UInt16(value.count))
    pad(value)
  }
}

extension FixedWidthInteger {
  fileprivate var littleEndianBytes: [UInt8] { Swift.withUnsafeBytes(of: littleEndian) { Array($0) } }
}
