/// The lab broke: which stage, on what, why, and what would mend it.
public struct Failure: Error, Codable, Sendable, Equatable, CustomStringConvertible {
  /// The stage, e.g. `setns`, `iptables-restore`, `wait`.
  public var stage: String
  /// What it was done to, e.g. `hop` or `/proc/sys/net/ipv4/tcp_rfc1337`.
  public var object: String
  /// The cause, in the words of the kernel or the tool.
  public var cause: String
  /// What the user can do; nil where nothing is known.
  public var mend: String?
  /// Whether it is what was asked for, and not the lab: exit status 2 and not 3. Not saved, and not sent by workers.
  public var isUsage = false
  /// Whether it was for want of something that others give back when they end: descriptors, memory, processes,
  /// namespaces. The same may do later, with fewer beside it.
  public var isScarcity: Bool?

  private enum CodingKeys: String, CodingKey { case stage, object, cause, mend, isScarcity }

  /// Makes a failure.
  public init(stage: String, object: String, cause: String, mend: String? = nil, isUsage: Bool = false) {
    self.stage = stage
    self.object = object
    self.cause = cause
    self.mend = mend
    self.isUsage = isUsage
  }

  /// One line.
  public var description: String {
    "\(stage) \(object): \(cause)" + (mend.map { "; \($0)" } ?? "")
  }
}
