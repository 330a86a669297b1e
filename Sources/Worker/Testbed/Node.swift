import Linux
import Model
import Netlink

/// A host of the case's network: a network namespace and what was opened inside it.
/// The namespace lives as long as the instance, or the process.
final class Node {
  let name: String
  let namespace: NetworkNamespace
  /// Where its settings are found.
  let sysctls: Sysctl.Tree
  let routes: RouteSocket
  /// Its TCP sockets. Most nodes are never asked, so it is opened by who asks first.
  var sockets: SocketDiag {
    get throws {
      if let asked { return asked }
      let opened = try namespace.run { try SocketDiag() }
      asked = opened
      return opened
    }
  }
  private var asked: SocketDiag?
  let counters: CounterFiles
  /// What a server remembers of other hosts; only on kernels with `tcp_tw_recycle`.
  private(set) var metrics: TCPMetricsSocket?
  /// Conntrack of this node; only the hop has one.
  private(set) var conntrack: ConntrackSocket?
  /// Connections through it; only a director has them.
  private(set) var connections: IPVSConnectionTable?
  /// What SYNPROXY counts; only where a rule has it.
  private(set) var synproxy: SynproxyCounters?
  /// One capture per interface that is watched.
  private(set) var captures: [Capture] = []

  struct Capture {
    let interface: String
    let socket: PacketCapture
  }

  /// In a new namespace, `ip netns add` without a name; in this one, which nobody has used, where there is one.
  init(
    name: String, in namespace: consuming NetworkNamespace? = nil, counterNames: CounterFiles.Names = .init(),
    sysctls: Sysctl.Tree = .common
  ) throws {
    self.name = name
    self.sysctls = sysctls
    func open() throws -> (RouteSocket, CounterFiles) {
      (try RouteSocket(), try CounterFiles(names: counterNames))
    }
    if let namespace {
      self.namespace = namespace
      (routes, counters) = try self.namespace.run(open)
    } else {
      var opened: (RouteSocket, CounterFiles)?
      self.namespace = try .create { opened = try open() }
      guard let opened else { throw SystemError(stage: "open", object: name, errno: .badFileDescriptor) }
      (routes, counters) = opened
    }
  }

  /// `nft -f -` with these rules, in the node.
  func nft(_ rules: String) throws -> Tool.Output {
    try namespace.run { try Tool.run(["nft", "-f", "-"], stdin: rules, environment: [:]) }
  }

  func openMetrics() throws {
    metrics = try namespace.run { try TCPMetricsSocket() }
  }

  func openConntrack() throws {
    conntrack = try namespace.run { try ConntrackSocket() }
  }

  func openConnections() throws {
    connections = try namespace.run { try IPVSConnectionTable() }
  }

  func openSynproxy() throws {
    synproxy = try namespace.run { try SynproxyCounters() }
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
      self.init(stage: stage, object: object, cause: "\(error)", mend: Self.mend(error))
      if error.isScarcity { isScarcity = true }
    } else {
      self.init(stage: stage, object: object, cause: "\(error)")
    }
  }

  private static func mend(_ error: SystemError) -> String? {
    switch error.errno {
    case .notPermitted, .permissionDenied: "run as root, or allow user namespaces (pawslab doctor)"
    case .tooManyOpenFiles:
      "a worker may open \(System.descriptorLimit) descriptors here: raise it by ulimit -n 4096"
    case .tooManyOpenFilesInSystem: "sysctl -w fs.file-max=100000"
    case .noMemory, .noBufferSpace: "more memory (the container's limit counts), or fewer --jobs"
    case .resourceTemporarilyUnavailable where error.isScarcity:
      "more processes: ulimit -u, or the container's limit (pids.max); or fewer --jobs"
    case .noSpace where error.isScarcity:
      "as root: sysctl -w user.max_net_namespaces=10000 user.max_user_namespaces=10000 (here "
        + ["net", "user"].map { System.words(of: "/proc/sys/user/max_\($0)_namespaces") ?? "?" }
        .joined(separator: " and ") + "); or fewer --jobs"
    default: nil
    }
  }
}
