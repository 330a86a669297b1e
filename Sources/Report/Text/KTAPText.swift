/// Lines of KTAP.
typealias KTAPText = FormatText<KTAP>

enum KTAP: TextFormat {
  /// For diagnostics. What tells kunit.py that the kernel's output is over (`KTAP_END`, kunit_parser.py), and a
  /// guest that could not boot does say, is parted by a space.
  static func escaped(_ text: String) -> String {
    var result = Visible.line(text)
    for end in ["List of all partitions", "Kernel panic - not syncing", "reboot"] {
      result = result.replacing(end + ":", with: end + " :")
    }
    return result
  }
}

extension FormatText.Interpolation where Format == KTAP {
  /// What stands in a result line: there a number sign begins a directive, unless a backslash is before it (TAP 14,
  /// "Escaping"), which must not have one before itself.
  mutating func appendInterpolation(inResult text: String) {
    var result = ""
    for character in KTAP.escaped(text) {
      if character == "#" { result += result.hasSuffix("\\") ? " \\" : "\\" }
      result.append(character)
    }
    append(escaped: result)
  }
}
