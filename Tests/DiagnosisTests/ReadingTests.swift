@testable import Diagnosis
import Foundation
import Testing

/// What this reads of a capture is what tshark reads.
@Suite struct ReadingTests {
  private static let tshark = ["/usr/bin/tshark", "/usr/local/bin/tshark"]
    .first(where: FileManager.default.isExecutableFile)
  private static let everyTest = ProcessInfo.processInfo.environment["PAWSLAB_EVERY_TEST"] != nil

  /// A line for each TCP segment: addresses, ports, numbers, flags, payload, timestamps.
  private static func own(_ bytes: [UInt8]) throws -> [String] {
    var lines: [String] = []
    var reader = CaptureReader(file: "x")
    try bytes.withUnsafeBytes {
      try reader.add($0) { frame in
        guard case .tcp(let segment) = LinkDecoder.content(frame) else { return }
        lines.append(
          [
            "\(segment.source.address)", "\(segment.destination.address)", "\(segment.source.port)",
            "\(segment.destination.port)", "\(segment.sequence)", "\(segment.acknowledgement)",
            "0x" + String(format: "%04x", Int(segment.flags.rawValue)), "\(segment.payload)",
            segment.tsval.map(String.init) ?? "", segment.tsecr.map(String.init) ?? "", "\(segment.ttl)",
          ].joined(separator: "\t"))
      }
    }
    return lines
  }

  private static func theirs(_ path: String) throws -> [String] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(tshark))
    let fields = [
      "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "tcp.seq", "tcp.ack",
      "tcp.flags",
      "tcp.len", "tcp.options.timestamp.tsval", "tcp.options.timestamp.tsecr", "ip.ttl", "ipv6.hlim",
    ]
    process.arguments =
      [
        "-r", path, "-Y", "tcp && !icmp && !icmpv6", "-o", "tcp.relative_sequence_numbers:FALSE", "-T",
        "fields",
      ]
      + fields.flatMap { ["-e", $0] }
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return text.split(separator: "\n").map { line in
      let cells = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      let isIPv4 = !cells[0].isEmpty
      let flags = Int(cells[8].dropFirst(2), radix: 16).map { "0x" + String(format: "%04x", $0 & 0xff) } ?? ""
      return
        ([cells[isIPv4 ? 0 : 2], cells[isIPv4 ? 1 : 3]] + cells[4...7] + [flags] + cells[9...11]
        + [cells[isIPv4 ? 12 : 13]]).joined(separator: "\t")
    }
  }

  @Test(.enabled(if: tshark != nil || everyTest, "SKIPPED: needs tshark"))
  func tsharkReadsTheSame() throws {
    let folder = ForeignTests.folder
    var (files, segments) = (0, 0)
    // Of each place and kind some; the program takes a second a file.
    for name in ["closed6.hop.pcap", "syn_loss.hop.pcap"] {
      let path = folder.appendingPathComponent(name).path
      let own = try Self.own([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
      #expect(own == (try Self.theirs(path)), "\(name)")
      (files, segments) = (files + 1, segments + own.count)
    }
    let recorded = folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("lab/recorded/linux-4.9.115/captures/linux-4.9")
    for name in try FileManager.default.contentsOfDirectory(atPath: recorded.path).sorted().prefix(1) {
      let path = recorded.appendingPathComponent(name).path
      let own = try Self.own([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
      #expect(own == (try Self.theirs(path)), "\(name)")
      (files, segments) = (files + 1, segments + own.count)
    }
    #expect(files == 3 && segments > 200)
  }

  @Test func addressesAreWrittenAsEverybodyDoes() {
    #expect(Address(ipv4: 0xc612_0002).description == "198.18.0.2")
    #expect(Address(high: 0x2001_0db8_0000_0000, low: 1).description == "2001:db8::1")
    #expect(Address(high: 0, low: 1).description == "::1")
    #expect(Address(high: 0xfe80_0000_0000_0000, low: 0x1_0000_0000_0001).description == "fe80::1:0:0:1")
  }
}
