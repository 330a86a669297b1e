/// Text that fits a terminal of a certain width.
public enum Columns {
  /// What a terminal has unless somebody has made it wider (VT100).
  public static let width = 80

  /// The line in lines of at most so many characters, parted at spaces, or behind commas where a word alone is too
  /// long; what follows the first is indented by `hang` more than it. A word that cannot be parted stays whole.
  public static func fit(_ line: String, _ width: Int = width, hang: Int = 2) -> [String] {
    guard line.count > width else { return [line] }
    let indent = line.prefix { $0 == " " }.count
    let further = String(repeating: " ", count: min(indent + hang, max(indent, width / 2)))
    var lines: [String] = []
    var current = String(repeating: " ", count: indent)
    var isEmpty = true
    func end() {
      lines.append(current)
      current = further
      isEmpty = true
    }
    for (space, word) in words(line.dropFirst(indent)) {
      let gap = isEmpty ? "" : space
      if current.count + gap.count + word.count <= width {
        current += gap + word
        isEmpty = false
        continue
      }
      if !isEmpty, further.count + word.count <= width || !word.contains(",") { end() }
      var gapBefore = isEmpty ? "" : space
      for piece in pieces(word) {
        if !isEmpty, current.count + gapBefore.count + piece.count > width {
          end()
          gapBefore = ""
        }
        current += gapBefore + piece
        isEmpty = false
        gapBefore = ""
      }
    }
    if !isEmpty { lines.append(current) }
    return lines
  }

  /// A text whose lines were parted for another width: lines that follow one another are one paragraph; one that is
  /// indented or begins a list's item is its own.
  public static func paragraphs(_ text: String, _ width: Int = width) -> [String] {
    var paragraphs: [String] = []
    var isOpen = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
      let isText = !line.isEmpty && !line.hasPrefix(" ") && !line.hasPrefix("- ")
      if isText, isOpen, let last = paragraphs.popLast() {
        paragraphs.append(last + " " + line)
      } else {
        paragraphs.append(line)
      }
      isOpen = isText
    }
    return paragraphs.flatMap { fit($0, width, hang: $0.hasPrefix(" ") || $0.hasPrefix("- ") ? 2 : 0) }
  }

  /// Each word with the spaces before it.
  private static func words(_ text: Substring) -> [(space: String, word: String)] {
    var words: [(space: String, word: String)] = []
    var rest = text
    while !rest.isEmpty {
      let space = rest.prefix { $0 == " " }
      rest = rest.dropFirst(space.count)
      let word = rest.prefix { $0 != " " }
      rest = rest.dropFirst(word.count)
      if !word.isEmpty { words.append((String(space), String(word))) }
    }
    return words
  }

  /// A word behind each of its commas.
  private static func pieces(_ word: String) -> [String] {
    var pieces: [String] = []
    var piece = ""
    for character in word {
      piece.append(character)
      guard character == "," else { continue }
      pieces.append(piece)
      piece = ""
    }
    return piece.isEmpty ? pieces : pieces + [piece]
  }
}
