/// What a format does with text that is not its own.
public protocol TextFormat: Sendable {
  /// The text as the format's parser gives it back, as text and as nothing else.
  static func escaped(_ text: String) -> String
}

/// Text of one format, e.g. of HTML.
///
/// There are two ways in: what this program's source says literally is the format's own, and what is put in by
/// interpolation is escaped. No `String` gets past that, so that nothing need be remembered where a report is
/// written:
///
///     let item: HTMLText = "<li>\(entry.id)</li>"
public struct FormatText<Format: TextFormat>: Sendable, Hashable, CustomStringConvertible,
  ExpressibleByStringInterpolation
{
  /// As it is written.
  public private(set) var description: String

  private init(written: String) { description = written }

  /// Nothing.
  public init() { description = "" }

  /// The program's own words: no string that is made at run time.
  public init(stringLiteral value: StaticString) { description = "\(value)" }

  /// A literal that is kept elsewhere.
  public init(_ literal: StaticString) { description = "\(literal)" }

  public init(stringInterpolation: Interpolation) { description = stringInterpolation.written }

  /// Collects the parts.
  public struct Interpolation: StringInterpolationProtocol {
    fileprivate var written = ""

    public init(literalCapacity: Int, interpolationCount: Int) {
      written.reserveCapacity(literalCapacity * 2)
    }

    public mutating func appendLiteral(_ literal: StaticString) { written += "\(literal)" }

    /// Any text, escaped.
    public mutating func appendInterpolation(_ text: some StringProtocol) {
      written += Format.escaped(String(text))
    }

    /// A number.
    public mutating func appendInterpolation(_ number: some BinaryInteger) { written += "\(number)" }

    /// Text of the format already.
    public mutating func appendInterpolation(_ text: FormatText) { written += text.description }

    /// For the formats' own kinds of places.
    mutating func append(escaped text: String) { written += text }
  }

  public static func + (left: FormatText, right: FormatText) -> FormatText {
    FormatText(written: left.description + right.description)
  }

  public static func += (left: inout FormatText, right: FormatText) { left.description += right.description }

  /// Whether it holds this, as written.
  public func contains(_ other: some StringProtocol) -> Bool { description.contains(other) }
}

extension FormatText.Interpolation {
  public typealias StringLiteralType = StaticString
}

extension Sequence {
  /// One after the other.
  public func joined<Format>(separator: FormatText<Format> = "") -> FormatText<Format>
  where Element == FormatText<Format> {
    var result = FormatText<Format>()
    for (index, text) in enumerated() { result += index == 0 ? text : separator + text }
    return result
  }
}
