/// What a kernel is called: a name that may become a path.
///
/// It is what stands behind `--kernel`, names a folder of the cache and files of a run's folder. The only way to one
/// is through its check, so that no name out of a file, however made, leads anywhere else: a letter or digit first,
/// then those and `- . _`, at most ``longest`` of them, and no end that means something else.
public struct KernelName: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The name as written.
  public let text: String

  /// Characters that a name may have: with all that is put around it, a file's name is at most 255 bytes.
  public static let longest = 64
  /// This machine's own kernel, which is never stored.
  public static let host = KernelName(known: "host")
  /// This machine's own kernel in a guest.
  public static let running = KernelName(known: "running")

  /// `host`, `running`, or a name that a stored kernel may have.
  /// - Throws: `Failure`, a mistake in usage, which says what a name may be.
  public init(_ text: String) throws(Failure) {
    func refused(_ cause: String) -> Failure {
      Failure(
        stage: "kernel name", object: Self.shown(text), cause: cause,
        mend: "a letter or a digit first, then letters, digits and - . _, at most \(Self.longest)",
        isUsage: true)
    }
    guard let first = text.utf8.first else { throw refused("it is empty") }
    guard text.utf8.count <= Self.longest else {
      throw refused("it is longer than \(Self.longest) characters")
    }
    guard text.utf8.allSatisfy({ Self.isWord($0) || "-._".utf8.contains($0) }) else {
      throw refused("it has a character that no kernel's name may have")
    }
    guard Self.isWord(first) else { throw refused("it begins with \(text.prefix(1))") }
    if let mark = Emulation.all.map(\.mark).first(where: text.hasSuffix) {
      throw refused("names ending in \(mark) are those of emulations in results")
    }
    self.text = text
  }

  /// The name of a kernel that is to be put into the store by hand: neither `host` nor `running`.
  public init(ofEntry text: String) throws(Failure) {
    self = try KernelName(text)
    guard self != .host, self != .running else {
      throw Failure(
        stage: "kernel name", object: text, cause: "it is this machine's own kernel's", mend: "take another",
        isUsage: true)
    }
  }

  private init(known: String) { text = known }

  public var description: String { text }
  public static func < (left: KernelName, right: KernelName) -> Bool { left.text < right.text }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }

  /// A name that was refused, as it can be printed anywhere: quoted, and nothing but printable ASCII.
  private static func shown(_ text: String) -> String {
    let words = text.unicodeScalars.prefix(80).map { $0.escaped(asASCII: true) }.joined()
    return "\"\(words)\(text.unicodeScalars.count > 80 ? "..." : "")\""
  }
}

extension KernelName: Codable {
  /// - Throws: `DecodingError` that says what a name may be.
  public init(from decoder: any Decoder) throws {
    let text = try decoder.singleValueContainer().decode(String.self)
    do { self = try KernelName(text) } catch {
      throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "\(error)"))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}
