import Model

/// In which order modules are loaded: kmod's rules (libkmod's kmod_module_get_probe_list and
/// __kmod_module_fill_softdep). What a module depends on comes before it, and must load; what its softdeps name comes
/// before or after it, may be an alias, and need not.
struct ModuleOrder {
  /// One to be loaded.
  struct Entry: Equatable {
    var module: String
    /// Whether the rest is loaded though this one is not.
    var isOptional: Bool
  }

  /// What a module needs, as the tree knows it.
  struct Needs {
    var depends: [String] = []
    var before: [String] = []
    var after: [String] = []
  }

  private(set) var entries: [Entry] = []
  private var seen: Set<String> = []
  private let needs: (String) throws -> Needs?
  private let find: (String) throws -> [String]

  /// - Parameters:
  ///   - needs: of a module; nil where there is none of that name.
  ///   - find: the modules that a softdep's name stands for; none where it is built in or not there.
  init(needs: @escaping (String) throws -> Needs?, find: @escaping (String) throws -> [String]) {
    self.needs = needs
    self.find = find
  }

  /// Adds a module with all that it needs; nothing where it is not there.
  /// - Throws: `Failure` where one needs another in too long a row, or too many are needed.
  mutating func add(_ module: String) throws {
    var required: Set<String> = []
    try require(module, 0, &required)
    try visit(module, 0, required)
  }

  private func require(_ module: String, _ depth: Int, _ required: inout Set<String>) throws {
    guard depth <= Bounds.chain else {
      throw Bounds.exceeded("modules", module, "\(Bounds.chain) modules in a row")
    }
    guard !required.contains(module), let needs = try needs(module) else { return }
    required.insert(module)
    for name in needs.depends { try require(name, depth + 1, &required) }
  }

  private mutating func visit(_ module: String, _ depth: Int, _ required: Set<String>) throws {
    guard depth <= Bounds.chain else {
      throw Bounds.exceeded("modules", module, "\(Bounds.chain) modules in a row")
    }
    if seen.contains(module) {
      // What was only tried is now needed.
      guard required.contains(module), let at = entries.firstIndex(where: { $0.module == module }) else {
        return
      }
      entries[at].isOptional = false
      return
    }
    guard let needs = try needs(module) else { return }
    seen.insert(module)
    guard seen.count <= Bounds.modules else {
      throw Bounds.exceeded("modules", module, "\(Bounds.modules) modules")
    }
    for name in needs.depends { try visit(name, depth + 1, required) }
    for name in needs.before.prefix(Bounds.chain) {
      for module in try find(name).prefix(Bounds.chain) { try visit(module, depth + 1, required) }
    }
    entries.append(Entry(module: module, isOptional: !required.contains(module)))
    for name in needs.after.prefix(Bounds.chain) {
      for module in try find(name).prefix(Bounds.chain) { try visit(module, depth + 1, required) }
    }
  }
}
