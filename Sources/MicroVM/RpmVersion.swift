import Model

/// What rpm(8) orders packages by: epoch, version and release, compared as `rpmVersionCompare` and `rpmvercmp`
/// (rpmio/rpmvercmp.c) compare them, which is not how dpkg does.
struct RpmVersion: Sendable, Comparable, CustomStringConvertible {
  var epoch: Int
  var version: String
  var release: String

  /// `6.8.5-301.fc40`, with the epoch before it where there is one.
  var description: String { (epoch == 0 ? "" : "\(epoch):") + "\(version)-\(release)" }

  static func < (left: Self, right: Self) -> Bool {
    if left.epoch != right.epoch { return left.epoch < right.epoch }
    let order = compare(left.version, right.version)
    return (order != 0 ? order : compare(left.release, right.release)) < 0
  }

  /// Below, at or above 0. Numbers and letters by turns, whatever stands between them; `~` before the end, `^` after it
  /// and before anything else; a number after letters, and the longer after the shorter.
  static func compare(_ left: String, _ right: String) -> Int {
    if left == right { return 0 }
    let (tilde, caret) = (UInt8(ascii: "~"), UInt8(ascii: "^"))
    var (own, other) = (Array(left.utf8)[...], Array(right.utf8)[...])
    func isSeparator(_ byte: UInt8) -> Bool {
      !isDigit(byte) && !isLetter(byte) && byte != tilde && byte != caret
    }
    while !own.isEmpty || !other.isEmpty {
      own = own.drop(while: isSeparator)
      other = other.drop(while: isSeparator)
      if own.first == tilde || other.first == tilde {
        if own.first != tilde { return 1 }
        if other.first != tilde { return -1 }
        (own, other) = (own.dropFirst(), other.dropFirst())
        continue
      }
      if own.first == caret || other.first == caret {
        if own.isEmpty { return -1 }
        if other.isEmpty { return 1 }
        if own.first != caret { return 1 }
        if other.first != caret { return -1 }
        (own, other) = (own.dropFirst(), other.dropFirst())
        continue
      }
      guard let first = own.first, !other.isEmpty else { break }
      let isNumber = isDigit(first)
      let (mine, yours) = (
        own.prefix(while: isNumber ? isDigit : isLetter), other.prefix(while: isNumber ? isDigit : isLetter)
      )
      // Of another kind: a number is newer than letters.
      if yours.isEmpty { return isNumber ? 1 : -1 }
      let order = isNumber ? compare(numbers: mine, yours) : compare(letters: mine, yours)
      if order != 0 { return order }
      (own, other) = (own[mine.endIndex...], other[yours.endIndex...])
    }
    return own.isEmpty && other.isEmpty ? 0 : own.isEmpty ? -1 : 1
  }

  private static func compare(numbers left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
    let (own, other) = (left.drop { $0 == UInt8(ascii: "0") }, right.drop { $0 == UInt8(ascii: "0") })
    return own.count != other.count ? own.count - other.count : compare(letters: own, other)
  }

  private static func compare(letters left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
    left.elementsEqual(right) ? 0 : left.lexicographicallyPrecedes(right) ? -1 : 1
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }
}
