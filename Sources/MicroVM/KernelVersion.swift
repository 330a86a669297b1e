import Model

/// What kernels are ordered by: the upstream version with the distribution's own, compared as dpkg(1) compares versions
/// (deb-version(7)): by turns text and numbers, `~` before the end. A release candidate comes before its release.
public struct KernelVersion: Sendable, Comparable, CustomStringConvertible {
  /// `6.1.176-1`, or where a kernel says no more `6.1.0-tree`.
  public let description: String
  /// The same with `~rc` for `-rc`, cut where text and numbers meet: text first.
  private let parts: [String]

  /// Reads `uname -r`, or a package's version.
  public init(_ text: String) {
    description = text
    var parts: [String] = [""]
    var isNumber = false
    for character in text.replacing("-rc", with: "~rc") {
      let isDigit = character.isASCII && character.isNumber
      if isDigit != isNumber {
        parts.append("")
        isNumber = isDigit
      }
      parts[parts.count - 1].append(character)
    }
    self.parts = parts
  }

  /// Of a stored kernel. Debian's `uname -r` counts builds (6.1.0-50) of what its package says (6.1.176-1).
  public init(of kernel: StoredKernel) {
    let packaged = kernel.source.split(separator: " ").last.map(String.init) ?? ""
    func series(_ text: String) -> [Substring] { Array(text.split(separator: ".").prefix(2)) }
    self.init(
      series(packaged).count == 2 && series(packaged) == series(kernel.release) ? packaged : kernel.release)
  }

  public static func == (left: Self, right: Self) -> Bool { !(left < right) && !(right < left) }

  public static func < (left: Self, right: Self) -> Bool {
    for index in 0..<max(left.parts.count, right.parts.count) {
      let own = index < left.parts.count ? left.parts[index] : ""
      let other = index < right.parts.count ? right.parts[index] : ""
      let order = index % 2 == 0 ? compare(text: own, other) : compare(number: own, other)
      if order != 0 { return order < 0 }
    }
    return false
  }

  private static func compare(number left: String, _ right: String) -> Int {
    let (own, other) = (left.drop { $0 == "0" }, right.drop { $0 == "0" })
    if own.count != other.count { return own.count - other.count }
    return own == other ? 0 : own < other ? -1 : 1
  }

  /// `~`, then the end, then letters, then anything else.
  private static func compare(text left: String, _ right: String) -> Int {
    let (own, other) = (Array(left.utf8), Array(right.utf8))
    func weight(_ bytes: [UInt8], _ index: Int) -> Int {
      guard index < bytes.count else { return 0 }
      let byte = bytes[index]
      if byte == UInt8(ascii: "~") { return -1 }
      let isLetter = (65...90).contains(byte) || (97...122).contains(byte)
      return isLetter ? Int(byte) : Int(byte) + 256
    }
    for index in 0..<max(own.count, other.count) {
      let difference = weight(own, index) - weight(other, index)
      if difference != 0 { return difference }
    }
    return 0
  }
}

/// What a distribution builds of one version: kernels of two flavours differ by more than their version.
public enum KernelFlavour: String, Sendable {
  case cloud, rt, generic

  /// By `uname -r`, or the name of a package.
  public init(_ text: String) {
    self = text.contains("cloud") ? .cloud : text.contains("rt-") || text.hasSuffix("-rt") ? .rt : .generic
  }
}

extension KnownKernel {
  /// What it is built for.
  public var flavour: KernelFlavour { KernelFlavour(package.replacing("linux-image-", with: "")) }
}
