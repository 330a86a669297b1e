import Foundation
import Testing

/// This machine, as anybody can look at it: what must be the same before and after.
enum Host {
  /// Links, addresses, routes, rules, NAT and filter rules, names in /run, mounts, modules, and every setting below net.
  static func state() throws -> [String: String] {
    var state: [String: String] = [:]
    let commands = [
      "ip -d link", "ip address", "ip route show table all", "ip -6 route show table all", "ip rule",
      "ip -6 rule", "tc qdisc", "nft list ruleset", "ip netns", "ls -a /run", "cat /proc/self/mountinfo",
      "cut -d' ' -f1 /proc/modules",
    ]
    for command in commands { state[command] = try run(["sh", "-c", command]).output }
    let root = "/proc/sys/net"
    for path in FileManager.default.enumerator(atPath: root)?.allObjects as? [String] ?? [] {
      // How many connections there are now is no setting.
      guard !path.hasSuffix("nf_conntrack_count") else { continue }
      state[path] = FileManager.default.contents(atPath: "\(root)/\(path)")
        .map { String(decoding: $0, as: UTF8.self) }
    }
    return state
  }

  /// What is not as it was, by name.
  static func differences(from before: [String: String]) throws -> [String] {
    let after = try state()
    return Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }.sorted()
  }

  /// Runs a program of this machine to its end, in the repository.
  static func run(_ words: [String]) throws -> ProgramTests.Ended {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words
    process.currentDirectoryURL = URL(fileURLWithPath: ProgramTests.repository)
    process.environment = ProcessInfo.processInfo.environment.merging([
      "PATH": ProcessInfo.processInfo.environment["PATH", default: "/usr/bin:/bin"] + ":/usr/sbin:/sbin"
    ]) { $1 }
    let (output, errors) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, errors)
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let complaint = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return ProgramTests.Ended(
      status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: complaint, as: UTF8.self))
  }

  /// Every process.
  static func processes() throws -> [Int32] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }
  }

  /// Its program and arguments; empty for one that is over.
  static func commandLine(of pid: Int32) -> [String] {
    (FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()).split(separator: 0)
      .map { String(decoding: $0, as: UTF8.self) }
  }
}

/// Waits for something that comes without an event that could be waited for.
func waitUntil(
  _ what: @autoclosure () throws -> String, within seconds: Int = 10, _ holds: () throws -> Bool
) throws {
  let deadline = ContinuousClock.now + .seconds(seconds)
  while try !holds() {
    if ContinuousClock.now >= deadline {
      let awaited = try what()
      Issue.record("waited \(seconds) s until \(awaited)")
      throw CancellationError()
    }
    sched_yield()
  }
}
