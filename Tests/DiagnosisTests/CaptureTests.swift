import Diagnosis
import Foundation
import Model
import Testing

/// Every file and link that tcpdump writes says the same.
@Suite struct CaptureTests {
  @Test(arguments: Wire.Link.all.map(\.name)) func everyLinkSaysTheSame(name: String) throws {
    let link = try #require(Wire.Link.all.first { $0.name == name })
    for version in [4, 6] {
      for file in Wire.File.allCases {
        // 96 bytes hold Ethernet, IP, TCP and its timestamp; a VLAN and IPv6 within IP take some more.
        for snap in [96, 160] where snap == 160 || !["IPIP", "GRE", "PPPoE", "MPLS", "QinQ"].contains(name) {
          let bytes = Wire.file(file, link, Wire.clash(version), version: version, snap: snap)
          let answer = try Wire.answer(bytes)
          #expect(answer.named == ["tw-paws"], "\(name) \(file) IPv\(version) \(snap): \(answer.headline)")
          #expect(answer.suspects.first?.certainty == .shown)
          #expect(answer.suspects.first?.clients == [version == 4 ? "10.1.0.2" : "2001:db8::a01:2"])
        }
      }
    }
  }

  /// However the bytes are cut.
  @Test func piecesMakeNoDifference() throws {
    for file in Wire.File.allCases {
      let bytes = Wire.file(file, Wire.Link.all[0], Wire.clash(4), version: 4)
      for pieces in [1, 7, 100_000] { #expect(try Wire.answer(bytes, pieces: pieces).named == ["tw-paws"]) }
    }
  }

  /// tcpdump that is killed leaves half a packet: what is whole counts.
  @Test func aCutFileIsRead() throws {
    for file in Wire.File.allCases {
      let bytes = Wire.file(file, Wire.Link.all[0], Wire.clash(4), version: 4)
      let answer = try Wire.answer(Array(bytes.dropLast(9)))
      #expect(answer.named == ["tw-paws"])
      #expect(answer.files[0].notes.contains("cut off in the middle of its last packet"))
    }
  }

  /// A file that is none is a mistake at a place.
  @Test func aBrokenFileNamesThePlace() throws {
    var pcap = Wire.file(.pcap, Wire.Link.all[0], Wire.clash(4), version: 4)
    pcap.replaceSubrange(24 + 8..<24 + 12, with: [0xff, 0xff, 0xff, 0x7f])
    var broken = Wire.file(.pcapng, Wire.Link.all[0], Wire.clash(4), version: 4)
    broken.replaceSubrange(4..<8, with: [3, 0, 0, 0])
    for (bytes, words) in [
      (pcap, "0, byte 24: a packet of 2147483647 bytes"), (broken, "0, byte 0: a block of 3 bytes"),
    ] {
      let failure = #expect(throws: Failure.self) { try Wire.answer(bytes) }
      #expect(failure?.description.contains(words) == true, "\(failure?.description ?? "")")
      #expect(failure?.isUsage == true)
    }
  }

  /// Times that no clock has are no reason to end.
  @Test func anyTimeIsATime() throws {
    for time in [0, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
      var bytes = Wire.file(.pcapng, Wire.Link.all[0], Wire.clash(4), version: 4)
      // The upper half of the first packet's time: behind a section of 28 bytes, a block of 16 and an interface of 20.
      bytes.replaceSubrange(28 + 16 + 20 + 12..<28 + 16 + 20 + 16, with: Wire.little(time, 4))
      #expect(try Wire.answer(bytes).files[0].notes[0].hasPrefix("15 packets, 15 of TCP"))
    }
  }

  @Test func aLinkThatIsNotReadIsNamed() throws {
    let link = Wire.Link(name: "radio", number: 127) { _, _ in [] }
    let answer = try Wire.answer(Wire.file(.pcap, link, Wire.clash(4), version: 4))
    #expect(answer.verdict == .notEnough)
    #expect(answer.files[0].notes.contains { $0.contains("of link type 127, which this does not read") })
  }

  /// Without the RST's effect nothing connects: a server that is deaf to it, or a RST that got lost.
  @Test func theTwoEndsAreToldFromOneAnother() throws {
    let bytes = Wire.file(.pcap, Wire.Link.all[0], Wire.clash(4, connects: false), version: 4)
    let answer = try Wire.answer(bytes)
    #expect(answer.named == ["tw-paws"])
    #expect(answer.happened.contains { $0.what.hasSuffix("never connected") })
  }

  /// One attempt in two captures is one.
  @Test func capturesAreJoined() throws {
    let bytes = Wire.file(.pcap, Wire.Link.all[0], Wire.clash(4), version: 4)
    let answer = try Wire.answer(bytes, bytes)
    #expect(answer.suspects.first?.count == 1)
  }

  /// Nothing that would be a TIME_WAIT: no mechanism is named.
  @Test func withoutItsPastItIsNotNamed() throws {
    let late = Array(Wire.clash(4).dropFirst(7))
    let answer = try Wire.answer(Wire.file(.pcap, Wire.Link.all[0], late, version: 4))
    #expect(answer.verdict == .notEnough)
    #expect(Set(answer.fitting) == ["tw-paws", "challenge-ack", "fin-wait-2"])
    #expect(answer.missing.contains { $0.command == "ss -tan" })
  }

  /// The text is for 80 columns, and begins with the answer.
  @Test func theTextFits() throws {
    let lines = AnswerText(try Wire.answer(Wire.file(.pcap, Wire.Link.all[0], Wire.clash(4), version: 4)))
      .lines
    #expect(lines[0].hasPrefix("tw-paws (shown) hits 10.1.0.2: "))
    #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines.filter { $0.count > 80 })")
  }
}
