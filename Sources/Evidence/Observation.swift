import Model

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Everything that a worker saw while it ran one case. Verdicts and reports need nothing else.
public struct Observation: Codable, Sendable, Equatable {
  /// How it is written.
  public private(set) var format = EvidenceFormat()
  /// Name of the case.
  public var caseID: String
  /// Every attempt, in the order in which they began.
  public var attempts: [Attempt] = []
  /// Packets on the link of every client and of the server, by time. Not coded with the rest: a worker tells them
  /// while it runs, a run keeps them as ``Pcapng``.
  public var packets: [Packet] = []
  /// Packets that the capture lost, per node (`PACKET_STATISTICS`). Not empty means that nothing can be judged.
  public var captureLosses: [String: Int] = [:]
  /// Packets that were seen and are not kept, for a file's size is bounded. More than 0 means that nothing can be
  /// judged again; nil is none.
  public var packetsNotKept: Int?
  /// Packets that were kept beside a saved observation, against which their file is held when it is read; nil
  /// anywhere else, and of a format that did not say.
  public var packetsKept: Int?
  /// Node to counter to value, before the workload; zeros left out.
  public var countersBefore: [String: [String: Int]] = [:]
  /// Node to counter to value, after the workload; zeros left out.
  public var countersAfter: [String: [String: Int]] = [:]
  /// Node to setting to value, as read back.
  @Alike public var settings: [String: [String: String]] = [:]
  /// Sockets by state on each node after every step (`ss -tan`).
  public var sockets: [SocketCensus] = []
  /// The servers' TIME_WAIT sockets while clients churn, several times a second.
  public var samples: [TimeWaitSample] = []
  /// Timestamps of other hosts that the servers remember, after every step (`ip tcp_metrics`; until 4.11).
  public var stamps: [StampCensus] = []
  /// The nodes' conntrack tables after steps that a witness asks for (`conntrack -L -p tcp`); nil where they were not read.
  public var conntrack: [ConntrackCensus]?
  /// The directors' connection tables, likewise (`ipvsadm -Lnc`).
  public var ipvs: [IPVSCensus]?
  /// Segments that the kernel threw away, and why, by its own word (`skb:kfree_skb`); nil where it was not asked.
  public var drops: [KernelDrop]?
  /// Drops of this kernel that were not heard, and may be among those that are missed; nil where it was not asked.
  public var dropsNotHeard: Int?
  /// What the kernel threw away meanwhile, whosever it was, where ``drops`` cannot be had; nil where it was not
  /// asked. Nothing is judged by it.
  public var dropHints: [DropHint]?
  /// The hop's rules as the tool was given them; where one of them may drop, as they were after the workload,
  /// with counters (`iptables-save -c` or `nft list ruleset`).
  public var rules: String = ""
  /// Which tool programmed the hop, e.g. `iptables-nft`.
  public var natBackend: String?
  /// How offsets were made, e.g. `tc-bpf`; nil where no client has one.
  public var clockMethod: String?
  /// What was added to the clients' TSvals, and since when.
  public var clockChanges: [ClockChange] = []
  /// The kernel's own TSval clock at a known time.
  public var clockReference: ClockReference?
  /// Programs of the lab file's, in the order in which they ran; nil where there were none.
  public var programs: [ProgramRun]?
  /// Processor seconds that the worker and its tools have used.
  public var processorSeconds: Double?
  /// How long each part of the set-up took, in milliseconds, in order.
  public var timings: [Timing] = []
  /// What broke while the case ran, where this is what was seen until then; nil where it was seen to its end. Looked
  /// at, and never judged.
  public var broke: String?

  /// All but ``packets``, held against the properties by a test: what is missing here would never be saved.
  enum CodingKeys: String, CodingKey, CaseIterable {
    case format, caseID, attempts, captureLosses, packetsNotKept, packetsKept, countersBefore, countersAfter,
      settings,
      sockets,
      samples, drops, dropsNotHeard, dropHints, stamps, rules, conntrack, ipvs
    case natBackend, clockMethod, clockChanges, clockReference, processorSeconds, timings, broke, programs
  }

  /// Starts an empty observation.
  public init(caseID: String) { self.caseID = caseID }

  /// What moved on a node: after minus before, without zeros.
  public func counters(of node: String) -> [String: Int] {
    let before = countersBefore[node] ?? [:]
    let after = countersAfter[node] ?? [:]
    var moved: [String: Int] = [:]
    for name in Set(before.keys).union(after.keys) {
      // Kernels count modulo 2^64.
      let change = (after[name] ?? 0) &- (before[name] ?? 0)
      if change != 0 { moved[name] = change }
    }
    return moved
  }
}

