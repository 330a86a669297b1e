import Foundation
import Testing

@testable import Model

/// How a step is saved.
@Suite struct StepTests {
  static func decoded(_ text: String) throws -> Step {
    try JSONDecoder().decode(Step.self, from: Data(text.utf8))
  }

  /// What runs of before have: Swift's own coding of an enumeration.
  @Test(arguments: [
    (
      #"{"connect":{"_0":{"again":0,"client":"early","closes":"server","label":"first","times":2}}}"#,
      Step.connect(.init(client: "early", label: "first", closes: .server, times: 2, again: 0))
    ),
    (
      #"{"send":{"_0":{"client":"late","from":"server","label":"later"}}}"#,
      .send(.init(client: "late", label: "later", from: .server))
    ),
    (
      #"{"churn":{"_0":{"clients":["c"],"closes":"client","connections":3,"flush":"tcp_metrics","label":"c"}}}"#,
      .churn(
        .init(clients: ["c"], label: "c", connections: 3, rate: nil, closes: .client, flush: .tcpMetrics))
    ),
    (#"{"flush":{"_0":"conntrack"}}"#, .flush(.conntrack)),
    (#"{"flush":{"_0":"tcp_metrics"}}"#, .flush(.tcpMetrics)),
    (
      #"{"set":{"node":"server","setting":"tcp_rfc1337","value":"1"}}"#,
      .set(node: "server", setting: "tcp_rfc1337", value: "1")
    ),
    (#"{"remove":{"server":"server.1"}}"#, .remove(server: "server.1")),
    (#"{"advance":{"seconds":61}}"#, .advance(seconds: 61)),
    (
      #"{"clock":{"client":"c","to":{"offset":{"milliseconds":-5}}}}"#,
      .clock(client: "c", to: .offset(milliseconds: -5))
    ),
  ])
  func whatWasSavedBeforeIsReadAndSavedByItsVerb(text: String, step: Step) throws {
    let read = try Self.decoded(text)
    #expect(read == step)
    let again = try JSONEncoder().encode(read)
    #expect(!String(decoding: again, as: UTF8.self).contains("_0"))
    #expect(try JSONDecoder().decode(Step.self, from: again) == step)
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
