import Foundation
import Testing

/// Everything that was made is unmade, however the process dies, and the host is as it was.
extension ProgramTests {
  @Suite(.serialized, .enabled(if: canRun, "SKIPPED: needs root")) struct NothingLeft {
    @Test(arguments: [(SIGINT, 1), (SIGINT, 40), (SIGTERM, 10), (SIGKILL, 1), (SIGKILL, 25), (SIGKILL, 80)])
    func whenTheLabIsKilled(signal: Int32, afterLines lines: Int) throws {
      let before = try namespaces()
      let (process, output, errors) = try ProgramTests.start(["run", "lab", "--host-only", "--jobs", "12"])
      var seen = Data()
      while seen.count(where: { $0 == 10 }) < lines {
        let more = output.fileHandleForReading.availableData
        try #require(!more.isEmpty, "the run ended before \(lines) lines")
        seen += more
      }
      kill(process.processIdentifier, signal)
      let rest = output.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      try waitUntil("workers are gone") { try workers(of: nil).isEmpty }
      try waitUntil("namespaces are gone") { try namespaces().subtracting(before).isEmpty }
      guard signal != SIGKILL else { return }
      #expect(process.terminationStatus == 128 + signal)
      let text = String(decoding: seen + rest, as: UTF8.self)
      #expect(text.contains(" passed, 0 failed, "), "what was judged so far is printed")
      let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      #expect(complaint.contains("interrupted;"))
    }

    @Test func whenAWorkerIsKilledItsCaseIsAnErrorAndTheOthersGoOn() throws {
      let before = try namespaces()
      let (process, output, _) = try ProgramTests.start(["run", "lab/tw-reuse.yaml", "--jobs", "12"])
      var victims: [Int32] = []
      try waitUntil("a worker runs") {
        victims = try workers(of: process.processIdentifier)
        return victims.count > 3
      }
      kill(try #require(victims.last), SIGKILL)
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 3)
      #expect(text.contains("11 passed, 0 failed, 0 skipped, 1 errors"), "\(text)")
      try waitUntil("namespaces are gone") { try namespaces().subtracting(before).isEmpty }
    }

    @Test func afterAFullRunTheHostIsByteForByteAsItWas() throws {
      // The first use of conntrack and iptables loads them, which adds settings to the host.
      _ = try ProgramTests.run("run", "lab", "--host-only", "--quiet", "--case", "*conntrack=kept*")
      let before = try Host.state()
      let ended = try ProgramTests.run("run", "lab", "--host-only", "--quiet")
      #expect(ended.status == 0, "\(ended.output)\(ended.errors)")
      #expect(try Host.differences(from: before) == [])
    }
  }
}

/// Network namespaces that some process is in or holds open.
private func namespaces() throws -> Set<String> {
  let files = FileManager.default
  var found: Set<String> = []
  for process in try files.contentsOfDirectory(atPath: "/proc") where Int(process) != nil {
    let own = ["/proc/\(process)/ns/net"]
    let held = ((try? files.contentsOfDirectory(atPath: "/proc/\(process)/fd")) ?? [])
      .map { "/proc/\(process)/fd/\($0)" }
    for path in own + held {
      guard let target = try? files.destinationOfSymbolicLink(atPath: path), target.hasPrefix("net:[") else {
        continue
      }
      found.insert(target)
    }
  }
  return found
}

/// Processes called pawslab-worker, of one parent or of any; not those that watch over a guest of another test.
private func workers(of parent: Int32?) throws -> [Int32] {
  try Host.processes().filter { pid in
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      let end = stat.lastIndex(of: ")"), stat.contains("(pawslab-worker)")
    else { return false }
    guard Host.commandLine(of: pid).dropFirst().first != "guard" else { return false }
    let fields = stat[end...].split(separator: " ")
    return parent == nil || fields.count > 2 && Int32(fields[2]) == parent
  }
}
