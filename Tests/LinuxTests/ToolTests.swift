import Foundation
import Glibc
import Linux
import TestSupport
import Testing

/// How programs are started: no namespaces needed.
@Suite(.serialized) struct ToolTests {
  /// A pipe holds 64 KiB; more than that blocked for ever.
  @Test(arguments: [0, 1, 65_536, 65_537, 1 << 20]) func inputMayBeOfAnyLength(bytes: Int) throws {
    let text = String(repeating: "x", count: bytes)
    let output = try onOwnThread { try Tool.run(["cat"], stdin: text, environment: [:]) }
    #expect(output.status == 0)
    #expect(output.stdout.utf8.count == bytes)
  }

  /// Who does not read to the end says by its status whether that was right.
  @Test func whoReadsNothingIsNotWaitedFor() throws {
    let text = String(repeating: "x", count: 1 << 20)
    #expect(try onOwnThread { try Tool.run(["true"], stdin: text, environment: [:]) }.status == 0)
    #expect(try onOwnThread { try Tool.run(["false"], stdin: text, environment: [:]) }.status == 1)
  }

  /// Each run added `:/usr/sbin:/sbin` to it.
  @Test func ourOwnPathStaysAsItIs() throws {
    let path = { getenv("PATH").map { String(cString: $0) } }
    let before = path()
    let seen = try onOwnThread {
      try (0..<3).map { _ in
        try Tool.run(["sh", "-c", "echo $PATH"], stdin: "", environment: [:]).stdout
      }
    }
    #expect(path() == before)
    #expect(Set(seen).count == 1)
    for folder in ["/usr/sbin", "/sbin"] {
      let folders = seen[0].split { $0 == ":" || $0 == "\n" }.map(String.init)
      let own = (before ?? "").split(separator: ":").count { $0 == folder }
      #expect(folders.count { $0 == folder } == max(1, own), "\(seen[0])")
    }
  }

  @Test func whatIsNotThereIsSaidAsInAShell() throws {
    let output = try onOwnThread { try Tool.run(["no-such-tool"], stdin: "x", environment: [:]) }
    #expect(output.status == 127)
    #expect(output.stderr == "no-such-tool: not found")
    #expect(throws: (any Error).self) { try onOwnThread { _ = try Tool.Background(["no-such-tool"]) } }
  }
}
