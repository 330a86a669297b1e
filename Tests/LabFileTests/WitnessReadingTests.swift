import LabFile
import Model
import Testing

/// What an author says must be seen: `counters`, `packets`, `sockets`, `conntrack`, `ipvs`, `drops` of an expectation.
@Suite struct WitnessReadingTests {
  static func text(_ witnesses: String) -> String {
    MistakeTests.good.replacing(
      "late: dropped by hop\n", with: "late: dropped by hop\n" + witnesses, maxReplacements: 1)
  }

  @Test func allOfThemAreRead() throws {
    let text = Self.text(
      """
          counters: {server: {TcpExt.PAWSEstab: 2, Tcp.OutRsts: 1-3}, hop: {conntrack.insert_failed: 1}}
          packets:
            - "late > server Flags [S] x2 then server > late Flags [.]"
            - none of late server > late Flags [R]
          sockets: {server: {TIME-WAIT: 1, "ESTAB server:8000 *:*": 2}}
          conntrack: {hop: ["TIME_WAIT src=early dport=8000 [ASSURED]", "SYN_SENT x2"]}
          drops: {server: {TCP_RFC7323_TW_PAWS: 2}}

      """)
    let scenario = try LabFiles.parse(text, file: "lab/x.yaml")
    let witnesses = try #require(scenario.rules[1].rule.witnesses)
    #expect(witnesses.counters["server"] == ["TcpExt.PAWSEstab": Amount(2), "Tcp.OutRsts": Amount(1...3)])
    #expect(witnesses.counters["hop"] == ["conntrack.insert_failed": Amount(1)])
    #expect(witnesses.packets.map(\.isNone) == [false, true])
    #expect(witnesses.packets[0].kinds.count == 2)
    #expect(witnesses.sockets["server"]?.map(\.description) == ["ESTAB server:8000 * x2", "TIME-WAIT x1"])
    #expect(witnesses.conntrack["hop"]?.map(\.count) == [Amount(1), Amount(2)])
    #expect(witnesses.drops["server"] == ["TCP_RFC7323_TW_PAWS": Amount(2)])
    #expect(scenario.rules[0].rule.witnesses == nil)
  }

  @Test(arguments: [
    (
      "    counters: {sever: {TcpExt.PAWSEstab: 2}}\n",
      "27:16: no node \"sever\" in the topology; did you mean \"server\"?"
    ),
    (
      "    counters: {server: {TcpExt.PAWSEstb: 2}}\n",
      "27:25: no kernel has a counter \"TcpExt.PAWSEstb\"; did you mean \"TcpExt.PAWSEstab\"?"
    ),
    (
      "    counters: {server: {PAWSEstab: 2}}\n",
      "27:25: no kernel has a counter \"PAWSEstab\"; did you mean \"TcpExt.PAWSEstab\"?"
    ),
    ("    counters: {server: {TcpExt.PAWSEstab: some}}\n", "27:43: TcpExt.PAWSEstab: \"some\" is no number"),
    ("    packets: late server\n", "27:14: packets: late is not followed by > and the end"),
    ("    packets: [\"lat > server\"]\n", "27:15: no node \"lat\" in the topology; did you mean \"late\"?"),
    ("    packets: of lat late > server\n", "27:14: no step has the label \"lat\"; did you mean \"late\"?"),
    ("    sockets: {server: {TIMEWAIT: 1}}\n", "27:24: server: no state is called \"TIMEWAIT\""),
    ("    conntrack: {hop: CLOSED}\n", "27:22: hop: \"CLOSED\" is no word of conntrack -L"),
    ("    ipvs: {hop: TIME_WAIT}\n", "27:17: hop: \"TIME_WAIT\": write the state, the client"),
    ("    drops: {server: {paws: 1}}\n", "27:22: server: \"paws\" is no reason for a drop"),
    ("    counters: {late.2: {Tcp.InSegs: 1}}\n", "25:5: there is no late.2 in x/"),
  ])
  func aMistakeIsAtItsPlace(witnesses: String, message: String) {
    let seen = MistakeTests.mistakes(Self.text(witnesses))
    #expect(seen.count == 1 && seen.allSatisfy { $0.hasPrefix("lab/x.yaml:\(message)") }, "\(seen)")
  }

  /// A witness alone is something expected, so an axis that changes it changes an expectation.
  @Test func aWitnessIsAnExpectation() {
    let text = Self.text("    sockets: {server: {TIME-WAIT: 1}}\n")
      .replacing("late: dropped by hop\n", with: "late: delayed by tw-paws\n")
    #expect(MistakeTests.mistakes(text) == [])
  }
}
