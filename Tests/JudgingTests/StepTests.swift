import Foundation
import Testing

@testable import Model

/// How a step is saved.
@Suite struct StepTests {
  static func decoded(_ text: String) throws -> Step {
    try JSONDecoder().decode(Step.self, from: Data(text.utf8))
  }

  @Test(arguments: [
    (#"{"conect":{}}"#, "no step is called conect; did you mean connect?"),
    (#"{"explode":{}}"#, "no step is called explode; those known are "),
    ("{}", "a step has one verb, and not 0"), (#"{"advance":{},"set":{}}"#, "a step has one verb, and not 2"),
  ])
  func aStepOfNoVerbIsNamed(text: String, words: String) {
    do {
      _ = try Self.decoded(text)
      Issue.record("\(text) was taken")
    } catch DecodingError.dataCorrupted(let context) {
      #expect(context.debugDescription.hasPrefix(words), "\(context.debugDescription)")
    } catch { Issue.record("\(error)") }
  }

  @Test func stepsOfTwoVerbsAreNotEqual() {
    #expect(Step.advance(seconds: 1) == .advance(seconds: 1))
    #expect(Step.advance(seconds: 1) != .advance(seconds: 2))
    #expect(Step.advance(seconds: 1) != .remove(server: "server"))
  }

  /// A verb's file is found by its folder; two of one name would hide each other.
  @Test func everyVerbIsRegisteredOnce() {
    #expect(Step.verbs.count == registeredSteps.count)
    #expect(Step.verbs.count >= 8)
    for type in registeredSteps {
      #expect(type.verb.example.hasPrefix("{\(type.verb.name): "), "\(type.verb.example)")
      #expect(!type.verb.summary.hasSuffix("."), "\(type.verb.summary)")
    }
  }
}

/// What others ask of steps.
@Suite struct StepActionTests {
  static func test(_ workload: [Step]) -> Case { DeadlinesTests.test([:], workload) }

  /// A number of each verb that no lab file can have said.
  @Test(arguments: [
    (Step(Listen("server", backlog: -1)), "backlog"),
    (Step(WeighServer(server: "server", weight: .max)), "weight"),
    (Step(AddServer(server: "server", weight: -1)), "weight"), (Step(Wait(milliseconds: 0)), "wait"),
    (Step(Shape(node: "client", delay: .max)), "delay"), (Step(Shape(node: "client", loss: 101)), "loss"),
    (Step(Burst(clients: ["client"], label: "x", closes: .client, connections: .max)), "connections"),
    (Step(Exec(node: "client", command: [])), "arguments"),
    (Step(Exec(node: "client", command: ["true"], within: .max)), "within"),
    (Step(Forge("R", from: "client", like: "x", sequence: .max)), "forge"),
    (Step(Forge("R", from: "client", like: "x", payload: 2_000)), "payload"),
    (
      Step(
        Connect(client: "client", label: "x", closes: .client, times: 1, again: 0, port: 70_000)), "port"
    ),
  ])
  func aNumberBeyondItsRangeIsNamed(step: Step, what: String) {
    #expect(step.action.excess?.contains("\(what): ") == true, "\(step.action.excess ?? "none")")
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(Case.self, from: try JSONEncoder().encode(Self.test([step])))
    }
  }

  /// What names nothing, or says two things at once, is said.
  @Test(arguments: [
    (Step(Close(.client)), "no open connection"), (Step(Vanish(.server, on: "late")), "no open connection"),
    (Step(Close(.client, half: true, aborts: true)), "a RST leaves nothing"),
    (Step(Listen("server")), "changes nothing"), (Step(Listen("nobody", accepts: false)), "no server nobody"),
    (Step(WeighServer(server: "server", weight: 0)), "no director has a server server"),
    (Step(SetLink(node: "nobody", isUp: false)), "nobody"),
    (Step(Shape(node: "client", reorder: 5)), "needs a delay"),
    (Step(Forge("R!", from: "client", like: "x")), "no control bits"),
    (Step(Forge("R", from: "client", like: "x")), "no step makes connections called x"),
    (Step(Exec(node: "nobody", command: ["true"])), "no node nobody"),
    (
      Step(Burst(clients: ["client"], label: "x", closes: .both, connections: 1)), "cannot have both ends"
    ),
    (
      Step(Burst(clients: ["client"], label: "x", closes: .client, connections: 1, held: "server")),
      "only a NAT holds SYNs, and there is none"
    ),
    (Step(Flush(table: .ipvs)), "no director"),
    (Step(Flush(table: .neighbours, on: "nobody")), "no node nobody"),
    (
      Step(
        Connect(client: "client", label: "x", closes: .server, times: 1, again: 0, aborts: .client)),
      "two ends of one connection"
    ),
  ])
  func aStepThatCannotBeIsNamed(step: Step, words: String) {
    let mistake = step.action.mistake(in: Self.test([step]))
    #expect(mistake?.message.contains(words) == true, "\(mistake?.message ?? "none")")
  }

  /// A mistake is at the option that says it, and one in a name at what stands behind the verb.
  @Test func aMistakeKnowsItsKey() {
    func key(_ step: Step) -> String? { step.action.mistake(in: Self.test([step]))?.key }
    #expect(key(Step(Shape(node: "client", reorder: 5))) == "reorder")
    #expect(key(Step(Shape(node: "nobody", delay: 5))) == "shape")
    #expect(key(Step(SetLink(node: "nobody", isUp: true))) == "link")
    #expect(key(Step(Close(.client, on: "late"))) == "on")
    #expect(key(Step(Close(.client))) == nil)
    #expect(
      key(Step(Burst(clients: ["client"], label: "x", closes: .client, connections: 1, held: "client")))
        == "held")
    #expect(key(Step(Flush(table: .neighbours, on: "nobody"))) == "on")
  }

  /// What a step does is said in words of its own, on one line.
  @Test func everyStepHasWords() throws {
    let steps: [Step] = [
      DeadlinesTests.connect(), Step(Close(.server, on: "late", peer: .stays)), Step(Vanish(.client)),
      Step(Listen("server", backlog: 1, accepts: false, isOpen: true)),
      Step(Burst(clients: ["a", "b"], label: "x", closes: .server, connections: 2, held: "hop")),
      Step(WeighServer(server: "server.1", weight: 0)), Step(AddServer(server: "server.1", weight: 2)),
      Step(SetLink(node: "a", isUp: false)), Step(Shape(node: "a", delay: 5, loss: 1, of: .sent)),
      Step(Forge("R", from: "hop", like: "x", sequence: -5, payload: 3)), Step(Wait(milliseconds: 1_500)),
      Step(Exec(node: "a", command: ["curl", "-s"], exit: 7, label: "x")),
    ]
    for step in steps {
      #expect(!step.action.words.isEmpty && !step.action.words.contains("\n"))
      let again = try JSONDecoder().decode(Step.self, from: try JSONEncoder().encode(step))
      #expect(again == step)
    }
    #expect(Set(steps.map(\.verb)).count == steps.count)
    #expect(Step(Wait(milliseconds: 1_500)).action.words == "1500 ms pass")
    #expect(
      Step(Shape(node: "a", delay: 5, loss: 1, of: .sent)).action.words
        == "what a sends: 5 ms late, 1 % lost")
  }

  /// Time that passes is waited for, and makes a case slow.
  @Test func aWaitIsPartOfTheDeadline() {
    let test = Self.test([Step(Wait(milliseconds: 61_000)), DeadlinesTests.connect()])
    #expect(test.limit(ofStep: 0) == 61_000 + Deadlines.slack)
    #expect(test.longestSilence >= 61_000)
    #expect(test.needs.isSlow)
    #expect(!Self.test([Step(Wait(milliseconds: 2_000))]).needs.isSlow)
    #expect(Self.test([Step(Exec(node: "client", command: ["true"]))]).needs.runsPrograms)
  }
}
