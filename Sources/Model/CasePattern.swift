/// A pattern that names cases: `*` is anything, `?` one character.
///
/// It is held against all that a case is called: its id, its scenario's name, and its dotted name, as the formats of
/// other tools have it.
public struct CasePattern: Sendable, CustomStringConvertible {
  /// As written.
  public let description: String
  private let glob: Glob

  /// Takes the pattern as written.
  public init(_ text: String) {
    description = text
    glob = Glob(text)
  }

  /// Whether a case is called so.
  public func matches(_ id: String, of scenario: String) -> Bool {
    glob.matches(id) || glob.matches(scenario) || glob.matches(CaseName(id: id).description)
  }

  /// Whether the case is called so.
  public func matches(_ test: Case) -> Bool { matches(test.id, of: test.scenario) }

  /// What was probably meant, where nothing is called so: the nearest scenario, then the nearest case; at most two.
  public func nearest(among cases: some Collection<(id: String, scenario: String)>) -> [String] {
    let word = description.filter { !"*?".contains($0) }
    let scenario = word.split(separator: "/").first.map(String.init) ?? word
    var found: [String] = []
    var names: [String] = []
    for name in cases.map(\.scenario) where !names.contains(name) { names.append(name) }
    if let near = Nearest.to(scenario, among: names) { found.append(near) }
    if word.contains("/") || found.isEmpty,
      let near = Nearest.to(word, among: cases.map(\.id)), !found.contains(near)
    {
      found.append(near)
    }
    return found
  }

  /// `did you mean ...?`, or the scenarios that there are.
  public func suggestion(among cases: some Collection<(id: String, scenario: String)>) -> String {
    let near = nearest(among: cases)
    guard near.isEmpty else { return "did you mean \(near.joined(separator: " or "))?" }
    let all = Set(cases.map(\.scenario)).sorted()
    return "there are \(all.prefix(20).joined(separator: ", "))" + (all.count > 20 ? " and more" : "")
  }
}
