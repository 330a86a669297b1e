import Foundation
import Fuzz
import Testing

/// The same seed makes the same inputs, and they are worth feeding.
@Suite struct GeneratorTests {
  static let corpora: [Kind: String] = [
    .lab: "title: a\nmatrix:\n  a: [0, 1]\nexpect: []\n",
    .results: "{\"a\":[1,\"b\",{\"c\":null}],\"d\":1.5}",
    .observations: "{\"a\":-1}", .events: "{\"stage\":{\"_0\":\"x\"}}\n", .pcapng: "\n\r\r\n    ",
    .captures: "\n\r\r\n    ", .texts: "a.b = 1\nc.d = 2\n", .images: "\u{7f}ELF",
    .packages: "a: b\n", .netlink: "    ",
  ]

  @Test(arguments: Kind.allCases) func aSeedIsAllThatAnInputIsMadeOf(kind: Kind) throws {
    let text = try #require(Self.corpora[kind])
    let generator = Generator(kind, corpus: [Array(text.utf8)])
    let first = (0..<200).map { generator.input(seed: 7, index: $0) }
    #expect(first == (0..<200).map { generator.input(seed: 7, index: $0) })
    #expect(first != (0..<200).map { generator.input(seed: 8, index: $0) })
    // Most are inputs of their own.
    #expect(Set(first).count > 100)
    #expect(first.allSatisfy { $0.count <= 1 << 20 })
    // Nothing to begin with is something too.
    for index in 0..<200 { _ = Generator(kind, corpus: []).input(seed: 1, index: index) }
  }

  /// What is mutated is mostly still what it was, so that it gets past the first check.
  @Test func mostJSONStaysJSON() {
    let generator = Generator(
      .results, corpus: [Array("{\"a\":[1,\"b\",{\"c\":null}],\"d\":1.5,\"e\":\"x\"}".utf8)])
    let good = (0..<500).count { index in
      let data = Data(generator.input(seed: 1, index: index))
      return (try? JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)) != nil
    }
    #expect(good > 200)
  }

  /// A process reads what was written, says how far it has come, and its limits are its own.
  @Test func aBatchIsReadBack() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let inputs: [[UInt8]] = [[1, 2, 3], [], Array(repeating: 9, count: 70_000)]
    try Batch.write(inputs, to: folder.path + "/batch")
    let written = [UInt8](try Data(contentsOf: folder.appendingPathComponent("batch")))
    #expect(written.count == 3 * 4 + 70_003)
    #expect(Array(written.prefix(9)) == [3, 0, 0, 0, 1, 2, 3, 0, 0])
    #expect(Batch.progress(folder.path + "/none").index == 0)
  }
}
