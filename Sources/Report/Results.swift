import Foundation
import Glibc
import Scenario

/// `results.json`, version 3: what a run came to. Keys are written sorted, durations in the unit they name.
///
/// A case's `observation` names the file in the same folder that holds everything that was seen, from which it
/// can be judged again.
public struct Results: Codable, Sendable {
  /// Of this format.
  public var version = Results.currentVersion
  /// `pass`, `fail`, `skip`, `error` counted, and wall seconds.
  public var summary: Summary
  /// The kernels that cases ran on, by the names that `--kernel` takes.
  public var kernels: [String: Kernel]
  /// The guests that were booted for it.
  public var guests: [GuestCost]
  /// In the order of the lab files, kernel by kernel.
  public var cases: [Entry]
  /// What is to be said of the known failures' file; nil where that is nothing.
  public var remarks: [String]?

  /// Counts by verdict.
  public struct Summary: Codable, Sendable, Equatable {
    public var pass = 0
    public var fail = 0
    public var skip = 0
    public var error = 0
    /// Cases that an emulation ran, apart from all others; nil where none did.
    public var emulated: Counts?
    /// Cases that `--require` names and that no kernel itself was judged by: they count as failures, whatever their
    /// verdict is; nil where there are none.
    public var required: Required?
    /// Failures that were known, of those in `fail`; nil where none was.
    public var known: Int?
    /// Wall time of the run.
    public var seconds: Double

    /// Counts the verdicts.
    public init(_ results: [CaseResult], seconds: Double) {
      self.seconds = seconds
      func count(_ verdict: Verdict, emulated: Bool) -> Int {
        results.count { $0.judgement.verdict == verdict && ($0.emulated == true) == emulated }
      }
      pass = count(.pass, emulated: false)
      fail = count(.fail, emulated: false)
      skip = count(.skip, emulated: false)
      error = count(.error, emulated: false)
      if results.contains(where: { $0.emulated == true }) {
        emulated = Counts(
          pass: count(.pass, emulated: true), fail: count(.fail, emulated: true),
          error: count(.error, emulated: true))
      }
    }

    /// What emulated cases came to.
    public struct Counts: Codable, Sendable, Equatable {
      public var pass, fail, error: Int
    }

    /// What was required and was not judged: skipped everywhere, or only emulated.
    public struct Required: Codable, Sendable, Equatable {
      public var skipped, emulated: Int
    }

    /// `104 passed, 0 failed, 12 skipped, 0 errors; emulated: 76 passed, 0 failed, 0 errors`; as cases count, see
    /// ``Standing``.
    public var text: String {
      let unmet = required.map { $0.skipped + $0.emulated } ?? 0
      return "\(pass) passed, \(fail - (known ?? 0) + unmet) failed"
        + (unmet > 0 ? " (\(unmet) required and not judged)" : "")
        + (known.map { ", \($0) known to fail" } ?? "")
        + ", \(skip - (required?.skipped ?? 0)) skipped, \(error) errors"
        + (emulated.map {
          "; emulated: \($0.pass) passed, \($0.fail) failed, \($0.error) errors"
        } ?? "")
    }
  }

  /// One case.
  public struct Entry: Codable, Sendable {
    public var id: String
    /// What machine formats call it (``CaseName``); nil in results of a version that did not say.
    public var name: String?
    /// Name of the kernel that ran it, or would have.
    public var kernel: String
    public var scenario: String
    public var title: String
    public var verdict: Verdict
    public var reason: String
    /// Axis to value, as in the lab file.
    public var axes: [String: String]
    /// Label to what was expected of it on this kernel, e.g. `dropped by tw-paws`.
    public var expected: [String: String]
    public var attempts: [JudgedAttempt]
    /// Node to counter to change over the workload, zeros left out.
    public var counters: [String: [String: Int]]
    public var witnesses: [Witness]
    /// Node to setting to value, as read back.
    public var settings: [String: [String: String]]
    public var timings: [Timing]
    /// Wall time.
    public var seconds: Double
    /// Whether an emulation was judged and not the kernel; nil is not.
    public var emulated: Bool?
    /// What the first run came to, where the case was run again; nil where it was not.
    public var again: String?
    /// Where it is written: the lab file as it was named, and the line of what was expected; nil in results of a
    /// version that did not say.
    public var source: Place?
    /// Why the case counts as a failure though it has not failed: it is required, and was not judged.
    public var unmet: String?
    /// By what its failure is known; nil where it has not failed, or that is not known.
    public var known: Known?
    /// Path below the results' folder; nil where nothing was seen.
    public var observation: String?
    /// Its packets, for Wireshark; as above.
    public var capture: String?

