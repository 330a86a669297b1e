/// A file's text by lines, as YAML counts them: for places, and for what mistakes show.
struct SourceLines {
  let text: [Unicode.Scalar]
  /// Where each line begins.
  let starts: [Int]

  init(_ text: [Unicode.Scalar]) {
    self.text = text
    var starts = [0]
    for (index, scalar) in text.enumerated() {
      switch scalar {
      case "\r" where index + 1 < text.count && text[index + 1] == "\n": break
      case "\r", "\n", "\u{85}", "\u{2028}", "\u{2029}": starts.append(index + 1)
      default: break
      }
    }
    self.starts = starts
  }

  /// The scalars of a line, counted from 1, without its end.
  private func scalars(ofLine line: Int) -> ArraySlice<Unicode.Scalar>? {
    guard starts.indices.contains(line - 1) else { return nil }
    let end = line < starts.count ? starts[line] : text.count
    var scalars = text[starts[line - 1]..<end]
    while let last = scalars.last, ["\r", "\n", "\u{85}", "\u{2028}", "\u{2029}"].contains(last) {
      scalars.removeLast()
    }
    return scalars
  }

  /// A line, and how much of it is meant from a column on: the text that was read there, else a word or what is quoted.
  func excerpt(line: Int, column: Int, text: String?) -> (source: String?, length: Int) {
    guard let scalars = scalars(ofLine: line) else { return (nil, 1) }
    let rest = Array(scalars.dropFirst(column - 1))
    return (String(String.UnicodeScalarView(scalars)), max(1, Self.length(rest, text)))
  }

  private static func length(_ rest: [Unicode.Scalar], _ text: String?) -> Int {
    guard let first = rest.first else { return 1 }
    if first == "\"" || first == "'" {
      return rest.dropFirst().firstIndex(of: first).map { $0 + 1 } ?? rest.count
    }
    // A text that goes on in the next line is meant as far as this one goes.
    if let text, !text.isEmpty {
      return zip(rest, text.unicodeScalars).prefix { $0 == $1 }.count
    }
    let end = rest.indices.first { index in
      switch rest[index] {
      case ",", "]", "}", "{", "[": true
      case ":", " ": index + 1 == rest.count || rest[index] == " " || rest[index + 1] == " "
      default: false
      }
    }
    return end ?? rest.count
  }
}
