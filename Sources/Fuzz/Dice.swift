/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same throws, on every machine.
struct Dice: RandomNumberGenerator {
  private var state: UInt64

  /// Dice of one input: of a run's seed, a kind and a number.
  init(seed: UInt64, kind: String, index: Int) {
    state = seed
    for byte in kind.utf8 { state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    state ^= UInt64(truncatingIfNeeded: index) &* 0x9e37_79b9_7f4a_7c15
    _ = next()
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// From 0, below `count`, which is at least 1.
  mutating func below(_ count: Int) -> Int { Int(next() % UInt64(max(1, count))) }

  /// Once in `count` throws.
  mutating func once(in count: Int) -> Bool { below(count) == 0 }

  mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }

  /// A place in a list, or its end; short distances as often as long ones.
  mutating func range(in count: Int) -> Range<Int> {
    let start = below(count + 1)
    let longest = once(in: 2) ? 8 : count
    return start..<min(count, start + 1 + below(max(1, longest)))
  }
}
