/// What may stand at one place of a lab file: a key and what its value is.
///
/// The grammar is made of these. The reader interprets them, and the schema, the reference and the lists in messages
/// are printed from them, so that none of these can say something else than another.
public struct Field: Sendable {
  /// The key, e.g. `closes`.
  public var name: String
  /// What its value is.
  public var kind: FieldKind
  /// Whether it must be there.
  public var isRequired: Bool
  /// What counts where it is not there, as it would be written; nil where nothing does.
  public var byDefault: String?
  /// What it says, in one sentence without a full stop.
  public var summary: String

  /// ``byDefault`` of a group of clients that need not be named where there is one only.
  public static let onlyGroup = "the only group"

  public init(
    _ name: String, _ kind: FieldKind, isRequired: Bool = false, byDefault: String? = nil, _ summary: String
  ) {
    self.name = name
    self.kind = kind
    self.isRequired = isRequired
    self.byDefault = byDefault
    self.summary = summary
  }
}

/// What a value in a lab file is.
public indirect enum FieldKind: Sendable {
  /// A whole number within a range; the unit is for the reference, e.g. `ms`.
  case number(ClosedRange<Int>, unit: String? = nil)
  /// A number with a fraction within a range.
  case decimal(ClosedRange<Double>, unit: String? = nil)
  /// `true` or `false`.
  case flag
  /// One of some words.
  case word([String])
  /// Free text of at most so many characters, on one line.
  case text(atMost: Int)
  /// Free text with lines.
  case paragraphs
  /// A new name: letters, digits, `_` and `-` (``Words/isName(_:)``).
  case newName
  /// The name of something that the file has elsewhere.
  case name(Named)
  /// An offset of a clock: milliseconds, a name under `clocks`, and where that is meant `natural` or `off`.
  case clock(onlyOffsets: Bool)
  /// Ports, `FIRST-LAST` or one alone, within 1 to 65535.
  case ports
  /// An IPv4 or IPv6 address.
  case address
  /// Several, in square brackets, or one alone; at least one.
  case list(FieldKind, atMost: Int)
  /// Any number of entries, each key of the first kind and each value of the second.
  case entries(key: FieldKind, FieldKind)
  /// A mapping with these keys and no other.
  case record([Field])
  /// A mapping with these keys; any other key is of the one kind, and its value of the other.
  case open([Field], key: FieldKind, FieldKind)
  /// The first that fits.
  case either([FieldKind])
  /// Any single value, as it is written.
  case scalar
  /// What the setting takes that its key names (``Setting/values``).
  case settingValue
  /// What the parameter takes that its key names (``Named/parameter``).
  case parameterValue
  /// A point set of the matrix: each key an axis, its value one or several of that axis' values. Where asked for also
  /// `kernel`: capabilities, `no NAME` for what must be lacking.
  case condition(kernel: Bool)
  /// What a kernel has, or with `no` before it lacks (``Capability``).
  case capability
  /// What attempts do, and by which mechanism: `dropped by tw-paws`.
  case expectation
  /// `same as LABEL` or `other than LABEL`.
  case servedBy
  /// What must be seen, as a tool writes it (``Notation``).
  case notation(Notated)
  /// A step of the workload: a verb with its subject, and its options.
  case step

  /// What is written as some tool writes it.
  public enum Notated: String, Sendable, CaseIterable {
    /// ``Amount``
    case amount
    /// ``PacketPattern``
    case packets
    /// ``SocketPattern`` without its number.
    case sockets
    /// ``ConntrackPattern``
    case conntrack
    /// ``IPVSPattern``
    case ipvs
    /// An `enum skb_drop_reason`, without its prefix.
    case dropReason = "drop reason"
  }

  /// What a name may be the name of.
  public enum Named: String, Sendable, CaseIterable {
    /// A group of clients.
    case client
    /// A server: `server`, `server.2`, or a node that listens.
    case server
    /// Any node.
    case node
    /// A link or LAN.
    case link
    /// A node, or an address that has a name.
    case end
    /// What some step before calls its attempts.
    case label
    /// A sysctl that the lab knows (``Setting``).
    case setting
    /// A counter that some kernel has (``KnownCounters``).
    case counter
    /// An axis of the matrix: a parameter's path, `server.tcp_rfc1337`, or a name of its own.
    case axis
    /// A parameter's path: `family`, `hop.ports`, `late.clock`, `server.tcp_rfc1337`.
    case parameter
    /// A setting of a node: `server.tcp_rfc1337`.
    case nodeSetting = "node.setting"
  }
}

/// A verb of the workload: a step begins with it.
public struct Verb: Sendable {
  /// E.g. `connect`.
  public var name: String
  /// What it does, in one sentence without a full stop.
  public var summary: String
  /// What a shell would do; nil where there is no such thing.
  public var shell: String?
  /// What stands behind the verb itself.
  public var subject: FieldKind
  /// What else the step may say; every step may say `when`.
  public var options: [Field]
  /// Options of which a step has one at the most.
  public var apart: [[String]]
  /// A step as it would be written, one line.
  public var example: String

  public init(
    _ name: String, _ summary: String, shell: String? = nil, subject: FieldKind, options: [Field],
    apart: [[String]] = [], example: String
  ) {
    self.name = name
    self.summary = summary
    self.shell = shell
    self.subject = subject
    self.options = options
    self.apart = apart
    self.example = example
  }
}
