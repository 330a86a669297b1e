import Evidence
import Foundation
import Testing

/// Settings of many nodes, written once.
@Suite struct AlikeTests {
  private func written(_ settings: [String: [String: String]]) throws -> [String: [String: String]] {
    let bytes = try JSONEncoder().encode(Alike(wrappedValue: settings))
    #expect(try JSONDecoder().decode(Alike.self, from: bytes).wrappedValue == settings)
    return try JSONDecoder().decode([String: [String: String]].self, from: bytes)
  }

  @Test func fewAreWrittenWhole() throws {
    let few = Dictionary(uniqueKeysWithValues: (0..<32).map { ("n\($0)", ["tcp_sack": "1"]) })
    #expect(try written(few) == few)
  }

  @Test func ofManyEachSetIsWrittenOnce() throws {
    var many = Dictionary(uniqueKeysWithValues: (100..<1100).map { ("n\($0)", ["tcp_sack": "1"]) })
    many["server"] = ["tcp_sack": "0"]
    many["empty"] = [:]
    let text = try written(many)
    #expect(text["n100"] == ["tcp_sack": "1"])
    #expect(text["n1000"] == ["=": "n100"])
    #expect(text["n101"] == ["=": "n100"])
    #expect(text["server"] == ["tcp_sack": "0"])
    #expect(text["empty"] == [:])
    #expect(text.values.count { $0["tcp_sack"] != nil } == 2)
  }

  /// As an observation has them, which is read as it was written.
  @Test func anObservationIsReadAsItWasWritten() throws {
    var observation = Observation(caseID: "a/b")
    observation.settings = Dictionary(uniqueKeysWithValues: (0..<500).map { ("n\($0)", ["tcp_sack": "1"]) })
    let bytes = try JSONEncoder().encode(observation)
    #expect(bytes.count < 20_000)
    #expect(try JSONDecoder().decode(Observation.self, from: bytes) == observation)
  }

  @Test(arguments: [
    #"{"a": {"=": "nobody"}}"#, #"{"a": {"=": "b"}, "b": {"=": "a"}}"#,
    #"{"a": {"=": "b", "x": "1"}, "b": {}}"#,
  ])
  func whatIsLikeNobodyIsRefused(text: String) {
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(Alike.self, from: Data(text.utf8)) }
  }
}
