import Foundation
import Model

/// An RPM package as far as its signature goes (rpm's doc/manual/format.md): a lead, a header of signatures that nobody has
/// signed, the header, which names the package and its payload's digest, and the payload.
///
/// What is signed is the header, and by its digest the payload; packages of rpm before 4.14 (CentOS 7) have no such digest,
/// and header and payload are signed together.
struct RpmFile {
  /// What the header calls it, with its architecture.
  let name: String
  let version: RpmVersion
  let architecture: String
  /// Where they are in the file.
  let header: Range<Int>
  let payload: Range<Int>
  /// The payload's digest as the header has it: the tool that computes it, and hexadecimal digits.
  let digest: (tool: String, text: String)?
  /// OpenPGP packets: over the header; over header and payload.
  let headerSignature: Data?
  let wholeSignature: Data?

  private enum Tag {
    // Of the header of signatures: RPMSIGTAG_DSA, RSA, PGP, GPG.
    static let headerSignatures = [268, 267]
    static let wholeSignatures = [1002, 1005]
    // RPMTAG_NAME, VERSION, RELEASE, EPOCH, ARCH, PAYLOADSHA256 (once PAYLOADDIGEST), PAYLOADSHA256ALGO.
    static let (name, version, release, epoch, architecture) = (1000, 1001, 1002, 1003, 1022)
    static let (payloadDigest, payloadDigestAlgorithm) = (5092, 5093)
  }

  /// - Throws: `Failure` for any bytes that are none.
  init(_ bytes: Data, as object: String) throws(Failure) {
    func refused(_ cause: String) -> Failure {
      Failure(
        stage: "package", object: Files.printable(object), cause: cause,
        mend: "is it whole, and an RPM package of a kernel?")
    }
    let file = Bytes(bytes)
    guard bytes.count > 96, file.big(0) == 0xedab_eedb else { throw refused("it is no RPM package") }
    guard let signatures = Header(file, at: 96) else { throw refused("its header of signatures is none") }
    // Padded to eight bytes, by zeros: any other reader must find the next header where this one does.
    let start = (signatures.range.upperBound + 7) / 8 * 8
    guard
      let padding = file.slice(
        UInt64(signatures.range.upperBound), UInt64(start - signatures.range.upperBound)),
      padding.allSatisfy({ $0 == 0 }), let main = Header(file, at: start)
    else { throw refused("its header is none, or cut short") }
    guard let name = main.text(Tag.name), let version = main.text(Tag.version),
      let release = main.text(Tag.release), let architecture = main.text(Tag.architecture)
    else { throw refused("its header does not say what it is") }
    self.name = name
    self.version = RpmVersion(epoch: main.number(Tag.epoch) ?? 0, version: version, release: release)
    self.architecture = architecture
    header = main.range
    payload = main.range.upperBound..<bytes.count
    guard !payload.isEmpty else { throw refused("it has no payload") }
    if let text = main.text(Tag.payloadDigest) {
      // OpenPGP's numbers (RFC 4880, 9.4).
      let tools = [8: "sha256sum", 9: "sha384sum", 10: "sha512sum"]
      guard let tool = tools[main.number(Tag.payloadDigestAlgorithm) ?? 8] else {
        throw refused("its payload's digest is of a kind that is not known here")
      }
      digest = (tool, text)
    } else {
      digest = nil
    }
    headerSignature = Tag.headerSignatures.lazy.compactMap(signatures.bytes).first
    wholeSignature = Tag.wholeSignatures.lazy.compactMap(signatures.bytes).first
  }

  /// Checks its signature, and writes what was signed of its content to a file of its own: a `cpio` archive, packed, and no
  /// byte that was not signed.
  ///
  /// - Parameters:
  ///   - package: the file.
  ///   - folder: one of ours, for the parts of it.
  /// - Returns: the package, the fingerprint of the key that signed it, and the file with its content.
  /// - Throws: `Failure` where it is not signed, not by a key that is known, or was changed.
  static func check(_ package: URL, by keyring: Keyring, in folder: URL) async throws -> (
    file: RpmFile, signer: String, content: URL
  ) {
    let object = package.lastPathComponent
    let bytes = try Files.read(package.path, stage: "package", atMost: Bounds.packageFile)
    let file = try RpmFile(bytes, as: object)
    func part(_ range: Range<Int>, _ name: String) throws -> URL {
      let url = folder.appendingPathComponent(name)
      try NewFile(url.path).append(
        bytes.subdata(in: range), atMost: Bounds.packageFile, of: "package")
      return url
    }
    func signature(_ packet: Data) throws -> URL {
      let url = folder.appendingPathComponent("\(object).signature")
      try NewFile(url.path).append(packet, atMost: Bounds.signature, of: "package")
      return url
    }
    let content = try part(file.payload, "\(object).content")
    if let digest = file.digest, let packet = file.headerSignature {
      let header = try part(file.header, "\(object).header")
      let signer = try keyring.check(try signature(packet), of: header, as: object)
      let found = try await Checksum(tool: digest.tool, text: digest.text).matches(content)
      guard found else {
        throw Failure(
          stage: "signature", object: Files.printable(object),
          cause: "its content is not what was signed: its digest is another",
          mend: "it was changed: name another mirror with --mirror URL")
      }
      return (file, signer, content)
    }
    guard let packet = file.wholeSignature else {
      throw Failure(
        stage: "signature", object: Files.printable(object), cause: "nobody has signed it",
        mend: "name a mirror of the distribution's own repository with --mirror URL")
    }
    let whole = try part(file.header.lowerBound..<file.payload.upperBound, "\(object).whole")
    return (file, try keyring.check(try signature(packet), of: whole, as: object), content)
  }

