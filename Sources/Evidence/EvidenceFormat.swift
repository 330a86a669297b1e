/// The format of what is seen and kept: of an observation, wherever it goes, and of the files of a run's folder. One
/// number for all of them; what has another is not decoded.
///
/// It rises with every change by which what was written before could not be read, or would be read as something else.
/// Files of before are made into today's in one place (Report's `Legacy`); between lab and worker there are none.
public struct EvidenceFormat: Sendable, Hashable, CustomStringConvertible {
  /// What this program writes.
  public static let current = 4
  /// The number.
  public let number: Int

  /// Today's.
  public init() { number = Self.current }

  /// `4`
  public var description: String { "\(number)" }

  /// What is said of another number, where those from `oldest` on can be read.
  public static func mismatch(_ other: Int, oldest: Int = current) -> String {
    "of format \(other); this program reads \(oldest == current ? "" : "\(oldest) to ")\(current)"
  }
}

/// By its number.
extension EvidenceFormat: Codable {
  /// - Throws: `DecodingError` for every other number than today's.
  public init(from decoder: any Decoder) throws {
    let other = try decoder.singleValueContainer().decode(Int.self)
    guard other == Self.current else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: Self.mismatch(other)))
    }
    self.init()
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(number)
  }
}
