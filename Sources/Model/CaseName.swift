/// A case's *dotted name*: one stable name for all machine formats and for file names, made from its
/// ``Case/id`` and from nothing else.
///
/// Its shape is `SCENARIO.AXIS_VALUE.AXIS_VALUE...`, or `SCENARIO.default` where there are no axes:
///
///     time-wait-clash/rfc1337=1,clock=behind   time-wait-clash.rfc1337_1.clock_behind
///     direct/default                           direct.default
///     x/mode=a:b                               x.mode_a-b.0f60a1f544df94c1
///
/// An id that cannot be read back from that (characters other than `a-z 0-9 _ -`, `_` in a value, an empty part,
/// a scenario or an axis that begins with a dash, more than ``limit`` characters) is cut and cleaned and gets
/// one more segment: 16 hexadecimal digits, the FNV-1a hash of the whole id's UTF-8. A clean name never ends in
/// such a segment, as its last one has a `_` or is `default`, so that clean names are unique by construction, and
/// unclean ones by 64 bits; ``collisions(among:)`` finds what is not.
///
/// What takes it:
/// - LAVA: a test case's name that is valid in a URL, of letters, digits, `-`, `_` and `.` (lava_results_app).
/// - KCIDB: `path`, segments of `[a-zA-Z0-9_-]` with dots between them (kcidb_io/schema). `pawslab.` before it
///   makes the path of a test, ``segments`` are what is below.
/// - KTAP and TAP: no `#`, no space. JUnit: no character that XML gives a meaning.
/// - File systems: lower case only, so that two never are one file where case is ignored; never `.`, `..`, a
///   leading dash or dot; with `.pcapng.partial` behind it below 255 bytes.
///
/// It does not say on which kernel: formats that have a suite or a set put the kernel there, the folder of a run
/// has a folder per kernel. It is the same in every version of the lab: dashboards keep histories by it.
public struct CaseName: Sendable, Hashable, CustomStringConvertible {
  /// The whole name.
  public let description: String

  /// Characters that a name has at most.
  public static let limit = 200

  /// Makes the name of the case with this id. Every text has one, however strange.
  public init(id: String) {
    if let clean = Self.clean(id) {
      description = clean
      return
    }
    let hash = String(Self.fnv1a(id), radix: 16)
    let digest = String(repeating: "0", count: 16 - hash.count) + hash
    description = Self.cleaned(id, limit: Self.limit - 1 - digest.count) + "." + digest
  }

  /// The name of a case.
  public init(_ test: Case) { self.init(id: test.id) }

  /// What is between the dots: the scenario, then an axis and its value each; none is empty.
  public var segments: [String] { description.split(separator: ".").map(String.init) }

  /// Ids that have one name although they differ: none, but for one chance in 2^64 a pair. Whoever writes files
  /// or a format by these names asks first.
  public static func collisions(among ids: some Sequence<String>) -> [(first: String, second: String)] {
    var known: [CaseName: String] = [:]
    var found: [(String, String)] = []
    for id in ids {
      let name = CaseName(id: id)
      // By bytes: == takes two spellings of one letter (é, e and an accent) for the same.
      if let first = known[name], !first.utf8.elementsEqual(id.utf8) { found.append((first, id)) }
      known[name] = id
    }
    return found
  }

  /// The name that can be read back; nil where there is none.
  private static func clean(_ id: String) -> String? {
    let halves = id.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard halves.count == 2, id.utf8.count <= limit, isWord(halves[0]) else { return nil }
    if halves[1] == "default" { return "\(halves[0]).default" }
    var name = String(halves[0])
    for part in halves[1].split(separator: ",", omittingEmptySubsequences: false) {
      let pair = part.split(separator: "=", omittingEmptySubsequences: false)
      guard pair.count == 2, isWord(pair[0]), !pair[1].isEmpty,
        pair[1].utf8.allSatisfy({ isPlain($0) && $0 != UInt8(ascii: "_") })
      else { return nil }
      name += ".\(pair[0])_\(pair[1])"
    }
    return name
  }

  /// Of plain characters, the first no dash.
  private static func isWord(_ text: Substring) -> Bool {
    !text.isEmpty && !text.hasPrefix("-") && text.utf8.allSatisfy(isPlain)
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
      UInt8(ascii: "-"):
      true
    default: false
    }
  }

  /// What can be kept of an id, for people to know it by: `case` where nothing can.
  private static func cleaned(_ id: String, limit: Int) -> String {
    var bytes: [UInt8] = []
    var scenarioIsOver = false
    for byte in id.utf8.prefix(limit) {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): bytes.append(byte + 32)
      case UInt8(ascii: "="): bytes.append(UInt8(ascii: "_"))
      case UInt8(ascii: ","): bytes.append(UInt8(ascii: "."))
      case UInt8(ascii: "/") where !scenarioIsOver:
        scenarioIsOver = true
        bytes.append(UInt8(ascii: "."))
      default: bytes.append(isPlain(byte) ? byte : UInt8(ascii: "-"))
      }
    }
    let segments = bytes.split(separator: UInt8(ascii: "."))
      .map { $0.drop { $0 == UInt8(ascii: "-") } }.filter { !$0.isEmpty }
    let text = segments.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".")
    return text.isEmpty ? "case" : text
  }

  /// FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/).
  private static func fnv1a(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
  }
}