/// A program that a step has run.
public struct ProgramRun: Codable, Sendable, Equatable {
  /// Index of the step in the case's workload.
  public var step: Int
  /// The node in whose network it ran.
  public var node: String
  /// Its name and arguments.
  public var command: [String]
  /// Nanoseconds since 1970.
  public var began: Int64
  public var ended: Int64
  /// The exit status that it was to end with.
  public var expected: Int
  /// Its exit status; nil where a signal ended it.
  public var status: Int?
  /// The signal that ended it.
  public var signal: Int?
  /// Whether it was killed because its time was over; nil is no.
  public var isOverdue: Bool?
  /// The first 16 KiB of its standard output and standard error.
  public var output = ""
  public var errors = ""
  /// Bytes of both that were not kept; nil is none.
  public var notKept: Int?

  public init(
    step: Int, node: String, command: [String], began: Int64, ended: Int64, expected: Int
  ) {
    (self.step, self.node, self.command) = (step, node, command)
    (self.began, self.ended, self.expected) = (began, ended, expected)
  }

  /// Whether it ended as it was to.
  public var holds: Bool { status == expected }
}

/// One connection attempt, or one byte sent on an open connection.
public struct Attempt: Codable, Sendable, Equatable {
  /// What was tried.
  public enum Kind: String, Codable, Sendable { case connect, send }

  /// From 0, in the order of their beginning.
  public var id: Int
  /// Index of the step in the case's workload.
  public var step: Int
  /// What expectations call it.
  public var label: String
  /// What was tried.
  public var kind: Kind
  /// The client's node.
  public var client: String
  /// The client's own address and port, e.g. `198.18.0.2:40112`; nil if no port was had.
  public var local: String?
  /// The server's address and port.
  public var remote: String
  /// The pinned initial sequence number; nil where it is the kernel's.
  public var isn: UInt32?
  /// Nanoseconds since 1970 at the first `connect()` or `send()`.
  public var began: Int64
  /// Nanoseconds since 1970 when the outcome was known.
  public var ended: Int64
  /// How often `connect()` was called; more than 1 after EADDRNOTAVAIL.
  public var calls: Int
  /// Name of the errno it ended with, e.g. `ETIMEDOUT`; nil when it connected or the byte was acknowledged.
  public var errno: String?
  /// For a sent byte: whether the other end read it.
  public var read: Bool?
  /// The node of the server that accepted it; nil where none did.
  public var server: String?
  /// The client's address as that server's accept(2) gave it, e.g. `198.19.0.1:40000`.
  public var peer: String?
  /// What ended the connection at the client after it was connected: an errno's name, `ECONNRESET`, `FIN` for the
  /// server's, or ``aborted``; nil where it is open yet, or was closed by the client, and in old files.
  public var closed: String?
  /// The same at the server.
  public var closedAtServer: String?
  /// False where the handshake was done and the server's program has not answered; nil where it has, or there was none.
  public var answered: Bool?

  /// ``closed`` where the client has sent a RST in place of a FIN (SO_LINGER 0).
  public static let aborted = "abort"
  /// ``closed`` where the client's end was taken away without a packet (TCP_REPAIR and close(2)).
  public static let vanished = "vanish"

  /// Makes an attempt.
  public init(
    id: Int, step: Int, label: String, kind: Kind, client: String, local: String?, remote: String,
    isn: UInt32?, began: Int64, ended: Int64, calls: Int, errno: String?, read: Bool? = nil,
    server: String? = nil, peer: String? = nil, closed: String? = nil
  ) {
    self.id = id
    self.step = step
    self.label = label
    self.kind = kind
    self.client = client
    self.local = local
    self.remote = remote
    self.isn = isn
    self.began = began
    self.ended = ended
    self.calls = calls
    self.errno = errno
    self.read = read
    self.server = server
    self.peer = peer
    self.closed = closed
  }
}

/// One captured packet, from the Ethernet header on, cut at 192 bytes.
public struct Packet: Sendable, Equatable {
  /// The node whose interface saw it.
  public var node: String
  /// The interface, e.g. `eth0`.
  public var interface: String
  /// Nanoseconds since 1970 (`SO_TIMESTAMPNS`).
  public var time: Int64
  /// Whether the node sent it (`PACKET_OUTGOING`).
  public var outgoing: Bool
  /// Length on the wire.
  public var length: Int
  /// The first bytes.
  public var bytes: Data

  /// Makes a packet.
  public init(node: String, interface: String, time: Int64, outgoing: Bool, length: Int, bytes: Data) {
    self.node = node
    self.interface = interface
    self.time = time
    self.outgoing = outgoing
    self.length = length
    self.bytes = bytes
  }
}

/// Sockets by state on one node at one time.
public struct SocketCensus: Codable, Sendable, Equatable {
  /// Index of the step after which it was taken.
  public var step: Int
  /// The node.
  public var node: String
  /// State as `ss` names it (`TIME-WAIT`) to how many.
  public var states: [String: Int]
  /// Milliseconds that each TIME_WAIT socket has left, the least first; at most 100.
  public var timeWait: [Int]
  /// Each socket by its ends, at most 1,000; nil where they were only counted, and in old files.
  public var entries: [SocketEntry]?

