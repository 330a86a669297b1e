import Foundation
import LabFile
import Model
import Testing
import TestSupport

@testable import Diagnosis

/// What audit says of cases is so.
@Suite struct AuditCasesTests {
  private static let cases: [String: Case] = {
    let files = (try? LabFiles.discover(paths: [ProgramTests.repository + "/lab"])) ?? []
    let all = files.compactMap { try? LabFiles.load(path: $0) }.flatMap { $0.cases() }
    return Dictionary(all.map { ($0.id, $0) }) { first, _ in first }
  }()

  /// Mechanisms by which a case expects something, on whatever kernel.
  private static func expected(_ test: Case) -> [Model.Expectation] {
    test.rules.flatMap { $0.outcomes.values }
  }

  private static func names(_ mechanism: String, _ test: Case) -> Bool {
    names(mechanism, expected(test))
  }

  private static func names(_ mechanism: String, _ expected: [Model.Expectation]) -> Bool {
    expected.contains { expectation in
      guard let name = expectation.mechanism?.rawValue else { return false }
      return name == mechanism || (name == "time-wait" && ["tw-paws", "tw-seq"].contains(mechanism))
    }
  }

  /// Each case that a finding names is there and is explained by that mechanism, and without what it names it is not.
  @Test(arguments: AuditExposure.all.map(\.id)) func eachFindingIsShownByACase(id: String) throws {
    let exposure = try #require(AuditExposure.named(id))
    let isWhole = !exposure.shown.isEmpty && !exposure.change.isEmpty && !exposure.source.isEmpty
    #expect(isWhole)
    for shown in exposure.shown {
      let test = try #require(Self.cases[shown.test], "\(id): no case is called \(shown.test)")
      #expect(Self.names(shown.mechanism, test), "\(id): \(shown.test) expects nothing by \(shown.mechanism)")
      guard let without = shown.without else { continue }
      let other = try #require(Self.cases[without], "\(id): no case is called \(without)")
      // On a kernel of today; what an older one costs besides stands in words.
      let rule = try #require(other.rule(on: PlanTests.kernel()))
      #expect(
        !Self.names(shown.mechanism, Array(rule.outcomes.values)),
        "\(id): \(without) is explained by \(shown.mechanism) too")
      #expect(other.scenario == test.scenario)
    }
  }

  /// An error or a warning is of what loses connections, a note of what costs less.
  @Test(arguments: AuditExposure.all.filter { !$0.isCount }.map(\.id)) func levelsAreAsTheCasesSay(id: String)
    throws
  {
    let exposure = try #require(AuditExposure.named(id))
    let harmless: Set<Outcome> = [.connected, .delivered, .served, .delayed]
    let isLost = exposure.shown.contains { shown in
      guard let test = Self.cases[shown.test] else { return false }
      return Self.expected(test).contains {
        $0.mechanism?.rawValue == shown.mechanism && !harmless.contains($0.outcome)
      }
    }
    if exposure.level >= .warning {
      #expect(isLost, "\(id) is a \(exposure.level), and no case of it loses anything")
    }
  }

  /// Settings that are asked for are the lab's, so that each has a case.
  @Test func settingsAreTheLabs() {
    for name in AuditExposure.all.flatMap(\.settings) { #expect(Setting.named(name) != nil, "\(name)") }
  }
}

