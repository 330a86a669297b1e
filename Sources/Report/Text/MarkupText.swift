/// Text of a page.
typealias HTMLText = FormatText<HTML>

/// Text of an XML 1.0 document.
typealias XMLText = FormatText<XML>

/// For elements' content and for attributes in double quotes, as all of the page's are.
enum HTML: TextFormat {
  static func escaped(_ text: String) -> String { entities(Visible.line(text)) }

  /// What HTML and XML give a meaning of their own.
  fileprivate static func entities(_ text: String) -> String {
    guard text.utf8.contains(where: { [0x22, 0x26, 0x27, 0x3c, 0x3e].contains($0) }) else { return text }
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A link to a file below the page's own folder: each part of the path percent-encoded (RFC 3986 3.3), so that it
  /// has no scheme, no query and no fragment; nil for a path that leads anywhere else.
  static func link(toFile path: String) -> String? {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard !path.isEmpty, !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else { return nil }
    return parts.map { part in
      part.utf8.map { byte in
        let scalar = Unicode.Scalar(byte)
        let plain = scalar.properties.isAlphabetic || scalar.properties.numericType != nil
        return byte < 0x80 && (plain || "-._~".unicodeScalars.contains(scalar))
          ? String(Character(scalar)) : "%" + hex(byte)
      }.joined()
    }.joined(separator: "/")
  }

  private static func hex(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
  }
}

extension FormatText.Interpolation where Format == HTML {
  /// JSON in an attribute: escaped for the page, and otherwise as it is, for a script reads it. What it says has
  /// been through ``Visible`` before it was encoded.
  mutating func appendInterpolation(json: String) { append(escaped: HTML.entities(json)) }
}

/// For content and for attributes in double quotes. Controls have been made visible, so that what is left are
/// characters of XML 1.0 (production 2, Char).
enum XML: TextFormat {
  static func escaped(_ text: String) -> String { HTML.entities(Visible.line(text)) }
}

extension FormatText.Interpolation where Format == XML {
  /// Lines of content.
  mutating func appendInterpolation(lines: [String]) {
    append(escaped: lines.map(XML.escaped).joined(separator: "\n"))
  }
}
