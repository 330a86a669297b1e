/// Whose time passes in a guest.
public enum GuestTime: Codable, Sendable, Hashable {
  /// This machine's.
  case real
  /// The guest's own: a nanosecond an instruction, and an idle processor's clock is at its next timer at once. Nothing
  /// from outside comes in, so that a case sees the same, to the byte, whenever it runs; `seed` is where its random
  /// numbers come from.
  case virtual(seed: UInt64)

  /// The seed where there is one.
  public var seed: UInt64? { if case .virtual(let seed) = self { seed } else { nil } }
}
