/// Packets on a link, as tcpdump prints them: `late > server Flags [S] <TS older> x2 then server > late Flags [.]`.
///
/// One line is one or more kinds of packets joined by `then`. Of all captured packets those that fit any of the kinds are
/// taken in the order of time, and they must be just these kinds in this order, each as often as it says (`x2`, `x1-3`;
/// once otherwise). What fits none is not looked at. `none` in front says that no packet fits.
///
/// A kind is `[at NODE] [of LABEL] FROM > TO Flags [S.] ...`:
/// - `at NODE`: on whose link it is looked for; without it that of `FROM`, and where that is no node that of `TO`;
/// - `of LABEL`: only packets of that step's connections;
/// - `FROM`, `TO`: ``EndPattern``;
/// - `Flags [S.]`: these and no others, in tcpdump's letters: S SYN, F FIN, R RST, P PUSH, `.` ACK;
/// - `seq 1`, `ack 3`, `seq 1:11`: relative to the connection that was last answered on its addresses and ports, whose SYN
///   and SYN-ACK have 0; so 0 for every SYN, and the old connection's numbers for what TIME_WAIT answers;
/// - `win 65535`, `length 1`;
/// - `<mss 1460,sackOK,TS val newer ecr 0,wscale 7>`, or `options [...]`: options that it has; `no TS` and so on that it
///   has not. `TS` alone, or its value as a number, or `older`, `newer`, `same`: than the newest TSval before it from
///   that end of the link's connection.
///
/// Commas between the words, `IP` in front and a colon behind `TO` may be as tcpdump has them.
public struct PacketPattern: Notation {
  /// What the packets must be, in order.
  public let kinds: [PacketKind]
  /// Whether there must be none.
  public let isNone: Bool
  private let text: String

  /// Reads it.
  public init(text: String) throws(NotationError) {
    self.text = text
    var words = PacketWords(text)
    isNone = words.take("none")
    var kinds: [PacketKind] = []
    repeat { kinds.append(try PacketKind(&words)) } while words.take("then")
    if let left = words.next() {
      throw NotationError("\"\(left)\" is no word of a packet: \(PacketKind.words)")
    }
    guard !isNone || kinds.count == 1 && kinds[0].count == nil else {
      throw NotationError("none is said of one kind of packet, without a number")
    }
    self.kinds = kinds
  }

  /// As written.
  public var description: String { text }

  /// Nodes that it names.
  public var nodes: [String] {
    kinds.flatMap { kind in
      [kind.node] + [kind.from, kind.to].map { $0.isAddress ? nil : $0.host }
    }.compactMap(\.self)
  }

  /// Labels of steps that it names.
  public var labels: [String] { kinds.compactMap(\.label) }
}

/// One kind of packet of a ``PacketPattern``.
public struct PacketKind: Sendable, Hashable {
  /// Whose link; nil where it follows from the ends.
  public private(set) var node: String?
  /// Whose connections; nil for all.
  public private(set) var label: String?
  public private(set) var from: EndPattern
  public private(set) var to: EndPattern
  /// As in a TCP header; nil for any.
  public private(set) var flags: UInt8?
  public private(set) var sequence: Int?
  /// The sequence number behind its data.
  public private(set) var sequenceEnd: Int?
  public private(set) var acknowledgement: Int?
  public private(set) var window: Int?
  public private(set) var length: Int?
  public private(set) var options: [PacketOption] = []
  /// How often; nil is once.
  public private(set) var count: Amount?

  static let words = "at, of, Flags [...], seq, ack, win, length, <options>, x2 or then"

  init(_ words: inout PacketWords) throws(NotationError) {
    if words.take("at") { node = try words.required("a node behind at") }
    if words.take("of") { label = try words.required("a label behind of") }
    _ = words.take("IP") || words.take("IP6")
    from = try EndPattern(Substring(words.required("the end that sends")))
    guard words.take(">") else {
      throw NotationError("\(from) is not followed by > and the end that receives")
    }
    to = try EndPattern(Substring(words.required("the end that receives behind >")))
    while let word = words.peek(), word != "then" {
      words.drop()
      switch word {
      case "Flags": flags = try Self.flags(words.required("letters behind Flags, as in Flags [S.]"))
      case "seq":
        let parts = try words.required("a number behind seq").split(separator: ":")
        sequence = try Self.number(parts.first)
        if parts.count > 1 { sequenceEnd = try Self.number(parts[1]) }
      case "ack": acknowledgement = try Self.number(words.required("a number behind ack")[...])
      case "win": window = try Self.number(words.required("a number behind win")[...])
      case "length": length = try Self.number(words.required("a number behind length")[...])
      case "options": options += try PacketOption.list(words.required("[...] behind options"))
      case _ where word.first == "<": options += try PacketOption.list(word)
      default:
        guard let times = try Amount.times(word[...]) else {
          throw NotationError("\"\(word)\" is no word of a packet: \(Self.words)")
        }
        count = times
      }
    }
  }

  private static func number(_ text: Substring?) throws(NotationError) -> Int {
    guard let text, let number = Int(text), (-0x8000_0000...0xffff_ffff).contains(number) else {
      throw NotationError("\"\(text ?? "")\" is no number")
    }
    return number
  }

