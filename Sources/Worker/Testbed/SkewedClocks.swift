import Evidence
import Linux
import Model
import Netlink

/// Gives clients of one kernel timestamp clocks that disagree.
///
/// Where tc eBPF loads, any offset: ``TimestampClock`` rewrites TSval and TSecr on the client's own link.
/// Where it does not and the kernel is of its time (3.9 to 4.9), each socket is given the offset.
/// In a user namespace, where it does not, nft flips the clock's two top bits, which moves it by
/// 2^30 ticks (12.4 days at 1 ms, within PAWS' half of the number space) in the direction asked for.
final class SkewedClocks {
  /// `tc-bpf`, `socket` or `nft`; nil where no client has an offset.
  let method: String?
  private(set) var changes: [ClockChange] = []
  private var programs: [String: TimestampClock] = [:]
  /// What a client's sockets are to add; nil where that is not how it is done.
  private(set) var offsets: [String: UInt32] = [:]
  private let kernel: Kernel
  private let nodes: [String: Node]
  private let time: CaseClock

  /// - Parameter time: by which changes are told.
  init(
    test: Case, clients: [(description: Client, node: Node)], kernel: Kernel, time: CaseClock
  ) throws {
    self.kernel = kernel
    self.time = time
    nodes = Dictionary(uniqueKeysWithValues: clients.map { ($0.node.name, $0.node) })
    let stepped = test.needs.movesClocks
    let skewed = clients.filter { client in
      if stepped.contains(client.description.group) { return true }
      if case .offset(let milliseconds) = client.description.clock { return milliseconds != 0 }
      return false
    }
    let bySocket = kernel.has(.socketClocks) && stepped.isEmpty
    method = skewed.isEmpty ? nil : kernel.has(.tcBPF) ? "tc-bpf" : bySocket ? "socket" : "nft"
    // Clients of one clock that nobody moves have it in common.
    var common: [Int: TimestampClock] = [:]
    for client in skewed {
      guard case .offset(let milliseconds) = client.description.clock else { continue }
      if method == "tc-bpf" {
        do {
          let clock = try common[milliseconds] ?? TimestampClock(offset: 0)
          if stepped.isEmpty { common[milliseconds] = clock }
          programs[client.node.name] = clock
          try client.node.namespace.run { try clock.attach(to: "eth0", client.node.routes) }
        } catch {
          throw Failure(error, stage: "clock (tc eBPF)", object: client.node.name)
        }
      }
      try set(client.node.name, milliseconds: milliseconds)
    }
  }

  /// Moves a client's clock, at any time.
  func set(_ client: String, milliseconds: Int) throws {
    guard let node = nodes[client] else {
      throw Failure(stage: "clock", object: client, cause: "no client of that name")
    }
    var ticks = milliseconds * kernel.timestampTicksPerSecond / 1000
    if let program = programs[client] {
      do { try program.set(offset: UInt32(truncatingIfNeeded: ticks)) } catch {
        throw Failure(error, stage: "clock (tc eBPF)", object: client)
      }
    } else if method == "socket" {
      offsets[client] = UInt32(truncatingIfNeeded: ticks)
    } else {
      ticks = try flip(ticks.signum(), on: node)
    }
    changes.append(ClockChange(client: client, time: time.now, ticks: ticks))
  }

  /// Moves the clock by 2^30 ticks forward or back by flipping bits, which nft can do and adding it cannot.
  ///
  /// With v the clock's two top bits, flipping bit 30 adds 2^30 where v is even and takes it where v is odd;
  /// flipping both bits does the opposite (modulo 2^32).
  private func flip(_ direction: Int, on node: Node) throws -> Int {
    let now = try node.namespace.run { try TCP.clock() }
    let forwardByBit30 = (now >> 30) & 1 == 0
    let mask: UInt32 = (direction > 0) == forwardByBit30 ? 0x4000_0000 : 0xC000_0000
    let hex = "0x" + String(mask, radix: 16)
    let rules =
      "table inet clock\ndelete table inet clock\n"
      + (direction == 0
        ? ""
        : """
        table inet clock {
          chain out {
            type filter hook postrouting priority 300
            tcp option timestamp tsval set tcp option timestamp tsval ^ \(hex)
          }
          chain in {
            type filter hook prerouting priority -300
            tcp option timestamp tsecr != 0 tcp option timestamp tsecr set tcp option timestamp tsecr ^ \(hex)
          }
        }

        """)
    let output = try node.nft(rules)
    guard output.status == 0 else {
      throw Failure(
        stage: "clock (nft)", object: node.name, cause: output.stderr,
        mend: "run as root, so that clocks are made by tc eBPF")
    }
    return direction * (1 << 30)
  }
}
