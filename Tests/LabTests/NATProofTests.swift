import Foundation
import Report
import Testing

/// Tools that take the rules and leave one out, as an old kernel's nf_tables does without a word: no case may fail by it.
@Suite(
  .serialized,
  .enabled(
    if: geteuid() == 0, "SKIPPED: needs root, for iptables of both kinds and nft are to be stood in for"))
struct NATProofTests {
  /// In place of `iptables-nft-restore`, `ip6tables-nft-restore` and `nft`, in a folder that comes first in PATH.
  enum StandIn: String, CaseIterable {
    /// The rule of source NAT is left out: the server sees the clients' own addresses.
    case noSourceNAT
    /// Answers are not translated back, as below 4.18 without a chain in PREROUTING: they end at the hop, which resets
    /// them. Conntrack is told not to look at them.
    case oneWay

    func write(to folder: String) throws {
      for tool in ["iptables-nft-restore", "ip6tables-nft-restore", "nft"] {
        let real = try #require(
          ["/usr/sbin/\(tool)", "/sbin/\(tool)"].first { FileManager.default.isExecutableFile(atPath: $0) })
        let script =
          switch (self, tool) {
          case (.noSourceNAT, "nft"): "sed 's/snat ip.*//'"
          case (.noSourceNAT, _): "grep -v -e '-j SNAT'"
          case (.oneWay, "nft"):
            """
            { cat; echo 'table inet raw { chain raw { type filter hook prerouting priority -300; \
            iifname "srv*" notrack; }; }'; }
            """
          case (.oneWay, _):
            #"{ cat; printf '*raw\n-A PREROUTING -i srv+ -p tcp -j CT --notrack\nCOMMIT\n'; }"#
          }
        let path = folder + "/" + tool
        try "#!/bin/sh\n\(script) | exec \(real) \"$@\"\n".write(
          toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
      }
    }
  }

  /// Before, `auto` took iptables-nft, whose rules are taken without complaint, and every case failed.
  @Test(arguments: StandIn.allCases)
  func whatDoesNotTranslateBothWaysIsNotUsed(standIn: StandIn) throws {
    let folder = ReportTests.folder()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try standIn.write(to: folder)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: ProgramTests.program)
    process.arguments = [
      "run", "lab/nat-hop.yaml", "--host-only", "--case", "*clock=behind*drop_invalid=false*ipv4",
      "--out", folder + "/out",
    ]
    process.currentDirectoryURL = URL(fileURLWithPath: ProgramTests.repository)
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["PATH": folder + ":/usr/sbin:/usr/bin:/sbin:/bin"]) { $1 }
    process.standardOutput = Pipe()
    process.standardError = Pipe()
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    let results = try RunFolder(reading: folder + "/out").loadResults()
    let cases = Dictionary(grouping: results.cases) { $0.axes["hop.backend"] ?? "" }
    // Legacy tables, which nobody stood in for, in place of iptables-nft; nothing in place of nft.
    #expect(cases["iptables"]?.isEmpty == false)
    #expect(cases["iptables"]?.allSatisfy { $0.verdict == .pass } == true)
    #expect(cases["nft"]?.isEmpty == false)
    #expect(cases["nft"]?.allSatisfy { $0.verdict == .skip } == true)
    let missing = try #require(results.kernels["host"]?.missing)
    let words =
      switch standIn {
      case .noSourceNAT: "the server sees 198.18.0.2"
      case .oneWay: "only the way out is translated"
      }
    for backend in ["iptables-nft", "nft"] {
      #expect(missing[backend]?.hasPrefix("source NAT by \(backend) IPv4: the rules are taken, ") == true)
      #expect(missing[backend]?.contains(words) == true, "\(missing[backend] ?? "")")
    }
    #expect(missing["iptables-legacy"] == nil)
  }
}
