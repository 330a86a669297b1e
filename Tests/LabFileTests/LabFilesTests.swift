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
        "accept-overflow": 8, "clients-without-offset": 7, "clock-step": 16, "clock-step-ends": 12,
        "close-wait-leak": 12, "conntrack-full": 8, "conntrack-short": 16, "direct": 48,
        "direct-routing-reuse": 24, "director-forgets": 16, "fin-wait-2": 20, "fin-wait-2-expires": 8,
        "firewall-idle": 4, "firewall-says-no": 10, "hairpin": 8, "hardening": 18, "health-check-clock": 8,
        "ipvs-conn-reuse": 16, "ipvs-drained": 16, "ipvs-endpoint-removed": 16, "ipvs-idle": 8,
        "ipvs-persistence": 24, "ipvs-source": 20, "keepalive": 10, "linger-rst": 12, "lvs-tw-recycle": 76,
        "more-tuples": 16, "nat-before-director": 16, "nat-before-lvs": 12, "nat-forgets": 18,
        "nat-hop": 40, "nat-idle": 8, "nat-port-still-open": 16, "nat-ports-used-up": 10,
        "nat-time-wait": 4, "nats-in-a-chain": 12, "one-client-sequence": 8, "port-range": 8,
        "retries2": 7, "rolling-restart": 4, "rp-filter": 12, "rst-eaten": 8, "server-reboots": 8,
        "snat-clash": 48,
        "syn-ack-timeout": 5,
        "syn-cookies": 10, "syn-for-established": 16, "syn-queue": 4, "syn-timeout": 4,
        "time-wait-clash": 84, "ts-stripped": 10, "tsecr": 8, "tw-buckets": 12, "tw-expires": 8,
        "tw-mitigations": 5,
        "tw-own-port": 14, "tw-recycle-alone": 6, "tw-recycle-expiry": 6, "tw-recycle-flip": 9,
        "tw-recycle-length": 8, "tw-reuse": 12, "tw-reuse-behind-nat": 6, "tw-reuse-loopback": 7,
        "two-nats-one-address": 8, "two-servers": 8, "two-virtual-addresses": 12,
        "usec-timestamps": 6,
      ])
  }

  /// Those of real programs, which run only where they are allowed to.
  @Test func thoseOfProgramsExpand() throws {
    let cases = try LabFiles.discover(paths: [Self.folder + "/programs"]).flatMap {
      try LabFiles.load(path: $0).cases()
    }
    let own = cases.filter { !$0.needs.runsPrograms }
    #expect(own.allSatisfy { $0.id.contains("hop=nat") }, "\(own.map(\.id))")
    #expect(
      Dictionary(grouping: cases, by: \.scenario).mapValues(\.count) == [
        "haproxy-full": 6, "haproxy-or-nat": 8, "haproxy-pool": 8, "keepalived-removes": 2,
        "nginx-time-wait": 8,
        "wrk-port-range": 4,
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
