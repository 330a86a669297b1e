import Foundation
import Judging
import LabFile
import Model
import Report
import Testing

/// What ends a loss, by trying.
@Suite struct CureTests {
  private static let name =
    "time-wait-clash/rfc1337=1,clock=behind,isn=ahead,timestamps=1,conntrack=flushed,family=ipv4,topology=snat"
  private static let cases: [Case] = {
    let path = ProgramTests.repository + "/lab/time-wait-clash.yaml"
    return (try? LabFiles.load(path: path).cases()) ?? []
  }()
  private static var test: Case { get throws { try #require(cases.first { $0.id == name }) } }

  private static func setting(_ role: Cure.Role, _ name: String, _ value: String) -> Cure.Change {
    .setting(role, name: name, value: value)
  }

  // MARK: what is tried

  @Test func everyRoleSettingPortAndLayoutIsTried() throws {
    let changes = Cure.changes(for: try Self.test, among: Self.cases)
    #expect(Set(changes).count == changes.count)
    for change in [
      Self.setting(.server, "tcp_rfc1337", "0"), Self.setting(.server, "tcp_timestamps", "0"),
      Self.setting(.client, "tcp_tw_reuse", "1"), Self.setting(.client, "ip_local_port_range", "1024 65535"),
      Self.setting(.hop, "nf_conntrack_tcp_timeout_time_wait", "1200"),
      .random(.fully), .ports, .layout("ipvs-fullnat"),
    ] { #expect(changes.contains(change), "\(change.text)") }
    // What it is already, what only the lab pins, and a client's clock, which is its case's.
    for change in [
      Self.setting(.server, "tcp_rfc1337", "1"), Self.setting(.client, "tcp_syn_retries", "5"),
      Self.setting(.client, "tcp_timestamps", "1"), Self.setting(.hop, "ip_forward", "0"),
      .layout("snat"), .random(.none),
    ] { #expect(!changes.contains(change), "\(change.text)") }
    // None of conntrack on who has none.
    #expect(
      !changes.contains {
        if case .setting(.server, let name, _) = $0 { name.hasPrefix("nf_") } else { false }
      })
  }

  @Test func everyChangeChangesTheCase() throws {
    let test = try Self.test
    for change in Cure.changes(for: test, among: Self.cases) {
      let changed = Cure([change]).applied(to: test, among: Self.cases)
      #expect(
        changed.network != test.network || changed.settings != test.settings
          || changed.workload.count != test.workload.count, "\(change.text)")
      #expect(changed.id == test.id + " ~ " + change.text)
      #expect(changed.rules.count == 1 && changed.rules[0].outcomes.isEmpty)
    }
  }

  @Test func whatTheFileWritesLaterDoesNotUndoIt() throws {
    var test = try Self.test
    test.workload.insert(.set(node: "server", setting: "tcp_rfc1337", value: "1"), at: 1)
    let cure = Cure([Self.setting(.server, "tcp_rfc1337", "0")])
    let changed = cure.applied(to: test)
    #expect(changed.settings["server"]?["tcp_rfc1337"] == "0")
    #expect(!changed.workload.contains { $0.action.writes?.setting == "tcp_rfc1337" })
    // On machines that run it is written right before the step, and by nobody before.
    let late = try #require(cure.applied(to: try Self.test, before: 2))
    #expect(late.settings == (try Self.test.settings))
    #expect(late.workload[2].action.writes?.value == "0")
    #expect(late.workload.count == (try Self.test.workload.count) + 1)
    #expect(Cure([.random(.fully)]).applied(to: test, before: 1) == nil)
    #expect(Cure([Self.setting(.client, "tcp_timestamps", "0")]).applied(to: test, before: 1) == nil)
  }

  @Test func aClientWithoutTimestampsHasNoClock() throws {
    let changed = Cure([Self.setting(.client, "tcp_timestamps", "0")]).applied(to: try Self.test)
    #expect(changed.network.clients.allSatisfy { $0.clock == .off })
    #expect(changed.network.clients.allSatisfy { changed.settings[$0.name]?["tcp_timestamps"] == "0" })
  }

  // MARK: what it comes to

  @Test func anEffectIsByTheWorst() {
    let harms: [Cure.Harm] = [.none, .delayed, .lost]
    for before in harms {
      for after in harms {
        let effect = Cure.effect(of: ["a": after, "b": .none], instead: ["a": before, "b": .none])
        let wanted: Cure.Effect =
          after > before ? .worsens : after == before ? .nothing : after == .none ? .ends : .softens
        #expect(effect == wanted, "\(before) \(after)")
        // Whoever is hurt instead makes it no cure.
        let moved = Cure.effect(of: ["a": .none, "b": .delayed], instead: ["a": before, "b": .none])
        #expect(moved == .worsens)
      }
    }
  }

  @Test func aTableNamesTheSmallestFirst() {
    var table = CureTable(name: "a/b=1", kernel: "host", hurt: ["late": "dropped by tw-paws"])
    let (first, second) = (Self.setting(.server, "tcp_rfc1337", "0"), Cure.Change.random(.fully))
    table.trials = [
      .init(Cure([first, second]), .ends, hurt: [:]), .init(Cure([.ports]), .ends, hurt: [:]),
      .init(Cure([first]), .softens, hurt: ["late": "delayed"]),
      .init(Cure([second]), .nothing, hurt: table.hurt),
    ]
    table.trials[0].confirmed = .init(ended: 3, times: 3)
    table.trials[1].confirmed = .init(ended: 1, times: 3)
    #expect(table.cures.map(\.cure.text) == ["server tcp_rfc1337=0, NAT random=fully"])
    #expect(
      table.lines == [
        "a/b=1  on host", "  late: dropped by tw-paws", "", "ends it",
        "  server tcp_rfc1337=0, NAT random=fully",
        "      sysctl -w net.ipv4.tcp_rfc1337=0",
        "      iptables -t nat ... -j SNAT|MASQUERADE --random-fully", "",
        "ends it at times", "  NAT ports=1024-65535",
        "      iptables -t nat ... --to-source ADDRESS:1024-65535",
        "      in 1 of 3 runs", "", "softens it", "  server tcp_rfc1337=0", "      late: delayed", "",
        "1 other single changes do nothing for it: --format json",
      ])
  }

  // MARK: on a kernel

  /// `claims` says of this clash: the server's timestamps off, where the sequence number speaks for the SYN, or another
  /// port; `tcp_rfc1337=0` leaves a retransmission.
  @Test func whatClaimsKnowIsFoundAgain() throws {
    let ended = try ProgramTests.run(
      "cure", Self.name, "--kernel", "host", "--format", "json", "--times", "1", "--change",
      "server tcp_rfc1337*",
      "--change", "server tcp_timestamps=?", "--change", "NAT *", "--change", "server tcp_tw_reuse=1")
    #expect(ended.status == 0, "\(ended.errors)")
    let table = try JSONDecoder().decode(CureTable.self, from: Data(ended.output.utf8))
    #expect(table.hurt == ["late": "dropped by tw-paws"])
    func effect(_ change: Cure.Change) -> Cure.Effect? {
      table.trials.first { $0.cure.changes == [change] }?.effect
    }
    #expect(effect(Self.setting(.server, "tcp_rfc1337", "0")) == .softens)
    #expect(effect(Self.setting(.server, "tcp_timestamps", "0")) == .ends)
    #expect(effect(.ports) == .ends)
    #expect(effect(Self.setting(.server, "tcp_tw_reuse", "1")) == .nothing)
    #expect(table.cures.allSatisfy { $0.cure.changes.count == 1 })
    #expect(
      table.cures.first { $0.cure.changes == [Self.setting(.server, "tcp_timestamps", "0")] }?.atOnce == .ends
    )
  }

  @Test func severalCasesAndNoSuchChangeAreMistakes() throws {
    let several = try ProgramTests.run("cure", "time-wait-clash")
    #expect(several.status == 64 || several.status == 2, "\(several.status)")
    #expect(several.errors.contains("cure takes one case"))
  }
}
