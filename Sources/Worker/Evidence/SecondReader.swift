import Evidence
import Linux
import Model

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Reads a case a second time by other people's programs: `tcpdump` on every link that is captured, one for each
/// direction, and `nstat` on every node.
final class SecondReader {
  private let testbed: Testbed
  private var captures: [(node: String, interface: String, outgoing: Bool, tcpdump: Tool.Background)] = []
  private var before: [String: String] = [:]
  private var after: [String: String] = [:]
  private var until = Int64.max

  /// Starts every tcpdump, waits until each says that it listens, and takes the counters.
  init(_ testbed: Testbed) throws {
    self.testbed = testbed
    for (node, interface) in testbed.watched {
      for outgoing in [false, true] {
        let tcpdump = try node.namespace.run {
          try Tool.Background([
            "tcpdump", "-i", interface, "-Q", outgoing ? "out" : "in", "-n", "-U", "--immediate-mode", "-s",
            "192",
            "--time-stamp-precision=nano", "-Z", "root", "-w", "-",
          ])
        }
        captures.append((node.name, interface, outgoing, tcpdump))
      }
    }
    for capture in captures { try capture.tcpdump.awaitError(containing: "listening on") }
    before = try counters()
  }

  /// The counters again, and the time at which they had been read.
  func read(_ time: () -> Int64) throws {
    after = try counters()
    until = time()
  }

  /// Every capture's end, and what they captured until the counters had been read.
  func finish() throws -> SecondReading {
    SecondReading(
      captures: try captures.map { capture in
        SecondReading.Capture(
          node: capture.node, interface: capture.interface, outgoing: capture.outgoing,
          pcap: Data(try capture.tcpdump.interrupt()))
      }, before: before, after: after, clock: testbed.time.wall, until: until)
  }

  private func counters() throws -> [String: String] {
    var texts: [String: String] = [:]
    for node in testbed.nodes {
      let output = try node.namespace.run {
        try Tool.run(["nstat", "-a", "-s", "-z"], stdin: "", environment: [:])
      }
      guard output.status == 0 else {
        throw Failure(
          stage: "nstat", object: node.name, cause: output.stderr, mend: "apt-get install iproute2")
      }
      texts[node.name] = output.stdout
    }
    return texts
  }
}
