/// What every attempt under a label does, and by which mechanism. Written `dropped by tw-paws`.
public struct Expectation: Codable, Sendable, Hashable, CustomStringConvertible {
  /// What an attempt did, from its errno and the captured packets.
  public var outcome: Outcome
  /// Why, where it is not the plain one. Each mechanism has its own witnesses.
  public var mechanism: Mechanism?

  /// Makes an expectation.
  public init(_ outcome: Outcome, by mechanism: Mechanism? = nil) {
    self.outcome = outcome
    self.mechanism = mechanism
  }

  /// As written in a lab file.
  public var description: String {
    mechanism.map { "\(outcome.rawValue) by \($0.rawValue)" } ?? outcome.rawValue
  }
}

/// What an attempt did.
public enum Outcome: String, Codable, Sendable, CaseIterable {
  /// The first SYN was answered and a byte went each way.
  case connected
  /// Connected, after at least one retransmitted SYN.
  case delayed
  /// ETIMEDOUT, and no SYN-ACK for this attempt.
  case dropped
  /// ECONNREFUSED.
  case refused
  /// EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENONET or EACCES: an ICMP error that ends it, or no route.
  case unreachable
  /// ECONNRESET: connected, then a RST.
  case reset
  /// EADDRNOTAVAIL to the end: no SYN ever left.
  case exhausted
  /// Connected from a port that an earlier connection to the same server had: at once, or when called again
  /// after EADDRNOTAVAIL.
  case served
  /// A sent byte was read and acknowledged.
  case delivered
  /// A sent byte was read, but the sender refuses the acknowledgement and sends again.
  case unacknowledged
  /// A sent byte reached the peer's link at least twice, or left its own four times, and was never read.
  case lost
  /// Not an outcome of its own: a rule over captured values decides for each attempt,
  /// and over the case (or over the seeds of a run, ``Rule/shares``) both branches must occur.
  case predicted

  /// Whether a sent byte can come to it.
  public var isOfSend: Bool {
    [.delivered, .unacknowledged, .lost, .reset, .refused, .unreachable].contains(self)
  }
  /// Whether a connection can come to it.
  public var isOfConnect: Bool { ![.delivered, .unacknowledged, .lost].contains(self) }
}

/// The name of why an attempt did not simply connect, as lab files write it: `tw-paws`.
///
/// What there is to a name (outcomes, witnesses, remarks, mutants) is in Judging, one file for each. A name that is read
/// from a saved file may be one that only another version of the lab knows.
public struct Mechanism: RawRepresentable, Codable, Sendable, Hashable, ExpressibleByStringLiteral {
  /// As written.
  public let rawValue: String

  public init(rawValue: String) { self.rawValue = rawValue }
  public init(stringLiteral value: String) { rawValue = value }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    rawValue = try container.decode(String.self)
    guard Words.isName(rawValue) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not the name of a mechanism")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }
}
