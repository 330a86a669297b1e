/// Words of a command that somebody is to copy.
public enum ShellWord {
  /// One word that a shell takes as this text and as nothing else: as it is where it can be, else in single quotes
  /// (POSIX Shell Command Language 2.2.2). What cannot be seen is written in `$'...'` (bash, zsh, ksh; POSIX.1-2024
  /// 2.2.4), so that a reader sees what is copied.
  public static func quoted(_ text: String) -> String {
    // `=word` is a command's path in zsh, `::` a CI's command.
    if !text.isEmpty, text.utf8.allSatisfy(isPlain), !text.hasPrefix("="), !text.hasPrefix("::") {
      return text
    }
    if Visible.line(text) == text { return "'" + text.replacing("'", with: #"'\''"#) + "'" }
    var result = "$'"
    for scalar in text.unicodeScalars {
      let written = String(scalar)
      let isSeen =
        scalar.isASCII
        ? written.utf8.allSatisfy { isPlain($0) && $0 != UInt8(ascii: ":") } : !Visible.acts(written)
      result += isSeen ? written : written.utf8.map { #"\"# + octal($0) }.joined()
    }
    return result + "'"
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "_-+,./:@%=".utf8.contains(byte)
    }
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
