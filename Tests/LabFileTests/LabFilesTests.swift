import Foundation
import Judging
import LabFile
import Model
import Testing

/// The lab files that come with the lab.
@Suite struct LabFilesTests {
  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  static let folder = repository.appendingPathComponent("lab").path

  static func cases() throws -> [Case] {
    try LabFiles.discover(paths: [folder]).flatMap { try LabFiles.load(path: $0).cases() }
  }

  @Test func allOfThemExpand() throws {
    let counts = Dictionary(grouping: try Self.cases(), by: \.scenario).mapValues(\.count)
    #expect(
      counts == [
        "clock-step": 16, "direct": 48, "ipvs-conn-reuse": 16, "ipvs-source": 20, "lvs-tw-recycle": 76,
        "nat-hop": 40, "port-range": 8, "time-wait-clash": 84, "tw-mitigations": 5,
        "tw-recycle-expiry": 6, "tw-recycle-flip": 9, "tw-recycle-length": 8, "tw-reuse": 12,
        "fin-wait-2-expires": 8, "firewall-idle": 4, "ipvs-idle": 8, "keepalive": 10, "nat-idle": 8,
        "nat-time-wait": 4, "retries2": 7, "syn-ack-timeout": 5, "syn-timeout": 4, "tw-expires": 8,
        "tw-own-port": 14, "snat-clash": 48,
      ])
  }

  @Test func namesAreStableAndUnique() throws {
    let names = try Self.cases().map(\.id)
    #expect(Set(names).count == names.count)
    #expect(CaseName.collisions(among: names).isEmpty)
    #expect(
      names.contains(
        "time-wait-clash/rfc1337=1,clock=behind,isn=ahead,timestamps=1,conntrack=flushed,family=ipv4,topology=snat"
      ))
  }

  @Test func aCaseSurvivesTheWireToTheWorker() throws {
    for test in try Self.cases() {
      #expect(try JSONDecoder().decode(Case.self, from: JSONEncoder().encode(test)) == test)
    }
  }

  @Test func clocksBecomeTimestampSettings() throws {
    let cases = try Self.cases().filter { $0.scenario == "time-wait-clash" }
    for (clock, timestamps) in [("behind", "2"), ("off", "0")] {
      let test = try #require(cases.first { $0.id.contains("clock=\(clock)") })
      #expect(test.settings["late"]?["tcp_timestamps"] == timestamps)
    }
    let natural = try #require(cases.first { $0.id.contains("clock=natural") })
    #expect(natural.network.clients.count == 25)
    #expect(natural.settings["late.24"]?["tcp_timestamps"] == "1")
  }

  /// Where a client's own port is the only one that the hop may give, the kernel evicts nothing for it.
  @Test func noClientHasAPortOfANarrowHopByChance() throws {
    let reserved = try Dictionary(
      grouping: Self.cases(), by: \.scenario
    ).mapValues {
      Set(
        $0.flatMap { test in test.network.clients.map { test.settings[$0.name]?["ip_local_reserved_ports"] } }
      )
    }
    #expect(reserved["time-wait-clash"] == ["40000"])
    #expect(reserved["port-range"] == ["40000-40003"])
    // A wide range; clients whose ports the file chooses.
    #expect(reserved["lvs-tw-recycle"] == [nil])
    #expect(reserved["ipvs-conn-reuse"] == [nil])
  }

  @Test func filtersNarrow() throws {
    let scenarios = try LabFiles.discover(paths: [Self.folder]).map { try LabFiles.load(path: $0) }
    let byValue = try Scenario.select(from: scenarios, settings: ["rfc1337=1", "clock=behind"], patterns: [])
    #expect(byValue.allSatisfy { $0.id.contains("rfc1337=1") && $0.id.contains("clock=behind") })
    #expect(byValue.isEmpty == false)
    let byName = try Scenario.select(from: scenarios, settings: [], patterns: ["tw-reuse/*ipv6"])
    #expect(byName.count == 6)
    #expect(throws: SelectionError.self) {
      try Scenario.select(from: scenarios, settings: ["rfc1338=1"], patterns: [])
    }
    do { _ = try Scenario.select(from: scenarios, settings: ["rfc1338=1"], patterns: []) } catch {
      #expect(error.description == "--set rfc1338=1: no axis rfc1338; did you mean rfc1337?")
    }
  }
}
