import Evidence
import Foundation
import Judging
import LabFile
import Linux
import Model
import Testing
import TestSupport

@testable import Worker

/// Steps of a workload on the real kernel, where something happens between them that is rare by itself.
@Suite(.serialized, .enabled(if: geteuid() == 0, "SKIPPED: needs root for namespaces"))
struct WorkloadTests {
  /// A new namespace copies `conf/default` of the first one, and the greater of `all` and an interface's own counts: with
  /// the `rp_filter` that a distribution sets there, the baseline's 0 was no 0.
  @Test(arguments: ["rp_filter", "arp_ignore", "arp_announce"])
  func noInterfaceHasASettingOfItsOwn(name: String) throws {
    let own = try onOwnThread {
      let node = try Node(name: "server")
      let kernel = try Probe.kernel(privilege: .root)
      return try node.namespace.run {
        try Sysctl.write("net/ipv4/conf/default/\(name)", "1")
        try Sysctl.write("net/ipv4/conf/lo/\(name)", "1")
        var fresh = Settings.Fresh()
        try Settings.apply(
          [name: "2"], on: node, as: Network.Node("server"), kernel: kernel, fresh: &fresh)
        return try ["all", "default", "lo"].map { try Sysctl.read("net/ipv4/conf/\($0)/\(name)") }
      }
    }
    #expect(own == ["2", "0", "0"])
  }

  /// TIME-WAIT is there before its ACK is. Where that ACK finds no way back, because conntrack was flushed meanwhile,
  /// the client sends its FIN again 200 ms later, and TIME-WAIT answers it amid the next step.
  @Test func aStepEndsWhenBothEndsAreClosed() throws {
    var (fins, judgement) = try losesTheLastACK()
    // As the lab does: now and then the tracepoint is silent to all who listen (``DropReasons/misses``).
    if judgement.lacksOnlyDropReasons { (fins, judgement) = try losesTheLastACK() }
    #expect(fins == 2, "the last ACK was not lost")
    #expect(judgement.verdict == .pass, "\(judgement.reason)")
  }

  /// How often early's client sent its FIN, and what the case came to.
  private func losesTheLastACK() throws -> (fins: Int, judgement: Judgement) {
    try onOwnThread {
      let file = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../lab/time-wait-clash.yaml").standardizedFileURL.path
      let id =
        "time-wait-clash/rfc1337=1,clock=behind,isn=ahead,timestamps=1,conntrack=flushed,family=ipv4,topology=snat"
      let test = try #require(
        try Scenario.select(from: [LabFiles.load(path: file)], settings: [], patterns: [id]).first)
      let kernel = try Probe.kernel(privilege: .root)
      let testbed = try Testbed(test, on: kernel)
      let early = try #require(testbed.clients.first?.node)
      // The ACK of early's FIN, the first time: SYN, greeting and FIN lie behind its pinned sequence number.
      let last = 0x4001_0000 + 1 + Greeting(closes: .server, attempt: 0).bytes.count + 1
      let rules = "tcp flags == ack tcp ackseq \(last) numgen inc mod 1000 0 counter drop"
      let nft = try early.namespace.run {
        try Tool.run(
          ["nft", "-f", "-"],
          stdin: "table ip lost { chain in { type filter hook prerouting priority -300; \(rules); }; }",
          environment: [:])
      }
      try #require(nft.status == 0, "\(nft.stderr)")

      let loop = EventLoop()
      var pieces = Data()
      let recorder = try Recorder(testbed, loop: loop) {
        if case .packets(let piece) = $0 { pieces += piece }
      }
      let workload = try Workload(test, on: testbed, recorder: recorder, loop: loop) { _ in }
      try recorder.before()
      try workload.run()
      var stopwatch = Stopwatch()
      var seen = try recorder.finish(timings: [], &stopwatch)
      var reader = Pcapng.Reader()
      seen.packets = try reader.add(pieces).sorted { $0.time < $1.time }

      let fins = seen.packets.compactMap { Segment($0) }
        .filter { $0.node == "early" && $0.outgoing && $0.flags.contains(.fin) }
      return (fins.count, judge(test, on: kernel, seen: seen))
    }
  }
}