  /// A header: magic, the numbers of its entries and of its bytes, entries of sixteen bytes, then what they name.
  private struct Header {
    let range: Range<Int>
    private let file: Bytes
    private let entries: [(tag: Int, type: Int, offset: Int, count: Int)]
    private let store: Int

    /// nil where there is none.
    init?(_ file: Bytes, at start: Int) {
      guard file.big(start) == 0x8ead_e801, let count = file.big(start + 8), let size = file.big(start + 12),
        count <= 1 << 16, size <= Bounds.packageHeader
      else { return nil }
      store = start + 16 + 16 * count
      range = start..<store + size
      guard range.upperBound <= file.count else { return nil }
      var entries: [(tag: Int, type: Int, offset: Int, count: Int)] = []
      for index in 0..<count {
        let entry = start + 16 + 16 * index
        guard let tag = file.big(entry), let type = file.big(entry + 4), let offset = file.big(entry + 8),
          let count = file.big(entry + 12), offset <= size
        else { return nil }
        entries.append((tag, type, offset, count))
      }
      self.entries = entries
      self.file = file
    }

    /// The first of that tag: what a second one says is nobody's business.
    private func entry(_ tag: Int, _ types: [Int]) -> (offset: Int, count: Int)? {
      entries.first { $0.tag == tag && types.contains($0.type) }.map { (store + $0.offset, $0.count) }
    }

    /// STRING, STRING_ARRAY (its first), I18NSTRING: bytes to a zero.
    func text(_ tag: Int) -> String? {
      guard let offset = entry(tag, [6, 8, 9])?.offset,
        let bytes = file.slice(UInt64(offset), UInt64(range.upperBound - offset))
      else { return nil }
      let text = bytes.prefix(512).prefix { $0 != 0 }
      return text.count < 512 ? String(validating: text, as: UTF8.self) : nil
    }

    /// INT32
    func number(_ tag: Int) -> Int? {
      entry(tag, [4]).flatMap { $0.offset + 4 <= range.upperBound ? file.big($0.offset) : nil }
    }

    /// BIN
    func bytes(_ tag: Int) -> Data? {
      guard let (offset, count) = entry(tag, [7]), count <= Bounds.signature,
        offset + count <= range.upperBound
      else { return nil }
      return file.slice(UInt64(offset), UInt64(count))
    }
  }
}

extension Bytes {
  /// Four bytes, the highest first; nil beyond its end.
  fileprivate func big(_ offset: Int) -> Int? {
    number(UInt64(offset), 4).map { Int(UInt32($0).byteSwapped) }
  }
}

/// A digest that somebody vouches for.
struct Checksum: Sendable, Equatable {
  /// `sha256sum` and its kin.
  let tool: String
  /// Hexadecimal digits.
  let text: String

  init(tool: String, text: String) {
    self.tool = tool
    self.text = text.lowercased()
  }

  /// As repositories name their kinds.
  /// - Throws: `Failure` for one that has been broken, or is not known.
  init(kind: String, text: String, of object: String) throws(Failure) {
    let digits = ["sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128]
    guard let count = digits[kind], text.utf8.count == count, text.utf8.allSatisfy({ Self.isHex($0) }) else {
      throw Failure(
        stage: "repository", object: Files.printable(object),
        cause: "its checksum is none of SHA-2: \(Files.printable(kind)) \(Files.printable(text))",
        mend: "is there a newer mirror of it? or pawslab kernels add NAME --rpm FILE")
    }
    self.init(tool: "\(kind)sum", text: text)
  }

  private static func isHex(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
  }

  /// Whether it is a file's.
  func matches(_ file: URL) async throws -> Bool {
    let folder = file.deletingLastPathComponent()
    let name = file.lastPathComponent
    return try await KernelStore.digests(of: [name], in: folder, by: [tool])[name] == text
  }

  /// - Throws: `Failure` where it is not.
  func check(_ file: URL, as object: String) async throws {
    guard try await matches(file) else {
      throw Failure(
        stage: "repository", object: Files.printable(object),
        cause: "it is not what the repository's index names: its checksum is another",
        mend: "it was changed, or the mirror is being changed: try again, or name another with --mirror URL")
    }
  }
}