    /// A failure that somebody knew of.
    public struct Known: Codable, Sendable, Equatable {
      /// The last day on which that counts: `2027-01-31`.
      public var until: String
      public var reason: String

      /// `known until 2027-01-31: bug 1234567`
      public var text: String { "known until \(until): \(Visible.joined(reason))" }
    }

    init(_ result: CaseResult, on kernel: Kernel?) {
      id = result.test.id
      name = CaseName(result.test).description
      source = result.test.place(on: kernel)
      emulated = result.emulated
      again = result.again
      self.kernel = result.kernel
      expected = kernel.flatMap { result.test.rule(on: $0) }?.outcomes.mapValues(\.description) ?? [:]
      scenario = result.test.scenario
      title = result.test.title
      verdict = result.judgement.verdict
      reason = result.judgement.reason
      axes = Dictionary(result.test.axes.map { ($0.axis, $0.value) }) { first, _ in first }
      attempts = result.judgement.attempts
      witnesses = result.judgement.witnesses
      let seen = result.observation
      counters = Dictionary(
        uniqueKeysWithValues: result.test.network.nodes.map { ($0, seen?.counters(of: $0) ?? [:]) }
      ).filter { !$0.value.isEmpty }
      settings = seen?.settings ?? [:]
      timings = seen?.timings ?? []
      seconds = result.seconds
      capture = seen == nil ? nil : RunFolder.capturePath(id, kernel: result.kernel)
      observation = seen == nil ? nil : RunFolder.observationPath(id, kernel: result.kernel)
    }
  }

  /// Makes the results of a run.
  public init(_ results: [CaseResult], kernels: [String: Kernel], guests: [GuestCost] = [], seconds: Double) {
    summary = Summary(results, seconds: seconds)
    self.kernels = kernels
    self.guests = guests
    cases = results.map { Entry($0, on: kernels[$0.kernel]) }
  }

  /// Of this version of the lab.
  public static let currentVersion = 3

  /// The names of its kernels: the host first, the others by name.
  public var kernelNames: [String] { Self.ordered(kernels.keys) }

  static func ordered(_ names: some Sequence<String>) -> [String] {
    names.sorted { ($0 == "host" ? 0 : 1, $0) < ($1 == "host" ? 0 : 1, $1) }
  }
}

/// The folder that `--out` names.
public struct RunFolder: Sendable {
  private let path: String

  /// The mark by which a folder is known to be ours.
  private static let results = "results.json"

  /// Makes the folder, or takes one that holds an earlier run. Anything else is refused before anything runs.
  public init(creating path: String) throws {
    self.path = path
    let files = FileManager.default
    var isFolder: ObjCBool = false
    do {
      if files.fileExists(atPath: path, isDirectory: &isFolder) {
        let content = isFolder.boolValue ? try files.contentsOfDirectory(atPath: path) : nil
        guard let content, content.isEmpty || content.contains(Self.results) else {
          throw Failure(
            stage: "--out", object: path,
            cause: isFolder.boolValue ? "holds something that is not a run of pawslab" : "is a file",
            mend: "name a new folder")
        }
        for old in ["observations", "captures", "consoles", "events.jsonl"] {
          try? files.removeItem(atPath: path + "/" + old)
        }
      }
      try files.createDirectory(atPath: path + "/observations", withIntermediateDirectories: true)
      let probe = path + "/.writable"
      try Data().write(to: URL(fileURLWithPath: probe))
      try files.removeItem(atPath: probe)
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(
        stage: "--out", object: path, cause: error.localizedDescription,
        mend: "name a folder that can be written")
    }
  }

  /// A folder that a run has written.
  public init(reading path: String) throws {
    self.path = path
    guard FileManager.default.fileExists(atPath: path + "/" + Self.results) else {
      throw Failure(
        stage: "read", object: path, cause: "no \(Self.results) there", mend: "pawslab run --out \(path)")
    }
  }

