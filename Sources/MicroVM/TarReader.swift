import Foundation
import Model

/// Reads a tar archive (tar(5): ustar, GNU's long names, pax) as it comes out of a pipe, and hands on its members.
/// Any bytes may come; nothing is kept but the member at hand.
struct TarReader {
  /// What a member is.
  enum Member: Equatable {
    /// A file, with its size in bytes.
    case file(Int)
    /// A hard or symbolic link, with what it names as written: a hard link's is a member's path.
    case link(String, isHard: Bool)
    /// A folder, or something of no use here.
    case other
  }

  /// Whoever takes members. Paths are relative, without `.` and `..`.
  protocol Sink {
    /// The next member. A file's content follows in pieces.
    mutating func begin(_ path: String, _ member: Member) throws
    mutating func content(_ bytes: UnsafeRawBufferPointer) throws
  }

  /// The cause of a failure where what should be a member's header is none.
  static let notAnArchive = "it is no tar archive"

  private let name: String
  private var total = 0
  private var members = 0
  /// The block at hand, until it is whole.
  private var block: [UInt8] = []
  /// Bytes of the member that are still to come, and of its padding.
  private var left = 0
  private var padding = 0
  /// What the next member is called instead, by the members before it.
  private var longPath: String?
  private var longTarget: String?
  /// The kind of a member that only says something of the next, and its content.
  private var note: UInt8?
  private var noted: [UInt8] = []
  private var isContent = false
  private var hasEnded = false

  /// - Parameter name: what failures call the archive.
  init(name: String) {
    self.name = name
    block.reserveCapacity(512)
  }

  private func refused(_ cause: String) -> Failure {
    Failure(
      stage: "package", object: Files.printable(name), cause: cause,
      mend: "fetch it again; dpkg-deb -c or bsdtar -t shows it")
  }

  /// Takes the next bytes.
  /// - Throws: `Failure` for what is no archive, leads out of it, or is beyond ``Bounds``; what the sink throws.
  mutating func read(_ bytes: UnsafeRawBufferPointer, into sink: inout some Sink) throws {
    total += bytes.count
    guard total <= Bounds.package else {
      throw Bounds.exceeded("package", Files.printable(name), Bounds.text(Bounds.package))
    }
    var rest = bytes[...]
    while !rest.isEmpty, !hasEnded {
      if left > 0 {
        let piece = rest.prefix(left)
        rest = rest.dropFirst(piece.count)
        left -= piece.count
        if note != nil {
          noted += piece
        } else if isContent {
          try sink.content(UnsafeRawBufferPointer(rebasing: piece))
        }
        if left == 0 { try endNote() }
      } else if padding > 0 {
        let piece = rest.prefix(padding)
        rest = rest.dropFirst(piece.count)
        padding -= piece.count
      } else {
        let piece = rest.prefix(512 - block.count)
        block += piece
        rest = rest.dropFirst(piece.count)
        if block.count == 512 {
          try header(into: &sink)
          block.removeAll(keepingCapacity: true)
        }
      }
    }
  }

  /// - Throws: `Failure` where the archive ends in the middle.
  func end() throws(Failure) {
    guard left == 0, block.isEmpty, members > 0 || hasEnded else {
      throw refused("it is cut short, or no archive")
    }
  }

