import Evidence
import Linux
import Model
import Netlink

/// `tcp_tw_recycle` on the nodes of a kernel that has it no more: ``RecycleEmulation`` in their namespaces, and
/// TIME_WAIT sockets ended when they would have.
final class EmulatedRecycling {
  private let emulation: RecycleEmulation
  private let ipv6: Bool
  private var nodes: [String: (node: Node, cookie: UInt64)] = [:]
  /// Calls back after so many milliseconds; none until the workload begins.
  var after: ((Int, @escaping () throws -> Void) -> Void)?

  /// Nil where the kernel has no need of it.
  init?(_ test: Case, nodes: [Node], kernel: Kernel) throws {
    guard kernel.emulation == TimeWaitRecycling.emulation, let layout = kernel.layout else { return nil }
    ipv6 = test.network.family == .ipv6
    do { emulation = try RecycleEmulation(.init(values: layout)) } catch {
      throw Failure(error, stage: "emulation of \(TimeWaitRecycling.setting)", object: test.id)
    }
    for node in nodes {
      self.nodes[node.name] = (node, try node.namespace.cookie)
      try set(test.settings[node.name]?[TimeWaitRecycling.setting] == "1", on: node.name)
    }
  }

  /// `sysctl -w net.ipv4.tcp_tw_recycle=...`
  func set(_ on: Bool, on name: String) throws {
    guard let cookie = nodes[name]?.cookie else { return }
    do { try emulation.set(on, in: cookie) } catch {
      throw Failure(error, stage: "emulation of \(TimeWaitRecycling.setting)", object: name)
    }
  }

  /// `1 (emulated)`, as a setting in force.
  func value(on name: String) -> String {
    TimeWaitRecycling.emulation.inForce(
      nodes[name].map { emulation.isOn(in: $0.cookie) } == true ? "1" : "0")
  }

  /// SYNs that it has refused.
  func refused(by name: String) -> Int { nodes[name].map { emulation.refused(in: $0.cookie) } ?? 0 }

  /// What it remembers of other hosts.
  func stamps(of name: String) -> [StampCensus.Stamp] {
    guard let cookie = nodes[name]?.cookie else { return [] }
    return emulation.stamps(in: cookie).map {
      StampCensus.Stamp(remote: $0.remote, local: $0.local, tsval: $0.tsval, age: $0.age)
    }
  }

  /// `ip tcp_metrics flush`
  func flush(_ name: String) { nodes[name].map { emulation.flush(in: $0.cookie) } }

  /// The wall clock was set forward.
  func advance(seconds: Int) throws { try emulation.advance(seconds: seconds) }

  /// Ends the TIME_WAIT sockets whose time is over, and calls itself again for the others.
  func endOverdue(on name: String) throws {
    guard let (node, cookie) = nodes[name], emulation.isOn(in: cookie) else { return }
    var overdue: [SocketDiag.TimeWait] = []
    var next = Int.max
    _ = try node.sockets.census(ipv6: ipv6) { socket in
      guard let left = millisecondsLeft(socket, cookie) else { return }
      if left <= 0 { overdue.append(socket) } else { next = min(next, left) }
    }
    for socket in overdue {
      do { try node.sockets.end(socket) } catch { throw Failure(error, stage: "ss -K", object: name) }
    }
    if next != .max { after?(next) { [weak self] in try self?.endOverdue(on: name) } }
  }

  /// Milliseconds that a TIME_WAIT socket has left.
  func millisecondsLeft(_ socket: SocketDiag.TimeWait, on name: String) -> Int {
    guard let cookie = nodes[name]?.cookie else { return socket.milliseconds }
    // One whose time ran out since we looked is over, too.
    return max(0, min(socket.milliseconds, millisecondsLeft(socket, cookie) ?? .max))
  }

  private func millisecondsLeft(_ socket: SocketDiag.TimeWait, _ cookie: UInt64) -> Int? {
    emulation.end(
      local: socket.local, localPort: socket.localPort, remote: socket.remote,
      remotePort: socket.remotePort.bigEndian, in: cookie
    ).map { Int(($0 - SystemClock.monotonic()) / 1_000_000) }
  }
}
