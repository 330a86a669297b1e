/// Words of a command that somebody is to copy.
public enum ShellWord {
  /// One word that a shell takes as this text and as nothing else: as it is where it can be, else in single quotes
  /// (POSIX Shell Command Language 2.2.2). What cannot be seen is written in `$'...'` (bash, zsh, ksh; POSIX.1-2024
  /// 2.2.4), so that a reader sees what is copied.
  public static func quoted(_ text: String) -> String {
    let plain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "_-+,./:@%=".utf8.contains(byte)
      }
    }
    // `=word` is a command's path in zsh.
    if plain, !text.isEmpty, !text.hasPrefix("=") { return text }
    if Visible.line(text) == text { return "'" + text.replacing("'", with: #"'\''"#) + "'" }
    var result = "$'"
    for character in text {
      let written = String(character)
      if character == "'" || character == "\\" {
        result += "\\" + written
      } else if Visible.line(written) == written {
        result += written
      } else {
        for byte in written.utf8 { result += #"\"# + octal(byte) }
      }
    }
    return result + "'"
  }

  /// `--name value`, and `--name=value` where the value looks like an option.
  public static func option(_ name: String, _ value: String) -> String {
    value.hasPrefix("-") ? "\(name)=\(quoted(value))" : "\(name) \(quoted(value))"
  }

  private static func octal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 8)
    return String(repeating: "0", count: 3 - digits.count) + digits
  }
}
