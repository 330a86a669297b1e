import Foundation
import Model
import Testing

@testable import Judging

import struct Model.Expectation

/// A mechanism is a file; all that names mechanisms comes from the list of them.
@Suite struct RegistryTests {
  @Test func whatALabFileMayExpectComesFromTheMechanisms() {
    #expect(Expectation(text: "dropped by tw-paws") == Expectation(.dropped, by: "tw-paws"))
    #expect(Expectation(text: "connected") == Expectation(.connected))
    for text in ["dropped", "connected by tw-paws", "dropped by nobody", ""] {
      #expect(Expectation(text: text) == nil)
    }
    let all = Expectation.all.map(\.description)
    #expect(Set(all).count == all.count)
    for mechanism in Mechanism.all {
      #expect(!mechanism.expectations.isEmpty && !mechanism.source.isEmpty, "\(mechanism.name)")
      #expect(!mechanism.summary.hasSuffix(".") && !mechanism.summary.contains("\n"), "\(mechanism.name)")
      #expect(mechanism.expectations.allSatisfy { all.contains($0.description) })
    }
  }

  /// As before there was a registry: one word, beside the outcome.
  @Test func aMechanismIsSavedAsItsName() throws {
    let saved = String(
      decoding: try JSONEncoder().encode([Expectation(.dropped, by: "tw-paws")]), as: UTF8.self)
    #expect(saved.contains("\"mechanism\":\"tw-paws\""))
    for wrong in ["", "a b", "\\u202e", String(repeating: "x", count: 65)] {
      let text = "{\"outcome\":\"dropped\",\"mechanism\":\"\(wrong)\"}"
      #expect(throws: DecodingError.self) {
        try JSONDecoder().decode(Expectation.self, from: Data(text.utf8))
      }
    }
  }

  @Test func aMechanismOfAnotherVersionIsAnError() {
    let judgement = judge(
      JudgeTests.test(Expectation(.dropped, by: "moonlight")), on: .current(), seen: JudgeTests.dropped())
    #expect(judgement.verdict == .error)
    #expect(judgement.reason.contains("no mechanism is called moonlight"))
  }
}

/// A change that changes nothing is no mutant: it passes, and proves nothing.
@Suite struct BaselineMutationTests {
  @Test(arguments: [("0", true), ("1", false), ("2", true)])
  func whatIsTheBaselineAlreadyIsNotTakenAway(value: String, applies: Bool) throws {
    let mutation = Mutation.baseline("tcp_syncookies")
    var test = JudgeTests.test(Expectation(.connected))
    #expect(!mutation.applies(test))
    test.settings = ["server": ["tcp_syncookies": value]]
    #expect(mutation.applies(test) == applies)
    // What a step writes is taken away, whatever it began from.
    test.workload = [.set(node: "server", setting: "tcp_syncookies", value: "1")]
    #expect(mutation.applies(test))
  }

  /// Without timestamps no server looks at a clock: the sequence number is the cause.
  @Test func whatAServerDoesNotLookAtIsNotTakenAway() {
    var test = JudgeTests.test(Expectation(.predicted, by: "time-wait"))
    test.network.clients = test.network.clients.map {
      var client = $0
      (client.clock, client.isn) = (.natural, .natural)
      return client
    }
    func changes() -> [String] { Mutant.all(of: [test], on: .current()).map(\.change) }
    #expect(changes() == ["skew", "ports"])
    test.settings["server"] = ["tcp_timestamps": "0"]
    #expect(changes() == ["pinned", "ports"])
  }

  /// A port comes again through a NAT that has few, or because a step names it.
  @Test func aPortThatAStepNamesIsTakenAway() throws {
    var test = JudgeTests.test(Expectation(.delayed, by: "challenge-ack"))
    for index in test.network.hosts.indices { test.network.hosts[index].nat = nil }
    test.workload = [
      Step(Connect(client: "late", label: "late", closes: .nobody, times: 1, again: 0, port: 45000))
    ]
    let mutant = try #require(Mutant.all(of: [test], on: .current()).first { $0.change == "ports" })
    #expect((mutant.test.workload[0].action as? Connect)?.port == nil)
    test.workload = []
    #expect(!Mutant.all(of: [test], on: .current()).contains { $0.change == "ports" })
  }
}
