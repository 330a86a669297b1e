/// What passes between the lab and a guest: a line `ID KIND LENGTH`, then so many bytes.
///
/// Both sides read it as a stream, so neither ever holds a whole answer in memory.
public struct Frame: Sendable, Equatable {
  /// What a frame carries.
  public enum Kind: String, Sendable {
    /// To the guest: modules to load first (names of bundles, then a line feed), then a request for a worker.
    case request = "r"
    /// To the guest: modules to load first, as for a request, then settings of the first namespace, `path value` per line.
    case settings = "s"
    /// To the guest: end that worker.
    case kill = "k"
    /// To the guest: a shell on a terminal (``TerminalOrder``). It ends with its exit status.
    case terminal = "t"
    /// To the guest: what is typed on that terminal, or what that worker is to read.
    case input = "i"
    /// To the guest: that terminal's new size (``TerminalSize``).
    case window = "w"
    /// From the guest, first of all: what booted.
    case hello = "h"
    /// From the guest: what a worker wrote to its standard output, as it comes.
    case output = "o"
    /// From the guest: what a worker wrote to its standard error.
    case errors = "e"
    /// From the guest, last of an id: empty, or why it did not end well.
    case end = "x"
  }

  /// Chosen by the lab, one per request; 0 is the guest itself.
  public var id: Int
  public var kind: Kind
  public var payload: [UInt8]

  /// Makes a frame.
  public init(id: Int, kind: Kind, payload: [UInt8]) {
    self.id = id
    self.kind = kind
    self.payload = payload
  }

  /// As sent.
  public var bytes: [UInt8] { Array("\(id) \(kind.rawValue) \(payload.count)\n".utf8) + payload }

  /// Cuts a stream of bytes into frames.
  public struct Reader: Sendable {
    private var rest: [UInt8] = []
    /// A request with its kernel is some 30 kB, and what a worker writes comes in pieces of one read.
    private static let longest = 64 << 20

    public init() {}

    /// The frames that are complete with these bytes; nil where the stream makes no sense.
    public mutating func add(_ bytes: some Sequence<UInt8>) -> [Frame]? {
      rest += bytes
      var frames: [Frame] = []
      var at = 0
      while let end = rest[at...].firstIndex(of: UInt8(ascii: "\n")) {
        let words = rest[at..<end].split(separator: UInt8(ascii: " ")).map {
          String(decoding: $0, as: UTF8.self)
        }
        guard words.count == 3, let id = Int(words[0]), let kind = Kind(rawValue: words[1]),
          let length = Int(words[2]), (0...Self.longest).contains(length)
        else { return nil }
        guard rest.count - end - 1 >= length else { break }
        frames.append(Frame(id: id, kind: kind, payload: Array(rest[end + 1..<end + 1 + length])))
        at = end + 1 + length
      }
      rest.removeFirst(at)
      // A header has an end.
      return rest.count > 64 && !rest.prefix(64).contains(UInt8(ascii: "\n")) ? nil : frames
    }
  }
}