/// `pawslab audit`, as somebody calls it.
@Suite(.serialized) struct AuditProgramTests {
  private func folder(_ files: [String: String]) throws -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("audit-\(UUID().uuidString)")
    for (name, text) in files {
      let url = folder.appendingPathComponent(name)
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }
    return folder.path
  }

  /// The part of SARIF that is asked about: every property here is required.
  private struct Log: Decodable {
    struct Message: Decodable { var text: String }
    struct Rule: Decodable {
      var id: String
      var shortDescription: Message
      var properties: [String: [String]]
    }
    struct Driver: Decodable {
      var name: String
      var rules: [Rule]
    }
    struct Tool: Decodable { var driver: Driver }
    struct Artifact: Decodable { var uri: String }
    struct Region: Decodable { var startLine: Int }
    struct Physical: Decodable {
      var artifactLocation: Artifact
      var region: Region
    }
    struct Location: Decodable { var physicalLocation: Physical }
    struct Result: Decodable {
      var ruleId: String
      var ruleIndex: Int
      var level: String
      var message: Message
      var locations: [Location]
      var properties: [String: String]
    }
    struct Run: Decodable {
      var tool: Tool
      var results: [Result]
    }
    var version: String
    var schema: String
    var runs: [Run]
    enum CodingKeys: String, CodingKey {
      case version
      case schema = "$schema"
      case runs
    }
  }

  @Test func filesAreNamedAtTheirLine() throws {
    let path = try folder([
      "etc/sysctl.d/99-fast.conf": "# fast\nnet.ipv4.tcp_tw_recycle = 1\n",
      "roles/hard/vars.yml": "net.ipv4.tcp_rfc1337: 1\n",
      "README.md": "net.ipv4.tcp_rfc1337 = 1\n", ".git/x": "net.ipv4.tcp_rfc1337 = 1\n",
      "main.c": "int main() {}\n",
      "a b/Dockerfile": "FROM x\nRUN sysctl -w net.ipv4.tcp_syncookies=0\n",
    ])
    defer { try? FileManager.default.removeItem(atPath: path) }
    let ended = try ProgramTests.run("audit", path, "--kernel", "3.10.0-1160.el7")
    #expect(ended.status == 1 && ended.errors.isEmpty, "\(ended)")
    for place in ["99-fast.conf:2", "vars.yml:1", "Dockerfile:2"] {
      #expect(ended.output.contains(place), "\(ended.output)")
    }
    #expect(!ended.output.contains("README") && !ended.output.contains(".git"))
    let words = ended.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(
      words.hasPrefix(
        "3 exposures (1 error, 2 warnings); looked at 3 settings, 3 files, Linux 3.10.0-1160.el7 "))
    #expect(
      words.contains("on Linux 4.9.115, the nearest that was run"), "lab/recorded has the case: \(words)")
    let later = try ProgramTests.run("audit", path + "/etc", "--kernel", "6.1.0")
    #expect(
      later.status == 0 && later.output.hasPrefix("nothing found; looked at 1 setting, 1 file, Linux 6.1.0\n")
    )
    #expect(try ProgramTests.run("audit", path, "--fail-on", "never").status == 0)
    #expect(try ProgramTests.run("audit", path + "/roles", "--fail-on", "error").status == 0)
    // What is set has happened to nobody yet.
    #expect(try ProgramTests.run("audit", path, "--fail-on", "finding").status == 0)
    #expect(try ProgramTests.run("audit", path, "--fail-on", "exposure").status == 1)

    // What the schema of SARIF 2.1.0 requires, and what code hosts read.
    let text = try ProgramTests.run("audit", path, "--format", "sarif").output
    let log = try JSONDecoder().decode(Log.self, from: Data(text.utf8))
    let isOfSchema = log.schema.hasSuffix("sarif-schema-2.1.0.json")
    #expect(log.version == "2.1.0" && isOfSchema)
    let run = try #require(log.runs.first)
    #expect(run.tool.driver.name == "pawslab")
    let rules = run.tool.driver.rules.map(\.id)
    #expect(Set(rules).count == rules.count)
    // uniqueItems
    for tags in run.tool.driver.rules.compactMap({ $0.properties["tags"] }) {
      #expect(Set(tags).count == tags.count, "\(tags)")
    }
    #expect(run.results.count == 3)
    for result in run.results {
      #expect(rules[result.ruleIndex] == result.ruleId)
      let isLevel = ["error", "warning", "note"].contains(result.level)
      #expect(isLevel && !result.message.text.isEmpty && !result.locations.isEmpty)
      #expect(result.properties == ["kind": "exposure"])
    }
    let places = run.results.flatMap(\.locations).map(\.physicalLocation)
    #expect(places.map(\.region.startLine).sorted() == [1, 2, 2])
    let uris = places.map(\.artifactLocation.uri)
    let areURIs = uris.allSatisfy { $0.hasPrefix("file:///") && !$0.contains(" ") && URL(string: $0) != nil }
    let isEscaped = uris.contains { $0.hasSuffix("/a%20b/Dockerfile") }
    #expect(areURIs && isEscaped, "\(uris)")

    let audit = try JSONDecoder().decode(
      Audit.self, from: Data(try ProgramTests.run("audit", path, "--format", "json").output.utf8))
    #expect(audit.exposures.count == 3 && audit.findings.isEmpty && audit.kernel == nil)
  }

  /// What iptables lists of itself is read as what it saves, of rules that this machine's own program has made and printed.
  @Test(
    .enabled(
      if: ProgramTests.canRun && Needs.met(Needs.program("iptables-legacy") != nil),
      "SKIPPED: needs root and iptables-legacy"))
  func rulesThatAreListedAreThoseThatAreSaved() throws {
    let path = try folder(["none": ""])
    defer { try? FileManager.default.removeItem(atPath: path) }
    let made = """
      set -e
      add() { iptables-legacy "$@"; ip6tables-legacy "$@"; }
      add -A FORWARD -m conntrack --ctstate INVALID -j DROP
      add -A FORWARD -p tcp --tcp-flags SYN,ACK SYN,ACK -j DROP
      add -A FORWARD -p tcp --tcp-flags RST RST -j DROP
      add -A INPUT ! -i lo -p tcp --dport 22 -m comment --comment "-j DROP --ctstate INVALID" -j ACCEPT
      add -A INPUT -p udp
      add -N mine
      add -A OUTPUT -g mine
      iptables-legacy -A FORWARD -p tcp --syn -j REJECT --reject-with icmp-port-unreachable
      iptables-legacy -t nat -A POSTROUTING -p tcp -j SNAT --to-source 198.19.0.1:40000-40003 --random-fully
      iptables-legacy -t nat -A POSTROUTING -o eth1 -p tcp -j MASQUERADE --to-ports 50000-50007
      for way in iptables ip6tables; do
        $way-legacy-save -c > \(path)/$way.saved
        for table in filter nat; do $way-legacy -t $table -nvL > \(path)/$way.$table.listed || true; done
      done
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["unshare", "--net", "sh", "-c", made]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    func found(_ end: String) throws -> [String] {
      var input = AuditInput(kernel: "6.1.0")
      for name in try FileManager.default.contentsOfDirectory(atPath: path).sorted() where name.hasSuffix(end)
      {
        try input.add(text: try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8), file: name)
      }
      #expect(input.files.contains { $0.kind == (end == "listed" ? "iptables -nvL" : "iptables-save") })
      return Audit(input).all.map { "\($0.rule): \($0.what)" }.sorted()
    }
    let saved = try found("saved")
    #expect(saved.count == 8, "\(saved)")
    #expect(try found("listed") == saved)
  }

  /// Reads only: no module is loaded by it, and what is not readable is said.
  @Test func thisMachineIsLookedAt() throws {
    func modules() -> Set<String> {
      let text = (try? String(contentsOfFile: "/proc/modules", encoding: .utf8)) ?? ""
      return Set(text.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) })
    }
    let before = modules()
    let ended = try ProgramTests.run("audit", "--host", "--format", "json", "--fail-on", "never")
    #expect(ended.status == 0 && ended.errors.isEmpty, "\(ended)")
    #expect(modules().isSubset(of: before))
    let audit = try JSONDecoder().decode(Audit.self, from: Data(ended.output.utf8))
    let hasCounters = audit.files.map(\.name).contains("/proc/net/netstat")
    #expect(audit.kernel != nil && hasCounters)
    let hasSettings = audit.lookedAt.contains { $0.hasSuffix("settings") }
    let isSaid = geteuid() == 0 || audit.notTold.contains { $0.hasPrefix("rules are for root") }
    #expect(hasSettings && isSaid)
  }

  @Test func usageIsSaid() throws {
    let path = try folder(["letter": "dear all,\nit does not work\n"])
    defer { try? FileManager.default.removeItem(atPath: path) }
    for (arguments, words) in [
      ([], "name files or folders, or --host"), (["--host", path], "not both"),
      (["--host", "--kernel", "6.1"], "this machine's kernel is known"),
      (["/none"], "audit /none: No such file"),
      ([path + "/letter"], "nothing that this reads"),
      ([path, "--kernel", "new"], "--kernel takes a release"),
      (["lab/recorded/linux-4.9.115/captures", "--from", "/none"], "nothing that this reads"),
      (["Package.swift", "--rules", "prometheus"], "--rules looks at nothing"),
      ([path, "--since", path], "--since is for --host"),
      ([path, "--fail-on", "x"], "fail-on"),
      ([Self.capture], "captures are for pawslab diagnose"),
    ] {
      let ended = try ProgramTests.run(["audit"] + arguments)
      #expect(ended.status == 2, "\(arguments): \(ended)")
      #expect(ended.errors.contains(words), "\(arguments): \(ended.errors)")
    }
    let help = try ProgramTests.run("audit", "--help").output
    for word in [
      "--host", "--since", "--kernel", "--from", "--format", "--fail-on", "--rules", "sysctl.d",
      "Exit status",
    ] {
      #expect(help.contains(word))
    }
  }

  private static let capture =
    "lab/recorded/linux-4.9.115/captures/linux-4.9/lvs-tw-recycle_topology=ipvs-fullnat,tw_recycle=1,timestamps=1,clock=behind,closer=server,family=ipv4.pcapng"

  /// promtool takes the rules, where it is; their shape is held by AuditTests.
  @Test func promtoolTakesTheRules() throws {
    let ended = try ProgramTests.run("audit", "--rules", "prometheus")
    #expect(ended.status == 0 && ended.output.contains("--collector.netstat.fields='^("))
    guard
      let promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].first(
        where: FileManager.default.isExecutableFile)
    else { return }
    let path = try folder([
      "rules.yaml": ended.output,
      "test.yaml": """
      rule_files: [rules.yaml]
      evaluation_interval: 1m
      tests:
        - interval: 1m
          input_series:
            - {series: 'node_netstat_TcpExt_PAWSPassive{instance="a"}', values: '0 0 0 7 7 7 7 7 7 7 7 7 7 7'}
            - {series: 'node_netstat_TcpExt_ListenOverflows{instance="a"}', values: '3x20'}
            - {series: 'node_nf_conntrack_stat_drop{instance="a"}', values: '0 0 0 9 9 9 9 9 9 9 9'}
            - {series: 'node_nf_conntrack_stat_insert_failed{instance="a"}', values: '0 0 0 9 9 9 9 9 9 9 9'}
          promql_expr_test:
            - {expr: 'count(ALERTS{alertname="PawslabPAWSPassive",alertstate="firing",severity="critical"})', eval_time: 4m, exp_samples: [{labels: '{}', value: 1}]}
            - {expr: 'ALERTS{alertname="PawslabPAWSPassive"}', eval_time: 12m, exp_samples: []}
            - {expr: 'ALERTS{alertname="PawslabListenOverflows"}', eval_time: 4m, exp_samples: []}
            - {expr: 'ALERTS{alertname="PawslabConntrackDrop"}', eval_time: 4m, exp_samples: []}
            - {expr: 'count(ALERTS{alertname="PawslabConntrackInsertFailed"})', eval_time: 4m, exp_samples: [{labels: '{}', value: 1}]}
      """,
    ])
    defer { try? FileManager.default.removeItem(atPath: path) }
    for arguments in [["check", "rules", path + "/rules.yaml"], ["test", "rules", path + "/test.yaml"]] {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: promtool)
      process.arguments = arguments
      let pipe = Pipe()
      (process.standardOutput, process.standardError) = (pipe, pipe)
      try process.run()
      let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 0, "\(said)")
    }
  }

  @Test func benchSaysUsage() throws {
    let ended = try ProgramTests.run("bench", "audit", "lab")
    #expect(ended.status == 2 && ended.errors.contains("no results.json"), "\(ended)")
  }

  /// What this machine's kernel does now, and what is stored of a genuine 4.9: audit in every node of it.
  @Test(.enabled(if: ProgramTests.canRun, "SKIPPED: needs root")) func freshRunsAgreeWithTheJudge() throws {
    let path = try folder([:])
    defer { try? FileManager.default.removeItem(atPath: path) }
    let clash = "time-wait-clash/rfc1337="
    let flushed = "conntrack=flushed,family=ipv4,topology=snat"
    let cases = [
      clash + "?,clock=behind,isn=ahead,timestamps=1," + flushed,
      clash + "?,clock=ahead,isn=ahead,timestamps=1," + flushed,
      clash + "1,clock=off,isn=behind,timestamps=1," + flushed,
      clash + "0,clock=behind,isn=behind,timestamps=0," + flushed,
      "nat-port-still-open/rfc1337=0,clock=behind,drop_invalid=false,family=ipv4", "syn-queue/*family=ipv4",
      "syn-for-established/rfc1337=0,clock=back,isn=behind,family=ipv6",
      "nat-ports-used-up/open=4,random=none,nat=snat,family=ipv4",
      "clock-step/step=back,sender=client,timestamps=1,family=ipv4", "direct/clock=behind*family=ipv4",
    ]
    let run = try ProgramTests.run(
      ["run"] + cases.flatMap { ["--case", $0] } + ["--host-only", "--quiet", "--out", path])
    #expect(run.status == 0, "\(run)")
    let ended = try ProgramTests.run("bench", "audit", path, "lab/recorded/linux-4.9.115", "--verbose")
    #expect(ended.status == 0, "\(ended.output)")
    for row in ["challenge-ack", "established-paws", "hop", "recycle", "tw-paws"] {
      #expect(ended.output.contains("\n\(row)  "), "\(row): \(ended.output)")
    }
  }
}
