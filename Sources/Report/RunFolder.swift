import Foundation
import Judging
import Model

/// The folder that `--out` names: what a run set out to do (`run.json`), what happened (`events.jsonl`), what was
/// seen (`observations`, `captures`, `consoles`), and at the end what it came to (`results.json` and the reports).
///
/// A second run into it keeps the first whole, as the folder `previous`: nothing is ever deleted but what the lab's
/// own lists name. While a run writes, no other can.
public struct RunFolder: Sendable {
  let files: Beneath
  /// Held by a run that writes.
  private let lock: FolderLock?

  static let results = "results.json"
  static let plan = "run.json"
  static let events = "events.jsonl"
  /// What was there before: a folder like this one.
  static let previous = "previous"
  /// Bytes that are read of a file.
  static let limit = 1 << 30

  /// Makes the folder, or takes one that holds an earlier run, which ``begin(_:)`` then moves aside. Anything else is
  /// refused, and so is a folder that another run is writing to; nothing is changed by that.
  public init(creating path: String) throws {
    func refused(_ cause: String, _ mend: String) -> Failure {
      Failure(stage: "--out", object: path, cause: cause, mend: mend, isUsage: true)
    }
    guard !path.isEmpty else { throw refused("no name", "name a folder") }
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      guard isFolder.boolValue else { throw refused("is a file", "name a new folder") }
    } else if !Self.makeFolders(path) {
      throw refused(Beneath.errorText(), "name a folder that can be written")
    }
    do { files = try Beneath(path) } catch {
      throw refused(error.cause, "name a folder that can be written")
    }
    if let what = try Self.stranger(in: files) { throw refused(what, "name a new folder") }
    lock = try FolderLock(files)
  }

  /// A folder whose run was ended before it was finished, to go on with it.
  public init(continuing path: String) throws {
    files = try Self.open(path)
    guard files.size(of: Self.plan) != nil else {
      throw Failure(
        stage: "--continue", object: path, cause: "no \(Self.plan) there, so nothing says what is missing",
        mend: "pawslab run --out \(path) begins a run", isUsage: true)
    }
    lock = try FolderLock(files)
  }

  /// A folder that a run has written, or is writing.
  public init(reading path: String) throws {
    files = try Self.open(path)
    lock = nil
    guard files.size(of: Self.results) == nil, files.size(of: Self.plan) == nil else { return }
    let user = FolderLock.user(of: files)
    throw Failure(
      stage: "read", object: path,
      cause: user.map { "a run is about to begin there\($0)" } ?? "no \(Self.results) or \(Self.plan) there",
      mend: user == nil ? "pawslab run --out \(path) makes them" : "ask again when it runs", isUsage: true)
  }

  private static func open(_ path: String) throws(Failure) -> Beneath {
    do { return try Beneath(path) } catch {
      throw Failure(
        stage: "read", object: path.isEmpty ? "\"\"" : path, cause: error.cause,
        mend: "name a folder that a run kept with --out", isUsage: true)
    }
  }

  private static func makeFolders(_ path: String) -> Bool {
    if mkdir(path, 0o755) == 0 || errno == EEXIST { return true }
    guard errno == ENOENT else { return false }
    let above = (path as NSString).deletingLastPathComponent
    return !above.isEmpty && above != path && makeFolders(above) && mkdir(path, 0o755) == 0
  }

  /// What is in a folder that is not ours; nil where it is empty or a run's.
  private static func stranger(in files: Beneath) throws -> String? {
    let names = try files.list().map(\.name).filter { $0 != FolderLock.name }
    guard !names.isEmpty else { return nil }
    if names.contains(plan) {
      let own: PlannedRun? = (try? files.read(plan, limit: limit)).flatMap {
        try? StoredFile(kind: .plan, name: plan).decoded(PlannedRun.self, from: $0)
      }
      return own?.mistake == nil && own != nil
        ? nil : "holds a \(plan) that is not pawslab's, is damaged, or of another format"
    }
    guard names.contains(results) else { return "holds something that is not a run of pawslab" }
    let own = (try? files.read(results, limit: limit)).flatMap {
      try? StoredFile(kind: .results, name: results).decoded(Results.self, from: $0)
    }
    return own != nil ? nil : "holds a \(results) that is not pawslab's, is damaged, or of another format"
  }

  /// Who is writing there now, e.g. ` (process 4711)`; nil where nobody is.
  public var user: String? { lock == nil ? FolderLock.user(of: files) : nil }

  /// The folder's own name.
  public var name: String { URL(fileURLWithPath: files.path).standardizedFileURL.lastPathComponent }

  /// As it was named.
  public var path: String { files.path }

  /// When the results were written; of an unfinished run, when something happened last.
  public var written: Date {
    let times = [Self.results, Self.events, Self.plan].compactMap { files.written($0) }
    return files.written(Self.results) ?? times.max() ?? Date()
  }

  // MARK: writing

  /// Begins a run: moves an earlier one aside and says what is to be done.
  public func begin(_ plan: PlannedRun) throws {
    try setAside()
    try write(plan, to: Self.plan)
  }

  /// Keeps everything that one case gave: its packets as pcapng, what was seen as JSON. The JSON is there only when
  /// all is.
  ///
  /// - Parameter limit: bytes of packets that are kept; what is beyond is said in the file and in the observation.
  public func save(_ result: CaseResult, on kernel: Kernel, limit: Int = 256 << 20) throws {
    guard var observation = result.observation else { return }
    var result = result
    let packets = CaptureFile(result, on: kernel)
    observation.packetsNotKept = packets.notKept(limit: limit)
    observation.packetsKept = observation.packets.count - (observation.packetsNotKept ?? 0)
    result.observation = observation
    let names = try Self.files(result.place)
    try files.write(names.capture) { piece in
      try packets.write(notKept: observation.packetsNotKept ?? 0, piece)
    }
    try write(result, to: names.observation)
  }

  /// Keeps what a guest's kernel said: `consoles/KERNEL-1.txt` and so on.
  public func save(console: String, of kernel: String) throws {
    _ = try ResultName(kernel)
    var number = 1
    func file() -> String { "consoles/\(kernel)-\(number).txt" }
    while files.size(of: file()) != nil { number += 1 }
    try files.write(Data(console.utf8), to: file())
  }

  /// Writes `results.json`, whole or not at all.
  public func save(_ results: Results) throws { try write(results, to: Self.results) }

  /// Writes a text, whole or not at all.
  public func save(_ text: String, as file: String) throws { try files.write(Data(text.utf8), to: file) }

  /// Adds a line to `events.jsonl`, so that what was judged is there whatever comes after.
  public func append(_ event: RunEvent) throws {
    try files.append(Self.encoded(event) + Data("\n".utf8), to: Self.events)
  }

  /// Goes on with a run that was ended: half a line that it may have left is made a whole one.
  public func goOn() throws {
    guard let last = try? files.read(Self.events, limit: Self.limit).last, last != UInt8(ascii: "\n") else {
      return
    }
    try files.append(Data("\n".utf8), to: Self.events)
  }

  private static func encoded(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    return try encoder.encode(value)
  }

  private func write(_ value: some Encodable, to name: String) throws {
    let data: Data
    do { data = try Self.encoded(value) } catch {
      throw Failure(stage: "write", object: files.shown(name), cause: "it cannot be put into JSON")
    }
    try files.write(data, to: name)
  }

  static func files(_ place: PlannedRun.Place) throws -> CaseFiles {
    // What a kernel is called is a folder's name here.
    _ = try ResultName(place.kernel)
    return CaseFiles(place)
  }
}