  /// How many sockets a census tells one by one.
  public static let most = 1_000

  /// Makes a census.
  public init(
    step: Int, node: String, states: [String: Int], timeWait: [Int] = [], entries: [SocketEntry]? = nil
  ) {
    self.step = step
    self.node = node
    self.states = states
    self.timeWait = timeWait
    self.entries = entries
  }
}

/// A packet that a kernel threw away; which, and in which namespace, is not known.
public struct DropHint: Codable, Sendable, Equatable {
  /// Nanoseconds since 1970.
  public var time: Int64
  /// As in `enum skb_drop_reason`, without its prefix, e.g. `TCP_RFC7323_PAWS`.
  public var reason: String

  /// Makes a hint.
  public init(time: Int64, reason: String) {
    self.time = time
    self.reason = reason
  }
}

/// Segments that a kernel threw away alike.
public struct KernelDrop: Codable, Sendable, Equatable {
  /// The node in whose namespace it was.
  public var node: String
  /// As in `enum skb_drop_reason`, without its prefix, e.g. `TCP_RFC7323_PAWS`.
  public var reason: String
  /// As in the segment when it was thrown away, so perhaps before NAT.
  public var source: String
  public var sourcePort: Int
  public var destination: String
  public var destinationPort: Int
  public var sequence: UInt32
  /// How often.
  public var count: Int

  /// Makes a drop.
  public init(
    node: String, reason: String, source: String, sourcePort: Int, destination: String, destinationPort: Int,
    sequence: UInt32, count: Int
  ) {
    self.node = node
    self.reason = reason
    self.source = source
    self.sourcePort = sourcePort
    self.destination = destination
    self.destinationPort = destinationPort
    self.sequence = sequence
    self.count = count
  }
}

/// How many sockets the servers had in TIME_WAIT at one time.
public struct TimeWaitSample: Codable, Sendable, Equatable {
  /// Nanoseconds since 1970.
  public var time: Int64
  /// Sockets, all servers together.
  public var timeWait: Int

  /// Makes a sample.
  public init(time: Int64, timeWait: Int) {
    self.time = time
    self.timeWait = timeWait
  }
}

/// The timestamps that one node remembers at one time.
public struct StampCensus: Codable, Sendable, Equatable {
  /// Index of the step after which it was taken.
  public var step: Int
  /// The node.
  public var node: String
  /// One per pair of addresses.
  public var stamps: [Stamp]

  /// The last timestamp that was seen of a host.
  public struct Stamp: Codable, Sendable, Equatable {
    /// The host's address.
    public var remote: String
    /// The node's own; nil where the kernel keys by the remote address only (3.10).
    public var local: String?
    public var tsval: UInt32
    /// Seconds since it was stored.
    public var age: Int

    /// Makes a stamp.
    public init(remote: String, local: String?, tsval: UInt32, age: Int) {
      self.remote = remote
      self.local = local
      self.tsval = tsval
      self.age = age
    }
  }

  /// Makes a census.
  public init(step: Int, node: String, stamps: [Stamp]) {
    self.step = step
    self.node = node
    self.stamps = stamps
  }
}

/// The kernel's TSval clock, without any offset, at a known time (`getsockopt(TCP_TIMESTAMP)`).
public struct ClockReference: Codable, Sendable, Equatable {
  /// Nanoseconds since 1970.
  public var time: Int64
  /// TSval at that time.
  public var ticks: UInt32
  /// Ticks per second.
  public var ticksPerSecond: Int

  /// Makes a reference.
  public init(time: Int64, ticks: UInt32, ticksPerSecond: Int) {
    self.time = time
    self.ticks = ticks
    self.ticksPerSecond = ticksPerSecond
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    time = try container.decode(Int64.self, forKey: .time)
    ticks = try container.decode(UInt32.self, forKey: .ticks)
    ticksPerSecond = try container.decode(.ticksPerSecond, in: Kernel.ticks)
  }
}

/// From a time on, a client's TSvals are the kernel's own plus so many ticks.
public struct ClockChange: Codable, Sendable, Equatable {
  /// The client's node.
  public var client: String
  /// Nanoseconds since 1970.
  public var time: Int64
  /// Ticks in force, which nft can only bring near to those asked for.
  public var ticks: Int

  /// Makes a change.
  public init(client: String, time: Int64, ticks: Int) {
    self.client = client
    self.time = time
    self.ticks = ticks
  }
}

/// How long one part took.
public struct Timing: Codable, Sendable, Equatable {
  /// `namespaces`, `links`, `settings`, `nat`, `clocks`, `workload` and so on.
  public var part: String
  /// Milliseconds.
  public var milliseconds: Double

  /// Makes a timing.
  public init(part: String, milliseconds: Double) {
    self.part = part
    self.milliseconds = milliseconds
  }
}
