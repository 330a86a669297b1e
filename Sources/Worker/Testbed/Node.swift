import Linux
import Netlink
import Scenario

/// A host of the case's network: a network namespace and what was opened inside it.
/// The namespace lives as long as the instance, or the process.
final class Node {
  let name: String
  let namespace: NetworkNamespace
  let routes: RouteSocket
  let sockets: SocketDiag
  let counters: CounterFiles
  /// What a server remembers of other hosts; only on kernels with `tcp_tw_recycle`.
  private(set) var metrics: TCPMetricsSocket?
  /// Conntrack of this node; only the hop has one.
  private(set) var conntrack: ConntrackSocket?
  /// One capture per interface that is watched.
  private(set) var captures: [Capture] = []

  struct Capture {
    let interface: String
    let socket: PacketCapture
  }

  /// A new namespace, `ip netns add`, without a name.
  init(name: String, counterNames: CounterFiles.Names = .init()) throws {
    self.name = name
    namespace = try NetworkNamespace.create()
    (routes, sockets, counters) = try namespace.run {
      (try RouteSocket(), try SocketDiag(), try CounterFiles(names: counterNames))
    }
  }

  func openMetrics() throws {
    metrics = try namespace.run { try TCPMetricsSocket() }
  }

  func openConntrack() throws {
    conntrack = try namespace.run { try ConntrackSocket() }
  }

  func capture(_ interface: String) throws {
    let socket = try namespace.run { try PacketCapture(interface: interface) }
    captures.append(Capture(interface: interface, socket: socket))
  }
}

extension Failure {
  /// Keeps the stage, the object and the cause of an error of the layers below.
  init(_ error: any Error, stage: String, object: String) {
    if let failure = error as? Failure {
      self = failure
    } else if let error = error as? SystemError {
      self.init(
        stage: stage, object: object,
        cause: "\(error)",
        mend: error.errno == .notPermitted || error.errno == .permissionDenied
          ? "run as root, or allow user namespaces (pawslab doctor)" : nil)
    } else {
      self.init(stage: stage, object: object, cause: "\(error)")
    }
  }
}
