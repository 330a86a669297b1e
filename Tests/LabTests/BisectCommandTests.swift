import Foundation
import Testing

/// `pawslab bisect`, as git and its users call it; nothing here boots a guest.
@Suite struct BisectCommandTests {
  private static let file = "lab/time-wait-clash.yaml"
  private static let case1 =
    "time-wait-clash/rfc1337=1,clock=behind,isn=ahead,timestamps=1,conntrack=flushed,family=ipv4,topology=snat"

  /// Bad usage ends git bisect: 1 to 127 would be an answer.
  @Test(arguments: [
    (["bisect", case1], 2, "--good and --bad"),
    (
      ["bisect", case1, "--lab", file, "--good", "debian-99", "--bad", "debian-12"], 2,
      "no kernel of that name"
    ),
    (
      ["bisect", case1, "--lab", file, "--good", "debian-11", "--bad", "debian-12", "--run", "true"], 2,
      "--run builds"
    ),
    (["bisect", case1, "--lab", file, "--kernel", "Sources"], 128, "no kernel in this folder"),
    (["bisect", case1, "--lab", file, "--kernel", ""], 128, "has no name"),
    (["bisect", case1, "--lab", file, "--kernel", ".", "--among", "debian-12"], 128, "--among"),
    (["bisect", case1, "--lab", file, "--kernel", ".", "--no-such"], 128, "--no-such"),
    (["bisect", "no-such-case", "--lab", file, "--kernel", "."], 128, "no-such-case"),
    (
      ["run", file, "--case", case1, "--kernel", "./no-such", "--exit", "git-bisect"], 128,
      "No such file or directory"
    ),
    (["run", file, "--case", case1, "--kernel", "Sources/"], 2, "no kernel in this folder"),
  ])
  func badUsageEndsTheSearch(arguments: [String], status: Int32, words: String) throws {
    let ended = try ProgramTests.run(arguments)
    #expect(ended.status == status, "\(ended.errors)")
    #expect(ended.errors.contains(words), "\(ended.errors)")
  }

  /// make(1) ends with 2 where it fails, which git would take for bad.
  @Test(arguments: [
    ("echo built; exit 2", 125, "built"), ("kill -9 $$", 125, "signal 9"),
    ("kill -TERM $$; exit 2", 143, nil),
  ])
  func whatIsNotBuiltIsNeitherGoodNorBad(command: String, status: Int32, words: String?) throws {
    let ended = try ProgramTests.run(
      "bisect", Self.case1, "--lab", Self.file, "--kernel", ".", "--run", command)
    #expect(ended.status == status, "\(ended.errors)")
    #expect((words.map(ended.errors.contains) ?? true) && ended.output.isEmpty, "\(ended.errors)")
  }
}