  private mutating func header(into sink: inout some Sink) throws {
    if block.allSatisfy({ $0 == 0 }) {
      hasEnded = true
      return
    }
    members += 1
    guard members <= Bounds.members else {
      throw Bounds.exceeded("package", Files.printable(name), "\(Bounds.members) members")
    }
    let sum = block.enumerated().reduce(0) { $0 + (148..<156 ~= $1.offset ? 32 : Int($1.element)) }
    guard number(148, 8) == sum, let size = number(124, 12) else { throw refused(Self.notAnArchive) }
    guard size <= Bounds.package - min(total, Bounds.package) + 512 else {
      throw Bounds.exceeded("package", Files.printable(name), Bounds.text(Bounds.package))
    }
    left = size
    padding = -size & 511
    isContent = false
    let kind = block[156]
    switch kind {
    case UInt8(ascii: "L"), UInt8(ascii: "K"), UInt8(ascii: "x"), UInt8(ascii: "g"):
      guard size <= 65536 else { throw refused("a member's name is longer than 64 KiB") }
      note = kind
      noted = []
      if size == 0 { note = nil }
      return
    default: break
    }
    let isUstar = Array(block[257..<262]) == Array("ustar".utf8)
    let prefix = isUstar && block[262] == 0 ? text(345, 155) : ""
    let path = try relative(longPath ?? (prefix.isEmpty ? text(0, 100) : prefix + "/" + text(0, 100)))
    let target = longTarget ?? text(157, 100)
    (longPath, longTarget) = (nil, nil)
    switch kind {
    case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
      isContent = true
      try sink.begin(path, .file(size))
    case UInt8(ascii: "1"): try sink.begin(path, .link(target, isHard: true))
    case UInt8(ascii: "2"): try sink.begin(path, .link(target, isHard: false))
    default: try sink.begin(path, .other)
    }
  }

  private mutating func endNote() throws {
    guard let kind = note else { return }
    note = nil
    switch kind {
    case UInt8(ascii: "L"): longPath = Self.text(noted[...])
    case UInt8(ascii: "K"): longTarget = Self.text(noted[...])
    case UInt8(ascii: "x"): try readPax()
    default: break
    }
    noted = []
  }

  /// Records of the form `LENGTH KEY=VALUE\n`.
  private mutating func readPax() throws {
    var rest = noted[...]
    while !rest.isEmpty {
      let digits = rest.prefix { $0 != UInt8(ascii: " ") }
      guard let length = Int(String(decoding: digits, as: UTF8.self)), length > digits.count + 1,
        length <= rest.count
      else {
        throw refused("a pax record is none")
      }
      let record = rest.prefix(length).dropFirst(digits.count + 1).dropLast()
      rest = rest.dropFirst(length)
      let key = record.prefix { $0 != UInt8(ascii: "=") }
      let value = Self.text(record.dropFirst(key.count + 1))
      switch String(decoding: key, as: UTF8.self) {
      case "path": longPath = value
      case "linkpath": longTarget = value
      case "size": throw refused("a member is larger than 8 GiB")
      default: break
      }
    }
  }

  /// - Throws: `Failure` for a path that leads out of the archive.
  private func relative(_ path: String) throws -> String {
    let parts = path.split(separator: "/").filter { $0 != "." }
    guard !parts.contains("..") else {
      throw refused("its member \(Files.printable(path)) leads out of it")
    }
    return parts.joined(separator: "/")
  }

  /// Octal digits, with blanks before and a blank or NUL after; nil for what is none, e.g. GNU's numbers above 8 GiB.
  private func number(_ offset: Int, _ size: Int) -> Int? {
    let digits = block[offset..<offset + size].drop { $0 == 32 || $0 == 48 }.prefix { $0 != 0 && $0 != 32 }
    guard digits.count <= 12, digits.allSatisfy({ (48...55).contains($0) }) else { return nil }
    return digits.reduce(0) { $0 << 3 | Int($1 - 48) }
  }

  private func text(_ offset: Int, _ size: Int) -> String { Self.text(block[offset..<offset + size]) }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// What an archive has that a kernel consists of: for whoever wants to see, and for fuzzing. Any bytes may come.
public struct ArchiveListing: Equatable, Sendable {
  /// Paths of images, modules and their indexes.
  public let members: [String]

  /// Reads a tar archive.
  /// - Throws: `Failure` for what is none, leads out of it, or is beyond the bounds.
  public init(bytes: Data) throws {
    var reader = TarReader(name: "archive")
    var sink = Wanted()
    try bytes.withUnsafeBytes { try reader.read($0, into: &sink) }
    try reader.end()
    members = sink.paths
  }

  private struct Wanted: TarReader.Sink {
    var paths: [String] = []
    mutating func begin(_ path: String, _ member: TarReader.Member) {
      if PackageTree.isWanted(path) { paths.append(path) }
    }
    mutating func content(_ bytes: UnsafeRawBufferPointer) {}
  }
}
