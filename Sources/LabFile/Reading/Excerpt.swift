extension Mistake {
  /// The line with what is meant marked in it; none where the whole file is meant.
  ///
  ///        12 |     close: server
  ///           |     ^~~~~
  ///
  /// A long line is cut on both sides.
  ///
  /// - Parameter shown: the text as a terminal shows it and does not obey it.
  public func excerpt(shown: (String) -> String) -> [String] {
    guard let source, let line, let column else { return [] }
    let scalars = Array(source.unicodeScalars)
    let start = min(max(column - 1, 0), scalars.count)
    let end = min(start + max(length, 1), scalars.count)
    func text(_ range: Range<Int>) -> String {
      shown(String(String.UnicodeScalarView(scalars[range])))
    }
    let marked = String(text(start..<end).prefix(Self.width))
    var (before, after) = (text(0..<start), text(end..<scalars.count))
    if before.count > Self.width / 2 { before = "..." + before.suffix(Self.width / 2 - 3) }
    let room = max(0, Self.width - before.count - marked.count)
    if after.count > room { after = after.prefix(max(0, room - 3)) + "..." }
    let number = "\(line)"
    let margin = String(repeating: " ", count: max(5, number.count))
    let place = String(repeating: " ", count: Self.columns(before))
    let tail = String(repeating: "~", count: max(0, Self.columns(marked) - 1))
    return [
      "\(margin.dropFirst(number.count))\(number) | \(before)\(marked)\(after)",
      "\(margin) | \(place)^\(tail)",
    ]
  }

  /// Characters of a line that are shown.
  private static let width = 100

  /// How many columns of a terminal a text takes: two for an East Asian wide character, none for a mark on another.
  private static func columns(_ text: String) -> Int {
    text.unicodeScalars.reduce(0) { sum, scalar in
      switch scalar.properties.generalCategory {
      case .nonspacingMark, .enclosingMark, .format: return sum
      default: break
      }
      switch scalar.value {
      case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f,
        0xff00...0xff60,
        0xffe0...0xffe6, 0x1f300...0x1faff, 0x20000...0x3fffd:
        return sum + 2
      default: return sum + 1
      }
    }
  }
}
