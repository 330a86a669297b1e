import Foundation
import Model

/// What depmod(8) and the kernel's build write beside modules: `modules.dep`, `modules.softdep`, `modules.alias`,
/// `modules.builtin` and `modules.builtin.modinfo`. Each line says by its form what it is, so one reader has them all.
/// Any bytes may come: what is no such line is passed over.
public struct ModuleIndex: Equatable, Sendable {
  /// `modules.dep`: module to what it needs, as written: the last must be loaded first.
  public private(set) var depends: [String: [String]] = [:]
  /// `modules.softdep`: module to what should be tried before.
  public private(set) var before: [String: [String]] = [:]
  /// The same, for after.
  public private(set) var after: [String: [String]] = [:]
  /// `modules.builtin`: what is in the kernel itself.
  public private(set) var builtin: Set<String> = []
  /// `modules.alias`: plain aliases to modules. Patterns, as devices have them, are in ``patterns``.
  public private(set) var aliases: [String: [String]] = [:]
  /// Aliases with `*`, `?` or `[`.
  public private(set) var patterns: [(pattern: String, module: String)] = []
  /// Aliases of what is in the kernel itself (`modules.builtin.modinfo`).
  public private(set) var builtinAliases: Set<String> = []

  /// Files of a folder of modules that are read, where they are there.
  static let names = [
    "modules.dep", "modules.softdep", "modules.alias", "modules.builtin", "modules.builtin.modinfo",
  ]

  init() {}

  /// Reads one file, or several after each other.
  /// - Throws: `Failure` where it is larger than any such file.
  public init(bytes: Data) throws(Failure) { try add(bytes) }

  /// Adds another file.
  mutating func add(_ bytes: Data) throws(Failure) {
    guard bytes.count <= Bounds.index else {
      throw Bounds.exceeded("modules", "index", Bounds.text(Bounds.index))
    }
    // modules.builtin.modinfo ends its entries by NUL.
    for line in bytes.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == 0 }) where line.count <= 65536
    {
      add(line: String(decoding: line, as: UTF8.self))
    }
  }

  private mutating func add(line: String) {
    let words = line.split(separator: " ")
    guard let first = words.first, first.first != "#" else { return }
    switch first {
    case "alias" where words.count == 3: add(alias: String(words[1]), of: ModuleName.canonical(words[2]))
    case "softdep" where words.count > 2:
      let parts = Softdep(words.dropFirst(2))
      let name = ModuleName.canonical(words[1])
      before[name, default: []] += parts.before
      after[name, default: []] += parts.after
    default:
      if first.hasSuffix(":"), let name = ModuleName.of(path: first.dropLast()) {
        depends[name] = words.dropFirst().compactMap { ModuleName.of(path: $0) }
      } else if words.count == 1, let name = ModuleName.of(path: first) {
        builtin.insert(name)
      } else if let equals = line.firstRange(of: ".alias=") {
        builtinAliases.insert(ModuleName.canonical(line[equals.upperBound...]))
      }
    }
  }

  /// Adds what a module itself says.
  mutating func add(alias: String, of module: String) {
    let alias = ModuleName.canonical(alias)
    if alias.contains(where: { "*?[".contains($0) }) {
      patterns.append((alias, module))
    } else if aliases[alias]?.contains(module) != true {
      aliases[alias, default: []].append(module)
    }
  }

  /// The modules that an alias stands for.
  func modules(called name: String) -> [String] {
    // Brackets stand in aliases of devices alone, which no module asks for.
    let more = patterns.filter { !$0.pattern.contains("[") && Glob($0.pattern).matches(name) }.map(\.module)
    return (aliases[name] ?? []) + more.filter { aliases[name]?.contains($0) != true }
  }

  /// Whether the kernel itself has what a name or an alias asks for.
  func isBuiltin(_ name: String) -> Bool { builtin.contains(name) || builtinAliases.contains(name) }

  public static func == (left: ModuleIndex, right: ModuleIndex) -> Bool {
    left.depends == right.depends && left.before == right.before && left.after == right.after
      && left.builtin == right.builtin && left.aliases == right.aliases
      && left.builtinAliases == right.builtinAliases && left.patterns.elementsEqual(right.patterns, by: ==)
  }
}
