import Foundation
import Fuzz
import Testing

/// A slice of what `scripts/test` feeds to the release build: no input ends the program, whatever is spoilt in it.
@Suite struct FuzzProgramTests {
  @Test(arguments: Kind.allCases) func spoiltInputsAreAnswered(kind: Kind) throws {
    // A debug build on a busy machine is slow; what hangs does so for ever.
    let ended = try ProgramTests.run(
      "bench", "fuzz", "--kind", kind.rawValue, "--inputs", "250", "--limit", "10000", "--keep", ".build/fuzz"
    )
    #expect(ended.status == 0, "\(ended.output)\(ended.errors)")
    #expect(ended.output.contains("    250 inputs"), "\(ended.output)")
    #expect(ended.output.contains("  0 found"), "\(ended.output)")
  }

  @Test func usageIsSaid() throws {
    #expect(try ProgramTests.run("bench", "fuzz", "--inputs", "0").status == 2)
    #expect(try ProgramTests.run("bench", "fuzz", "--kind", "yaml").status == 2)
    let elsewhere = try ProgramTests.run("bench", "fuzz", "--kind", "pcapng", "--corpus", "Sources")
    #expect(elsewhere.status == 3)
    #expect(elsewhere.errors.contains("no genuine pcapng there; --corpus names the lab folder of a clone"))
  }

  /// From the outside, by the real program: the exit status is one of those that are promised.
  @Test func labFilesAreReadOrRefused() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("fuzz-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let lab = ProgramTests.repository + "/lab/"
    let genuine = try ["direct", "port-range", "time-wait-clash"].map {
      [UInt8](try Data(contentsOf: URL(fileURLWithPath: lab + $0 + ".yaml")))
    }
    let generator = Generator(.lab, corpus: genuine)
    for index in 0..<25 {
      let file = folder.appendingPathComponent("x.yaml").path
      try Data(generator.input(seed: 5, index: index)).write(to: URL(fileURLWithPath: file))
      let ended = try ProgramTests.run("list", file)
      #expect([0, 2].contains(ended.status), "\(index): \(ended)")
      #expect((ended.status == 0) == ended.errors.isEmpty, "\(index): \(ended)")
      if ended.status == 2 {
        // Each mistake begins with the file; below it stands its line, indented.
        let lines = ended.errors.split(separator: "\n")
        #expect(lines.first?.hasPrefix(file) == true, "\(ended.errors)")
        #expect(lines.allSatisfy { $0.hasPrefix(file) || $0.hasPrefix(" ") }, "\(ended.errors)")
      }
    }
  }
}
