import Foundation

/// A value as JSON, keys sorted, a line's end at the end. What acts on a terminal (``Visible``) is written `\uXXXX`,
/// which is the same text to whoever reads JSON.
public func jsonDocument(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  var result = ""
  // Outside of strings all is ASCII, and inside there are no raw controls (RFC 8259, 7).
  for scalar in String(decoding: try encoder.encode(value), as: UTF8.self).unicodeScalars {
    let text = String(scalar)
    if !Visible.acts(text) {
      result.unicodeScalars.append(scalar)
    } else {
      for unit in text.utf16 {
        let digits = String(unit, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }
    }
  }
  return result + "\n"
}

extension Results {
  /// The results themselves, as `results.json` has them.
  public func json() throws -> String { try jsonDocument(self) }
}
