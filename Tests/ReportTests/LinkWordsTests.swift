import Model
import Testing

@testable import Report

/// What `pawslab explain` says of links and of rules of a lab file's own.
@Suite struct LinkWordsTests {
  @Test func linksAndRulesAreSaid() throws {
    var sketch = NetworkSketch(
      nodes: [.init("wall"), .init("server")],
      links: [.init("out", ["a", "wall"]), .init("in", ["wall", "server"])])
    sketch.nodes[0].forwards = true
    var rule = NetworkSketch.Rule(.drop, .synAck)
    rule.in = "in"
    rule.nth = 2
    sketch.nodes[0].rules = [rule]
    sketch.nodes[1].listens = 1
    sketch.links[0].packets = Impairment(delay: 20, loss: 0.5)
    sketch.links[1].from = ["wall": Impairment(rate: 1_000_000)]
    let client = Client(name: "a", group: "a", clock: .offset(milliseconds: 0), isn: .ahead)
    let test = Case(
      id: "x/default", scenario: "x", title: "", why: "", axes: [],
      network: try sketch.network(family: .ipv4, clients: [client]), settings: [:], workload: [], rules: [])
    let lines = Explanation(test).lines
    #expect(lines.contains("  wall: drop number 2 of syn-ack from in"))
    #expect(lines.contains("  link out: 20 ms late, 0.5 % lost"))
    #expect(lines.contains("  link in, what wall sends: 1000000 bit/s"))
  }
}
