import Foundation
import Model

/// What a module says of itself: its section `.modinfo`, as `modinfo` prints it (scripts/mod/modpost.c).
/// Any bytes may come: what is no module for x86-64 is a `Failure`, in a time that is linear in them.
public struct ModuleInfo: Equatable, Sendable {
  /// Modules that must be there first, by name.
  public private(set) var depends: [String] = []
  /// Names or aliases that should be tried before (MODULE_SOFTDEP).
  public private(set) var before: [String] = []
  /// The same, for after.
  public private(set) var after: [String] = []
  /// Patterns by which it is asked for besides (MODULE_ALIAS).
  public private(set) var aliases: [String] = []
  /// The kernel that it was built for: the first word of its vermagic (include/linux/vermagic.h).
  public private(set) var release: String?

  /// Reads an unpacked module.
  public init(bytes: Data) throws(Failure) { try self.init(bytes: bytes, named: "module") }

  /// - Parameter path: what a failure calls the file.
  init(bytes: Data, named path: String) throws(Failure) {
    func refused(_ cause: String) -> Failure {
      Failure(
        stage: "module", object: Files.printable(path), cause: cause,
        mend: "name lib/modules/RELEASE of the same kernel, as its package has it")
    }
    let elf = Bytes(bytes)
    guard elf.number(0, 4) == 0x464c_457f else { throw refused("it is no ELF file, so no module") }
    // ET_REL, EM_X86_64, ELFCLASS64.
    guard elf.number(0x10, 2) == 1, elf.number(0x12, 2) == 62, elf.number(4, 1) == 2 else {
      throw refused("it is no module for x86-64")
    }
    guard let section = Self.section(".modinfo", in: elf) else {
      throw refused("the file is cut short, or says nothing")
    }
    for entry in section.split(separator: 0) {
      let text = String(decoding: entry, as: UTF8.self)
      guard let equals = text.firstIndex(of: "=") else { continue }
      add(text[..<equals], text[text.index(after: equals)...])
    }
  }

  private mutating func add(_ key: Substring, _ value: Substring) {
    switch key {
    case "depends": depends += value.split(separator: ",").map(ModuleName.canonical)
    case "alias": aliases.append(String(value))
    case "vermagic": release = value.split(separator: " ").first.flatMap { Release.checked(String($0)) }
    case "softdep":
      let parts = Softdep(value.split(whereSeparator: \.isWhitespace))
      before += parts.before
      after += parts.after
    default: break
    }
  }

  private static func section(_ name: String, in elf: Bytes) -> Data? {
    guard let headers = elf.number(0x28, 8), let size = elf.number(0x3a, 2), let count = elf.number(0x3c, 2),
      let names = elf.number(0x3e, 2), headers < UInt64(elf.count),
      let table = header(names, headers, size, elf)
    else { return nil }
    let wanted = Data(name.utf8 + [0])
    for index in 0..<count {
      guard let section = header(index, headers, size, elf), let offset = elf.number(section, 4),
        let strings = elf.number(table + 0x18, 8), strings < UInt64(elf.count),
        elf.slice(strings + offset, UInt64(wanted.count)) == wanted
      else { continue }
      guard let start = elf.number(section + 0x18, 8), let length = elf.number(section + 0x20, 8),
        length <= UInt64(Bounds.index)
      else { return nil }
      return elf.slice(start, length)
    }
    return nil
  }

  /// Where a section's header is: one past the file's end is none.
  private static func header(_ index: UInt64, _ headers: UInt64, _ size: UInt64, _ elf: Bytes) -> UInt64? {
    let at = headers + index * size
    return at + 0x40 <= UInt64(elf.count) ? at : nil
  }
}

/// The words of a softdep: `pre: a b post: c` (modprobe.d(5)).
struct Softdep {
  var before: [String] = []
  var after: [String] = []

  init(_ words: some Sequence<Substring>) {
    var isAfter: Bool?
    for word in words {
      switch word {
      case "pre:": isAfter = false
      case "post:": isAfter = true
      default:
        if isAfter == false { before.append(ModuleName.canonical(word)) }
        if isAfter == true { after.append(ModuleName.canonical(word)) }
      }
    }
  }
}

/// Names of modules.
enum ModuleName {
  /// `-` and `_` are the same to kmod.
  static func canonical(_ name: some StringProtocol) -> String {
    name.contains("-") ? name.replacingOccurrences(of: "-", with: "_") : String(name)
  }

  /// The module that a path names: `kernel/net/xt_nat.ko.xz` is `xt_nat`; nil where it names none. What it names may be
  /// a file's name anywhere.
  static func of(path: some StringProtocol) -> String? {
    guard let file = path.split(separator: "/").last, let dot = file.firstRange(of: ".ko") else { return nil }
    guard ["", ".xz", ".zst", ".gz"].contains(file[dot.upperBound...]) else { return nil }
    let name = canonical(file[..<dot.lowerBound])
    return isOne(name) ? name : nil
  }

  /// Letters, digits and `_`, at most 55 (MODULE_NAME_LEN, include/linux/moduleparam.h).
  static func isOne(_ name: String) -> Bool {
    (1...55).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }
}
