#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What the lab asks of a worker: one JSON line on standard input, which then stays open.
/// End of file on standard input means that the lab is gone; the worker ends at once.
public enum WorkerRequest: Codable, Sendable {
  /// Find out what this kernel can do.
  case probe
  /// Run one case on the kernel that was probed before.
  case run(Case, Kernel)
  /// Run one case as ``run(_:_:)`` does, beside `tcpdump` on every link and `nstat` on every node.
  case crossCheck(Case, Kernel)
  /// Build a case's network, have its servers answer, and keep it until standard input ends.
  case hold(Case, Kernel)
  /// Build a network so many times and report how long each part took.
  case benchmarkSetup(Case, Kernel, times: Int)
}

/// A node of a network that is kept.
public struct HeldNode: Codable, Sendable, Equatable {
  /// As in the lab file.
  public var name: String
  /// For `nsenter --net=`: a descriptor of the worker's below `/proc`.
  public var path: String

  /// Makes a node.
  public init(name: String, path: String) {
    self.name = name
    self.path = path
  }
}

/// What a worker says: JSON lines on standard output.
public enum WorkerEvent: Codable, Sendable {
  /// Entered a stage, e.g. `testbed`.
  case stage(String)
  /// Began the step with this index.
  case step(Int)
  /// An attempt ended.
  case attempt(Attempt)
  /// Packets that were captured since the last of these, the next piece of one ``Pcapng``.
  case packets(Data)
  /// The answer to ``WorkerRequest/probe``. Last.
  case kernel(Kernel)
  /// The answer to ``WorkerRequest/run(_:_:)``. Last.
  case observation(Observation)
  /// The answer to ``WorkerRequest/crossCheck(_:_:)``. Last.
  case crossChecked(Observation, SecondReading)
  /// The network of ``WorkerRequest/hold(_:_:)`` is there: each node, and where its namespace can be entered.
  case held([HeldNode])
  /// The last round of a benchmark is over. Last.
  case done
  /// One round of ``WorkerRequest/benchmarkSetup(_:_:times:)``.
  case timings([Timing])
  /// What was seen until the lab broke, its packets told before as ever; the failure follows.
  case seen(Observation)
  /// The lab broke. Last.
  case failure(Failure)
}
