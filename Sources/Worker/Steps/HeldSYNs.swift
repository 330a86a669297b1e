import Linux
import Model
import Netlink

/// SYNs that a NAT has given a tuple and conntrack does not know yet, held until all are there.
///
/// NAT chooses at priority 100 of POSTROUTING (NF_IP_PRI_NAT_SRC) and looks only at what is confirmed; conntrack confirms
/// at the hook's end (NF_IP_PRI_CONNTRACK_CONFIRM). What stands between them keeps a packet just there: a queue, whatever
/// tool has written the NAT's rules.
final class HeldSYNs {
  private let node: Node
  private var queue: PacketQueue?

  /// Holds every SYN of the node from here on.
  init(at node: Node) throws {
    self.node = node
    do {
      queue = try node.namespace.run { try PacketQueue(0) }
      try addRule()
    } catch {
      throw Failure(error, stage: "hold SYNs", object: node.name)
    }
  }

  /// Where nobody has the queue, packets pass (`bypass`): a SYN that is sent again meets nothing here.
  private func addRule() throws {
    let output = try node.nft(
      """
      table inet held {
        chain postrouting {
          type filter hook postrouting priority 300
          tcp flags & (syn | ack) == syn queue num 0 bypass
        }
      }

      """)
    guard output.status == 0 else {
      throw Failure(
        stage: "nft", object: "queue",
        cause: output.stderr.split(separator: "\n").first.map(String.init) ?? "exit status \(output.status)",
        mend:
          "a kernel that an earlier version has stored lacks the module: pawslab kernels remove, then fetch")
    }
  }

  /// Waits until so many are held, and lets them go on in the order in which they came, each to its end before the next.
  /// From then on nothing is held.
  ///
  /// - Parameters:
  ///   - start: CLOCK_MONOTONIC in nanoseconds, before the first was sent.
  ///   - milliseconds: after which it is an error that some have not come.
  /// - Throws: also where one came a second time, or may have by then, sent again after a second (TCP_TIMEOUT_INIT,
  ///   RFC 6298): conntrack knows neither, and refuses both.
  func release(
    _ count: Int, since start: Int64, on loop: EventLoop, within milliseconds: Int = Deadlines.slack
  ) throws {
    guard let queue else { return }
    var (held, again) = (0, 0)
    loop.watch(queue.fileDescriptor, Poll.readable) { (held, again) = try queue.count() }
    defer {
      loop.forget(queue.fileDescriptor)
      self.queue = nil
    }
    try loop.run(
      until: { held - again >= count },
      awaiting: "\(count) SYNs to be held by \(node.name), where \(held - again) are", within: milliseconds)
    func late(_ cause: String) -> Failure {
      Failure(
        stage: "hold SYNs", object: node.name, cause: "\(cause): this machine is busy",
        mend: "--time virtual, where nothing of the machine is in the way; or fewer --jobs")
    }
    guard again == 0 else { throw late("\(again) of \(held) were sent again before all had come") }
    do { try queue.release() } catch { throw Failure(error, stage: "let SYNs go on", object: node.name) }
    let passed = SystemClock.monotonic() - start
    guard passed < 1_000_000_000 else {
      throw late("the last went on after \(passed / 1_000_000) ms, when the first may have been sent again")
    }
  }

  /// Holds a SYN on loopback and lets it go, to be refused.
  ///
  /// - Throws: what the kernel or nft cannot do, or does not.
  static func prove(within milliseconds: Int) throws {
    let node = try Node(name: "probe")
    node.routes.setLoopbackUp()
    try node.routes.commit()
    let held = try HeldSYNs(at: node)
    let start = SystemClock.monotonic()
    let socket = try node.namespace.run {
      let socket = try TCP.socket(ipv6: false)
      _ = TCP.connect(socket, to: try SocketAddress("127.0.0.1", port: Network.serverPort))
      return socket
    }
    defer { TCP.close(socket) }
    let loop = EventLoop()
    var isRefused = false
    loop.watch(socket, Poll.writable) { [unowned loop] in
      loop.forget(socket)
      isRefused = TCP.pendingError(socket) != nil
    }
    try held.release(1, since: start, on: loop, within: milliseconds)
    try loop.run(until: { isRefused }, awaiting: "the held SYN's answer", within: milliseconds)
  }
}