  private static func flags(_ text: String) throws(NotationError) -> UInt8 {
    let letters: [Character: UInt8] = [
      "F": 0x01, "S": 0x02, "R": 0x04, "P": 0x08, ".": 0x10, "U": 0x20, "E": 0x40, "W": 0x80,
    ]
    guard text.first == "[", text.last == "]" else {
      throw NotationError("\"\(text)\": flags stand in brackets, as in Flags [S.]")
    }
    var flags: UInt8 = 0
    for letter in text.dropFirst().dropLast() where text != "[none]" {
      guard let flag = letters[letter] else {
        throw NotationError("\"\(letter)\" in \(text) is no flag; they are S, F, R, P, . (ACK), U, E, W")
      }
      flags |= flag
    }
    return flags
  }
}

/// A TCP option that a packet has or has not.
public enum PacketOption: Sendable, Hashable {
  /// It has none of that kind.
  case no(Kind)
  case mss(Int?)
  case sackOK
  case windowScale(Int?)
  case timestamp(value: Stamp?, echo: Int?)

  public enum Kind: String, Sendable, CaseIterable { case mss, sackOK, wscale, TS }

  /// A TSval, exactly or beside those before it.
  public enum Stamp: Sendable, Hashable {
    case exactly(Int), older, newer, same
  }

  /// `[mss 1460,TS val older ecr 0,no wscale]`, in any brackets.
  static func list(_ text: String) throws(NotationError) -> [PacketOption] {
    guard ["[]", "<>"].contains("\(text.first ?? " ")\(text.last ?? " ")") else {
      throw NotationError("\"\(text)\": options stand in brackets, as in <mss 1460,no TS>")
    }
    var options: [PacketOption] = []
    for part in text.dropFirst().dropLast().split(separator: ",") {
      let words = part.split(separator: " ")
      guard words != ["nop"], words != ["eol"], !words.isEmpty else { continue }
      options.append(try option(words, part))
    }
    return options
  }

  private static func option(_ words: [Substring], _ part: Substring) throws(NotationError) -> PacketOption {
    let known = "mss 1460, sackOK, wscale 7, TS, TS val older ecr 0, or no before one of them"
    switch (words[0], words.count) {
    case ("no", 2):
      guard let kind = Kind(rawValue: String(words[1])) else { break }
      return .no(kind)
    case ("mss", 1): return .mss(nil)
    case ("mss", 2): if let number = Int(words[1]) { return .mss(number) }
    case ("sackOK", 1): return .sackOK
    case ("wscale", 1): return .windowScale(nil)
    case ("wscale", 2): if let number = Int(words[1]) { return .windowScale(number) }
    case ("TS", _):
      var (value, echo): (Stamp?, Int?) = (nil, nil)
      var rest = words.dropFirst()
      while let word = rest.popFirst() {
        switch word {
        case "older": value = .older
        case "newer": value = .newer
        case "same": value = .same
        case "val":
          switch rest.first {
          case "older", "newer", "same": continue
          case let text?:
            guard let number = Int(text) else { throw NotationError("\"\(part)\": \(text) is no number") }
            value = .exactly(number)
            rest.removeFirst()
          case nil: throw NotationError("\"\(part)\": nothing stands behind val")
          }
        case "ecr":
          guard let text = rest.popFirst(), let number = Int(text) else {
            throw NotationError("\"\(part)\": no number stands behind ecr")
          }
          echo = number
        default: throw NotationError("\"\(part)\": write TS, TS val 1 ecr 0, TS older, TS newer or TS same")
        }
      }
      return .timestamp(value: value, echo: echo)
    default: break
    }
    throw NotationError("\"\(part)\" is no option; they are \(known)")
  }
}

/// The words of a packet: brackets are one word, commas between words and tcpdump's colon are none.
struct PacketWords {
  private var words: [String] = []
  private var at = 0

  init(_ text: String) {
    var word = ""
    var closing: Character?
    func isArrow(_ index: String.Index) -> Bool {
      let after = text.index(after: index)
      return after == text.endIndex || text[after] == " "
    }
    for index in text.indices {
      let character = text[index]
      if let end = closing {
        word.append(character)
        guard character == end else { continue }
        (closing, word) = (nil, add(word))
      } else if character == " " || character == "," {
        word = add(word)
      } else if word.isEmpty,
        character == "[" && !text[index...].isAddress || character == "<" && !isArrow(index)
      {
        closing = character == "[" ? "]" : ">"
        word.append(character)
      } else {
        word.append(character)
      }
    }
    _ = add(word)
  }

  private mutating func add(_ word: String) -> String {
    let word = word.count > 1 && word.last == ":" ? String(word.dropLast()) : word
    if !word.isEmpty { words.append(word) }
    return ""
  }

  func peek() -> String? { at < words.count ? words[at] : nil }
  mutating func drop() { at += 1 }
  mutating func next() -> String? {
    defer { at += 1 }
    return peek()
  }
  mutating func take(_ word: String) -> Bool {
    guard peek() == word else { return false }
    at += 1
    return true
  }
  mutating func required(_ what: String) throws(NotationError) -> String {
    guard let word = next() else { throw NotationError("\(what) is missing") }
    return word
  }
}

extension Substring {
  /// Whether it begins with an address in brackets: `[2001:2::2]:8000`.
  fileprivate var isAddress: Bool {
    guard let end = firstIndex(of: "]") else { return false }
    return self[..<end].contains(":")
  }
}
