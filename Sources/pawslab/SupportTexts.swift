import Diagnosis
import MicroVM

/// What a sosreport or a supportconfig has of the network, packed or as a folder.
enum SupportTexts {
  /// Each by the archive's name and its own; nil where it is neither an archive nor a folder.
  ///
  /// - Parameter withTables: whether the kernel's tables of sockets and of a director are wanted.
  static func of(_ path: String, withTables: Bool = false) throws -> [(name: String, text: String)]? {
    let limits = SupportArchive.Limits(
      member: SupportFiles.mostBytes, all: SupportFiles.mostOfAll, members: SupportFiles.mostMembers)
    guard
      let members = try SupportArchive(path, limits: limits).members({
        SupportFiles.wants($0, withTables: withTables)
      })
    else { return nil }
    return SupportFiles.texts(members.map { ($0.path, String(decoding: $0.content, as: UTF8.self)) })
      .map { ("\(path): \($0.0)", $0.1) }
  }
}