  /// Keeps everything that one case gave: what was seen as JSON, its packets as pcapng.
  ///
  /// - Parameter limit: bytes of packets that are kept; what is beyond is said in the file and in the observation.
  public func save(_ result: CaseResult, on kernel: Kernel, limit: Int = 256 << 20) throws {
    guard var observation = result.observation else { return }
    var result = result
    let packets = CaptureFile(result, on: kernel)
    observation.packetsNotKept = packets.notKept(limit: limit)
    result.observation = observation
    try write(result, to: Self.observationPath(result.test.id, kernel: result.kernel))
    let name = Self.capturePath(result.test.id, kernel: result.kernel)
    let file = URL(fileURLWithPath: path + "/" + name)
    do {
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try packets.write(to: file, notKept: observation.packetsNotKept ?? 0)
    } catch {
      throw Failure(stage: "write", object: file.path, cause: error.localizedDescription)
    }
  }

  /// Keeps what a guest's kernel said: `consoles/KERNEL-1.txt` and so on.
  public func save(console: String, of kernel: String) throws {
    let folder = URL(fileURLWithPath: path + "/consoles")
    var number = 1
    func file() -> URL { folder.appendingPathComponent("\(kernel)-\(number).txt") }
    while FileManager.default.fileExists(atPath: file().path) { number += 1 }
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try Data(console.utf8).write(to: file())
    } catch {
      throw Failure(stage: "write", object: file().path, cause: error.localizedDescription)
    }
  }

  /// Writes `results.json`, whole or not at all.
  public func save(_ results: Results) throws { try write(results, to: Self.results) }

  /// The folder's own name.
  public var name: String { URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent }

  /// When `results.json` was written.
  public var written: Date {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path + "/" + Self.results)
    return attributes?[.modificationDate] as? Date ?? Date()
  }

  /// Writes a text, whole or not at all.
  public func save(_ text: String, as file: String) throws {
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/" + file), options: .atomic)
    } catch {
      throw Failure(stage: "write", object: "\(path)/\(file)", cause: error.localizedDescription)
    }
  }

  /// Adds a line to `events.jsonl`, so that what was judged is there whatever comes after.
  public func append(event: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let file = path + "/events.jsonl"
    // O_APPEND and one write: cases end side by side.
    let descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw Failure(stage: "write", object: file, cause: String(cString: strerror(errno)))
    }
    defer { close(descriptor) }
    let line = [UInt8](try encoder.encode(event)) + [UInt8(ascii: "\n")]
    guard Glibc.write(descriptor, line, line.count) == line.count else {
      throw Failure(stage: "write", object: file, cause: String(cString: strerror(errno)))
    }
  }

  /// What a case gave.
  public func load(_ id: String, kernel: String) throws -> CaseResult {
    let file = path + "/" + Self.observationPath(id, kernel: kernel)
    do {
      var result = try JSONDecoder().decode(
        CaseResult.self, from: Data(contentsOf: URL(fileURLWithPath: file)))
      let capture = path + "/" + Self.capturePath(id, kernel: kernel)
      result.observation?.packets = try CaptureFile.packets(in: URL(fileURLWithPath: capture))
      return result
    } catch {
      throw Failure(
        stage: "read", object: file, cause: "\(error)", mend: "the case was not run, or by another version")
    }
  }

  /// The summary of the run.
  public func loadResults() throws -> Results {
    let file = path + "/" + Self.results
    struct Version: Decodable { var version: Int }
    do {
      let data = try Data(contentsOf: URL(fileURLWithPath: file))
      let version = try JSONDecoder().decode(Version.self, from: data).version
      guard version == Results.currentVersion else {
        throw Failure(
          stage: "read", object: file, cause: "of version \(version); this is for \(Results.currentVersion)",
          mend: "run it again with this version of the lab")
      }
      return try JSONDecoder().decode(Results.self, from: data)
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(stage: "read", object: file, cause: "\(error)", mend: "written by another version?")
    }
  }

  static func observationPath(_ id: String, kernel: String) -> String {
    "observations/\(kernel)/\(fileName(id)).json"
  }

  static func capturePath(_ id: String, kernel: String) -> String {
    "captures/\(kernel)/\(fileName(id)).pcapng"
  }

  private static func fileName(_ id: String) -> String {
    String(id.map { $0.isLetter || $0.isNumber || "=,.-".contains($0) ? $0 : "_" })
  }

  private func write(_ value: some Encodable, to name: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      let folder = URL(fileURLWithPath: path + "/" + name).deletingLastPathComponent()
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try encoder.encode(value).write(to: URL(fileURLWithPath: path + "/" + name), options: .atomic)
    } catch {
      throw Failure(stage: "write", object: "\(path)/\(name)", cause: error.localizedDescription)
    }
  }
}
