import LabFile
import Model
import Testing

/// A suggestion is near, a short list is told, and nothing is promised that does not follow.
@Suite struct SuggestionTests {
  static func mistakes(_ right: String, _ wrong: String) -> [String] {
    let text = MistakeTests.good.replacing(right, with: wrong, maxReplacements: 1)
    #expect(text != MistakeTests.good)
    return MistakeTests.mistakes(text)
  }

  /// Each of these once suggested something far away, or nothing.
  @Test(arguments: [
    // Not vs.conntrack.
    ("{tcp_rfc1337: 0}", "{nf_conntrack_buckets: 1}", "did you mean", false),
    // Not as.
    ("  - flush: conntrack\n", "  - flush: conntrack\n    into: server\n", "did you mean", false),
    // A scheduler that there is not: all of them, and none is near.
    ("ports: 40000-40000", "scheduler: xx", "did you mean", false),
    // Not one neighbour: what drops.
    ("late: dropped by tw-paws", "late: dropped by magic", "dropped is by ", true),
    ("late: dropped by tw-paws", "late: dropped by magic", "did you mean", false),
    ("late: dropped by tw-paws", "late: vanished", "it is one of connected, ", true),
    // Nothing to choose from is said.
    (
      "matrix:\n  server.tcp_rfc1337: [0, 1]\n  conntrack: [kept, flushed]\n  family: [ipv4, ipv6]\n", "",
      "no axis \"family\"; there is none", true
    ),
    (
      "matrix:\n  server.tcp_rfc1337: [0, 1]\n  conntrack: [kept, flushed]\n  family: [ipv4, ipv6]\n", "",
      "it is one of \n", false
    ),
    // Not the sysctl "1.weight".
    ("  server.tcp_rfc1337: [0, 1]", "  server.1.weight: [0, 1]", "unknown sysctl", false),
    (
      "  server.tcp_rfc1337: [0, 1]", "  server.1.weight: [0, 1]", "no node \"server.1\" can be set alone",
      true
    ),
  ])
  func whatMisled(right: String, wrong: String, words: String, isSaid: Bool) {
    let seen = Self.mistakes(right, wrong)
    #expect(!seen.isEmpty)
    #expect(seen.contains { ($0 + "\n").contains(words) } == isSaid, "\(seen)")
    #expect(!seen.contains { $0.hasSuffix("one of ") || $0.hasSuffix("it is ") })
  }
}

/// What is said of settings is what the kernel takes.
@Suite struct SettingTableTests {
  /// Nobody's baseline is one that a lab file could not say.
  @Test(arguments: Setting.all.map(\.name)) func aBaselineIsAValue(name: String) throws {
    let setting = try #require(Setting.named(name))
    #expect(!setting.summary.isEmpty && !setting.summary.hasSuffix("."))
    guard let baseline = setting.baseline else { return }
    switch setting.values {
    case .number(let range, _): #expect(Int(baseline).map(range.contains) == true)
    case .flag: #expect(["0", "1"].contains(baseline))
    case .text: #expect(!baseline.isEmpty)
    }
  }

  /// The whole name of a sysctl leads to its short one.
  @Test(arguments: [
    "net.ipv4.tcp_timestamps", "net.ipv4.vs.conntrack", "net.core.somaxconn", "net/ipv4/ip_forward",
  ])
  func aWholeNameIsKnown(name: String) {
    let text = MistakeTests.good.replacing("{tcp_rfc1337: 0}", with: "{\(name): 1}")
    let short = name.contains("vs.") ? "vs.conntrack" : String(name.split { ".//".contains($0) }.last ?? "")
    #expect(
      MistakeTests.mistakes(text).contains {
        $0.hasSuffix("unknown sysctl \"\(name)\"; here it is called \"\(short)\"")
      }, "\(MistakeTests.mistakes(text))")
  }
}
