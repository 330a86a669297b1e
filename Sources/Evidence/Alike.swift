/// Node to name to value, where many nodes have the same: of more than 32 nodes those that have what an earlier one has
/// (by name) are written as `{"=": "THAT NODE"}`, so that a thousand clients are as readable as one.
@propertyWrapper
public struct Alike: Codable, Sendable, Equatable {
  public var wrappedValue: [String: [String: String]]

  public init(wrappedValue: [String: [String: String]]) { self.wrappedValue = wrappedValue }

  /// Nodes that are written whole whatever they have.
  static let few = 32
  /// No setting is called so.
  private static let like = "="

  public init(from decoder: any Decoder) throws {
    let written = try [String: [String: String]](from: decoder)
    wrappedValue = try written.mapValues { values in
      guard let other = values[Self.like] else { return values }
      guard values.count == 1, let meant = written[other], meant[Self.like] == nil else {
        throw DecodingError.dataCorrupted(
          .init(codingPath: decoder.codingPath, debugDescription: "no node \(other) that others are like"))
      }
      return meant
    }
  }

  public func encode(to encoder: any Encoder) throws {
    guard wrappedValue.count > Self.few else { return try wrappedValue.encode(to: encoder) }
    var first: [[String: String]: String] = [:]
    var written = wrappedValue
    for name in wrappedValue.keys.sorted() {
      guard let values = wrappedValue[name], !values.isEmpty else { continue }
      if let other = first[values] { written[name] = [Self.like: other] } else { first[values] = name }
    }
    try written.encode(to: encoder)
  }
}
