import CLinux
import Foundation
import Model

/// Reads some members of an archive, or files of a folder, that a stranger made: a sosreport, a supportconfig. Nothing is
/// written anywhere, no link is followed, and what it may hold is bounded.
public struct SupportArchive {
  private let path: String
  private let limits: Limits

  /// How much is taken.
  public struct Limits: Sendable {
    /// Bytes of a member; larger ones are left out.
    public var member: Int
    /// Bytes of all that are taken, and how many.
    public var all: Int
    public var members: Int

    public init(member: Int, all: Int, members: Int) {
      (self.member, self.all, self.members) = (member, all, members)
    }
  }

  public init(_ path: String, limits: Limits) { (self.path, self.limits) = (path, limits) }

  /// What unpacks it, by its first bytes; nil for what is no archive of these.
  private static func unpacker(_ beginning: [UInt8]) -> [String]? {
    if beginning.starts(with: [0x1f, 0x8b]) { return ["gzip", "-dc"] }
    if beginning.starts(with: [0xfd, 0x37, 0x7a, 0x58]) { return ["xz", "-dc"] }
    if beginning.starts(with: [0x42, 0x5a, 0x68]) { return ["bzip2", "-dc"] }
    if beginning.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) { return ["zstd", "-dc"] }
    if beginning.count >= 262, Array(beginning[257..<262]) == Array("ustar".utf8) { return ["cat"] }
    return nil
  }

  /// Whether these are the first bytes of a tar archive, packed or not.
  public static func looksLike(_ beginning: [UInt8]) -> Bool { unpacker(beginning) != nil }

  /// - Parameter wants: whether a member of that path is to be taken.
  /// - Returns: nil for a file that is no archive, packed or not.
  /// - Throws: `Failure` for an archive that is cut short, leads out of itself, or is beyond the bounds.
  public func members(_ wants: @escaping (String) -> Bool) throws -> [(path: String, content: Data)]? {
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return try files(wants) }
    let beginning = try FileHandle(forReadingFrom: URL(fileURLWithPath: path)).read(upToCount: 512) ?? Data()
    guard let words = Self.unpacker([UInt8](beginning)) else {
      throw failure("no tar archive, packed or not")
    }
    var taking = Taking(limits, wants)
    var reader = TarReader(name: path)
    var bytes = 0
    do {
      try Unpacker(words, from: path, deadline: Bounds.seconds).run {
        bytes += $0.count
        try reader.read($0, into: &taking)
      }
      try reader.end()
    } catch let below as Failure {
      // A packed capture, a packed text: what was packed is no archive, and shorter than a header or unlike one.
      if below.cause == TarReader.notAnArchive || (below.stage != words[0] && bytes < 512) { return nil }
      throw failure(below.stage == words[0] ? "\(words[0]): \(below.cause)" : below.cause)
    }
    guard !taking.isBeyond else {
      throw failure("more than \(Bounds.text(limits.all)) of what is read of it")
    }
    return taking.taken
  }

  private func failure(_ cause: String) -> Failure {
    Failure(
      stage: "diagnose", object: Files.printable(path), cause: cause,
      mend: "tar -tf shows whether it is whole; its files can be given one by one", isUsage: true)
  }

  // MARK: a folder

  private func files(_ wants: (String) -> Bool) throws -> [(path: String, content: Data)] {
    var taken: [(path: String, content: Data)] = []
    var bytes = 0
    var seen = 0
    let walk = FileManager.default.enumerator(atPath: path)
    while let name = walk?.nextObject() as? String {
      seen += 1
      guard seen <= Bounds.members else { throw failure("more than \(Bounds.members) files") }
      guard walk?.fileAttributes?[.type] as? FileAttributeType == .typeRegular, wants(name) else { continue }
      // What has become a link since is refused; a file below /proc says 0 bytes and has some.
      let descriptor = open(path + "/" + name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
      guard descriptor >= 0 else { continue }
      let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
      guard let content = try? handle.read(upToCount: limits.member + 1), content.count <= limits.member
      else { continue }
      bytes += content.count
      guard bytes <= limits.all, taken.count < limits.members else {
        throw failure("more than \(Bounds.text(limits.all)) of what is read of it")
      }
      taken.append((name, content))
    }
    return taken
  }

  /// Keeps the members that are wanted.
  private struct Taking: TarReader.Sink {
    let limits: Limits
    let wants: (String) -> Bool
    private(set) var taken: [(path: String, content: Data)] = []
    private(set) var isBeyond = false
    private var bytes = 0
    private var isWanted = false

    init(_ limits: Limits, _ wants: @escaping (String) -> Bool) {
      (self.limits, self.wants) = (limits, wants)
    }

    mutating func begin(_ path: String, _ member: TarReader.Member) {
      isWanted = false
      guard case .file(let size) = member, size <= limits.member, wants(path) else { return }
      guard bytes + size <= limits.all, taken.count < limits.members else {
        isBeyond = true
        return
      }
      bytes += size
      isWanted = true
      taken.append((path, Data()))
    }

    mutating func content(_ bytes: UnsafeRawBufferPointer) {
      guard isWanted else { return }
      taken[taken.count - 1].content.append(contentsOf: bytes)
    }
  }
}
