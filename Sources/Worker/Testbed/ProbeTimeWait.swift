import Linux
import Model
import Netlink

/// What `tcp_tw_reuse` and `tcp_tw_recycle` mean to a kernel. On old ones they are one per kernel, and told in guests.
extension Probe {
  /// Whether the kernel is the lab's own, where what is one per kernel may be changed: it has the initramfs' modules.
  private static var isGuest: Bool { System.words(of: "/modules/order") != nil }

  /// Is 3 no value of `tcp_tw_reuse` (79e9fed46038 gave it 2, and bounds)? Where it is one per kernel, it is told in guests.
  static func refuseUnknownReuse(_ perKernel: Set<String>) throws {
    let path = "net/ipv4/tcp_tw_reuse"
    let isOne = perKernel.contains("tcp_tw_reuse")
    guard !isOne || isGuest else {
      throw Failure(
        stage: "settings", object: path, cause: "it is one per kernel, and nothing on the host is changed")
    }
    func attempt() throws {
      let before = try Sysctl.read(path)
      do { try Sysctl.write(path, "3") } catch { return }
      try Sysctl.write(path, before)
      throw Failure(stage: "settings", object: path, cause: "it takes any number (before 79e9fed46038, 4.19)")
    }
    guard !isOne else { return try attempt() }
    try Node(name: "probe").namespace.run { try attempt() }
  }

  /// Is a SYN without timestamps refused while the stamp of its source is young (tcp_peer_is_proven, `|| !timestamps`)?
  /// The settings are one per kernel there, so it is told in guests only.
  static func refuseUnstamped(_ perKernel: Set<String>) throws {
    let names = ["tcp_tw_recycle", "tcp_timestamps"]
    guard isGuest || perKernel.isDisjoint(with: names) else {
      throw Failure(
        stage: "tcp_tw_recycle", object: "a SYN without timestamps",
        cause: "the setting is one per kernel, and nothing on the host is changed")
    }
    let node = try Node(name: "probe")
    func write(_ name: String, _ value: String) throws {
      let path = "net/ipv4/\(name)"
      if perKernel.contains(name) { return try Sysctl.write(path, value) }
      try node.namespace.run { try Sysctl.write(path, value) }
    }
    node.routes.setLoopbackUp()
    try node.routes.commit()
    defer {
      try? write("tcp_tw_recycle", "0")
      try? write("tcp_timestamps", "1")
    }
    try write("tcp_tw_recycle", "1")
    let address = try SocketAddress("127.0.0.1", port: Network.serverPort)
    // Sockets stay in the network that they were made in; a setting that is one per kernel is in the first one alone.
    let (listener, first, second) = try node.namespace.run {
      (try TCP.listen(on: address, backlog: 8), try TCP.socket(ipv6: false), try TCP.socket(ipv6: false))
    }
    defer { for socket in [listener, first, second] { TCP.close(socket) } }
    _ = TCP.connect(first, to: address)
    try wait(for: "a connection on loopback") {
      guard let accepted = try TCP.accept(listener) else { return false }
      TCP.close(accepted)
      return true
    }
    try wait(for: "its FIN") { if case .end = TCP.receive(first, upTo: 1) { true } else { false } }
    TCP.close(first)
    try wait(for: "its TIME_WAIT") { try node.sockets.census(ipv6: false)["TIME-WAIT"] == 1 }
    try write("tcp_timestamps", "0")
    _ = TCP.connect(second, to: address)
    var isTaken = false
    try wait(for: "a SYN to be taken or refused") {
      if let socket = try TCP.accept(listener) {
        TCP.close(socket)
        isTaken = true
      }
      return try isTaken || node.counters.read()["TcpExt.PAWSPassive"] ?? 0 > 0
    }
    guard !isTaken else {
      throw Failure(
        stage: "tcp_tw_recycle", object: "a SYN without timestamps",
        cause: "taken (before a26552afe894, 3.17)")
    }
  }
}
