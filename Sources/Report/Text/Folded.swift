/// Lines of many that are alike, as those of a thousand clients are: told by the first, and how many more there are.
enum Folded {
  /// How many alike lines are told one by one.
  static let few = 8

  /// The lines in order; of those that differ from one another by numbers alone, where they are more than a few, the
  /// first three, with a line about the rest in the place of the fourth.
  ///
  /// - Parameters:
  ///   - text: what of an element is read.
  ///   - more: the line that says how many more are like the one before.
  static func lines<Line>(_ lines: [Line], text: (Line) -> String, more: (Int) -> Line) -> [Line] {
    guard lines.count > few else { return lines }
    let kinds = lines.map { kind(of: text($0)) }
    let counts = Dictionary(kinds.map { ($0, 1) }, uniquingKeysWith: +)
    var told: [String: Int] = [:]
    return zip(lines, kinds).compactMap { line, kind in
      let count = counts[kind] ?? 1
      told[kind, default: 0] += 1
      guard count > few, let place = told[kind], place > 3 else { return line }
      return place == 4 ? more(count - 3) : nil
    }
  }

  /// In words.
  static func more(_ count: Int) -> String { "... and \(count) more like these" }

  /// A line with each number as one sign.
  private static func kind(of line: String) -> String {
    var kind = ""
    for character in line {
      if !character.isNumber { kind.append(character) } else if kind.last != "#" { kind.append("#") }
    }
    return kind
  }
}
