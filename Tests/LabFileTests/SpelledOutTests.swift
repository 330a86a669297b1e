import LabFile
import Model
import Testing

/// A network that a lab file spells out: who there is, what each does, what joins them.
@Suite struct SpelledOutTests {
  static let good = """
    title: Two NATs in a chain before a director
    why: A reason
    topology:
      nodes:
        cpe: {nat: {out: wan}}
        cgn: {nat: {out: core, as: public, ports: 40000-40000}, rules: [{drop: rst, out: core, nth: 1}]}
        director: {balances: {vip: {to: server, by: nat}}}
        server: {count: 2, listens: 1, routes: {public: director}}
      links:
        home: [early, late, cpe]
        wan: [cpe, cgn]
        core: [cgn, director]
        lan: {nodes: [director, server], captured: true}
    clients:
      early: {}
      late: {to: vip}
    settings:
      cgn: {nf_conntrack_tcp_loose: 0}
      director: {vs.conn_reuse_mode: 1}
    matrix:
      cgn.ports: [40000-40000, 40000-40001]
      director.scheduler: [rr, wlc]
    controls: [cgn.ports, director.scheduler]
    workload:
      - connect: early
        closes: server
      - connect: late
    expect:
      - otherwise: true
        because: nothing is wrong with it

    """

  @Test func itIsRead() throws {
    let scenario = try LabFiles.parse(Self.good, file: "lab/x.yaml")
    let test = try #require(scenario.cases().first)
    #expect(test.network.topology == .spelledOut)
    #expect(test.network.natNodes == ["cpe", "cgn"])
    #expect(test.network.directorNodes == ["director"])
    #expect(test.network.serverNames == ["server.1", "server.2"])
    #expect(test.network.host("cgn")?.nat?.address == test.network.names["public"])
    #expect(test.network.host("late")?.client?.target == test.network.names["vip"])
    #expect(test.settings["cgn"]?["nf_conntrack_tcp_loose"] == "0")
    #expect(scenario.cases().count == 4)
    #expect(scenario.cases()[3].network.host("director")?.services.first?.scheduler == .wlc)
  }

  /// Names are held against those that there are where they stand.
  @Test(arguments: [
    (
      "out: wan", "out: wann",
      "5:22: unknown link \"wann\"; did you mean \"wan\"? It is one of home, wan, core, lan"
    ),
    (
      "wan: [cpe, cgn]", "wan: [cpe, cgm]",
      "11:16: no node \"cgm\" in the topology; did you mean \"cgn\"? It is one of early, late, cpe, cgn, director, server, all"
    ),
    ("to: server, by", "to: sever, by", "7:37: no node \"sever\" in the topology; did you mean \"server\"?"),
    ("{to: vip}", "{to: vib}", "16:14: no node and no address is called \"vib\"; did you mean \"vip\"?"),
    ("{public: director}", "{publik: director}", "8:45: no node and no address is called \"publik\""),
    ("{public: director}", "{public: directer}", "8:53: no node \"directer\" in the topology"),
    (
      "{drop: rst, out: core", "{drop: rest, out: core",
      "6:76: drop is any or invalid or syn or syn-ack or rst or fin or ack or data"
    ),
    (
      "{drop: rst, out: core", "{out: core",
      "6:69: a rule of cgn has one of drop, reset, reject, strip, tsval, tsecr, notrack or synproxy"
    ),
    (
      "{drop: rst, out: core", "{drop: rst, strip: syn, out: core",
      "6:69: a rule of cgn has one of drop, reset, reject, strip, tsval, tsecr, notrack or synproxy, not drop and strip"
    ),
    ("listens: 1", "listen: 1", "8:24: unknown key \"listen\" in server; did you mean \"listens\"?"),
    ("by: nat", "by: tunel", "7:49: by is nat or route or tunnel, not \"tunel\"; did you mean \"tunnel\"?"),
    (
      "  nodes:\n", "  kind: snat\n  nodes:\n",
      "4:3: a network that is spelled out has no kind: its nodes say it"
    ),
    (
      "cgn.ports: [40000", "cgm.ports: [40000", "21:3: no node \"cgm\" in the topology; did you mean \"cgn\"?"
    ),
    (
      "cgn: {nf_", "server: {nf_",
      "18:12: nf_conntrack_tcp_loose is a setting of cpe, cgn, director, not of server"
    ),
    (
      "captured: true", "captured: true, reorder: 5",
      "13:54: lan.reorder: what is not late needs a delay for the rest"
    ),
    (
      "captured: true", "delay: 5, from: {late: {loss: 1}}", "13:48: lan.from: late is not on it"
    ),
    (
      "captured: true", "delay: 60001", "13:45: delay is a number of milliseconds from 0 to 60000"
    ),
    (
      "{drop: rst, out: core", "{drop: rst, mss: 1400, out: core",
      "6:81: mss is of synproxy, and this rule says drop"
    ),
    (
      "{drop: rst, out: core", "{synproxy: syn, out: core",
      "6:5: cgn: synproxy is by the link that packets come by: in, and not out"
    ),
    ("  - connect: late", "  - link: {wan: down, von: up}", "27:23: \"von\" is not a node or a link"),
    ("home: [early, late, cpe]", "home: [early, cpe]", "16:3: late: no link joins it"),
  ])
  func aMistakeIsAtItsPlace(right: String, wrong: String, message: String) {
    let text = Self.good.replacing(right, with: wrong, maxReplacements: 1)
    #expect(text != Self.good)
    let seen = MistakeTests.mistakes(text)
    #expect(seen.first?.hasPrefix("lab/x.yaml:\(message)") == true, "\(seen)")
  }
}
