import Foundation
import Judging
import LabFile
import Model
import Testing

import struct Model.Expectation

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

  /// What editors complete is what the lab reads.
  @Test func theSchemaKnowsEveryNameOfTheCode() throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: Self.folder + "/schema.json"))
    let schema = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let definitions = try #require(schema["$defs"] as? [String: [String: Any]])
    #expect(definitions["expectation"]?["enum"] as? [String] == Expectation.all.map(\.description))
    let names = definitions["settings"]?["propertyNames"] as? [String: Any]
    #expect(Set(names?["enum"] as? [String] ?? []) == Set(Setting.all.map(\.name)))
    let capabilities = try #require(definitions["capability"]?["anyOf"] as? [[String: String]])
    let pattern = Capability.Feature.allCases.map(\.rawValue)
    let features = capabilities[0]["pattern"]?.split(separator: "(").last?.prefix { $0 != ")" } ?? ""
    #expect(Set(features.split(separator: "|").map(String.init)) == Set(pattern))

    /// What is found along a path of keys.
    func at(_ path: String...) -> Any? {
      path.reduce(schema as Any?) { ($0 as? [String: Any])?[$1] }
    }
    func words(_ path: String...) -> [String]? {
      (path.reduce(schema as Any?) { ($0 as? [String: Any])?[$1] } as? [String: Any])?["enum"] as? [String]
    }
    func list<Value: CaseIterable & RawRepresentable>(_: Value.Type) -> [String]
    where Value.RawValue == String {
      Value.allCases.map(\.rawValue)
    }
    #expect(words("properties", "topology", "properties", "kind") == list(Network.Topology.self))
    #expect(words("properties", "topology", "properties", "family") == list(Network.Family.self))
    for (key, values) in [
      ("nat", list(Hop.NAT.self)), ("backend", list(Hop.Backend.self)), ("random", list(Hop.Randomness.self)),
      ("scheduler", list(Network.Scheduler.self)),
    ] {
      #expect(words("properties", "topology", "properties", "hop", "properties", key) == values)
    }
    let tables = list(Step.Table.self)
    #expect(words("$defs", "churn", "properties", "flush") == tables)
    #expect(words("$defs", "flush", "properties", "flush") == tables)
    for step in ["connect", "churn"] {
      #expect(words("$defs", step, "properties", "closes") == list(Step.Closer.self))
    }
    #expect(words("$defs", "send", "properties", "send") == list(Send.Sender.self))
    let rule = ["properties", "expect", "items", "properties"]
    func ruleWords(_ key: String) -> [String]? {
      ((rule + [key]).reduce(schema as Any?) { ($0 as? [String: Any])?[$1] } as? [String: Any])?["enum"]
        as? [String]
    }
    #expect(ruleWords("source") == list(Rule.Source.self))
    #expect(ruleWords("time_wait") == list(Rule.TimeWaitLength.self))
    let client = (at("properties", "clients", "additionalProperties", "oneOf") as? [[String: Any]])?.last
    let properties = client?["properties"] as? [String: [String: Any]]
    #expect(properties?["isn"]?["enum"] as? [String] == list(SequencePin.self))
    #expect(properties?["count"]?["maximum"] as? Int == Bounds.clients)
    #expect(at("$defs", "connect", "properties", "times", "maximum") as? Int == Bounds.times)
    #expect(at("$defs", "connect", "properties", "again", "maximum") as? Int == Bounds.again)
    #expect(at("$defs", "churn", "properties", "connections", "maximum") as? Int == Bounds.connections)
    #expect(at("$defs", "churn", "properties", "rate", "maximum") as? Int == Bounds.rate)
    #expect(at("$defs", "advance", "properties", "advance", "maximum") as? Int == Bounds.advance)
    #expect(at("properties", "topology", "properties", "servers", "maximum") as? Int == Bounds.servers)
    #expect(
      at("properties", "topology", "properties", "server_ports", "maximum") as? Int == Bounds.serverPorts)
    #expect(at("properties", "matrix", "maxProperties") as? Int == Bounds.axes)
    #expect(at("properties", "matrix", "additionalProperties", "maxItems") as? Int == Bounds.values)
    #expect(at("properties", "why", "maxLength") as? Int == Bounds.why)
    #expect(at("properties", "title", "maxLength") as? Int == Bounds.text)
    #expect(at("properties", "clocks", "additionalProperties", "maximum") as? Int == Bounds.offset)
  }
}
