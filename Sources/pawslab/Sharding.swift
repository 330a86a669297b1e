import ArgumentParser
import Foundation
import Model
import Report
import Subprocess

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// Which part of a run this machine is to do.
struct Sharding: ParsableArguments {
  @Option(
    help:
      "i/n: only the i-th of n parts, the same in every run of one command (pawslab merge puts them together). Default: what Slurm, Kubernetes, GitLab and others say in their variables; 1/1 is everything."
  )
  var shard: String?

  @Option(
    help:
      "Cut shards by how long cases took in a run that was kept: its folder, or its results.json; may be given several times, and the same to every shard."
  )
  var balance: [String] = []

  func check(out: String?, lastFailed: String?) throws {
    if let shard { _ = try Shard(shard) }
    if shard != nil, lastFailed != nil {
      throw ValidationError("--shard and --last-failed exclude each other: what failed is run at once")
    }
  }

  /// The part that was asked for, or that an engine's variables name, which is said; nil for the whole.
  func part(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> Shard? {
    if let shard {
      let own = try Shard(shard)
      return own.count == 1 ? nil : own
    }
    guard let told = try Shard.told(by: environment), told.shard.count > 1 else { return nil }
    Console.error("pawslab: shard \(told.shard), for \(told.words); --shard 1/1 runs everything")
    return told.shard
  }

  /// Cuts the whole run.
  func cut(_ cases: [Case], kernels: [String], seeding: Seeding, into shard: Shard) throws
    -> ShardCut
  {
    let times = CaseTimes(try balance.map(Self.results), for: cases, isVirtual: seeding.isVirtual)
    return ShardCut(
      ids: cases.map(\.id), kernels: kernels, seeds: try seeding.range(), into: shard,
      milliseconds: times.milliseconds)
  }

  private static func results(_ path: String) throws -> Results {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw Failure(
        stage: "--balance", object: path.isEmpty ? "\"\"" : path, cause: "there is nothing of that name",
        mend: "name a folder that a run kept with --out, or its results.json", isUsage: true)
    }
    return isFolder.boolValue ? try RunFolder(reading: path).loadResults() : try Results(file: path)
  }

  /// - Throws: where a run that goes on is another part than this machine is told to do.
  func check(_ part: Shard?, continues plan: PlannedRun?) throws {
    guard let part, let plan, plan.cut?.shards != [part.index] || plan.cut?.count != part.count else {
      return
    }
    let there = plan.cut.map { cut in cut.shards.map { "\($0)/\(cut.count)" }.joined(separator: ", ") }
    throw Failure(
      stage: "--continue", object: "shard \(part)",
      cause: "what is kept there is \(there.map { "shard \($0)" } ?? "a whole run")",
      mend: "name the folder of this shard, or unset the variables that say it", isUsage: true)
  }

  /// SHA-256 of a file, by sha256sum(1).
  static func digest(of file: String) async throws -> String {
    let ended = try await Subprocess.run(
      .name("sha256sum"), arguments: ["--", file], output: .string(limit: 4096), error: .discarded)
    guard case .exited(0) = ended.terminationStatus,
      let digest = ended.standardOutput.split(separator: " ").first, digest.utf8.count == 64
    else {
      throw Failure(
        stage: "sha256sum", object: file, cause: "it cannot be read", mend: "apt-get install coreutils")
    }
    return String(digest)
  }
}

/// What a run is to do on this machine: each case, with the kernel that was named for it, in the order of the whole.
struct Chosen {
  /// nil where a case is to find its own kernel.
  let tests: [(test: Case, kernel: String?)]
  /// Cases that other shards have too.
  let elsewhere: Set<String>
  private let own: Set<ShardCut.Unit>?

  init(_ cases: [Case], kernels: [String], in cut: ShardCut?) {
    let named: [String?] = kernels.isEmpty ? [nil] : kernels
    let own = cut?.own
    let whole = own.map { Set($0.map { ShardCut.Unit(id: $0.id, kernel: $0.kernel) }) }
    tests = named.flatMap { kernel in
      cases.filter { whole?.contains(.init(id: $0.id, kernel: kernel)) ?? true }.map { ($0, kernel) }
    }
    elsewhere = Set((cut.map { $0.units(of: $0.missing) } ?? []).map(\.id))
    self.own = own
  }

  /// Whether there are no shards.
  var isWhole: Bool { own == nil }

  /// Whether one of them is run here from a seed.
  func has(_ test: (test: Case, kernel: String?), from seed: UInt64) -> Bool {
    own?.contains(.init(id: test.test.id, kernel: test.kernel, seed: seed)) ?? true
  }

  /// Lists them and runs nothing.
  ///
  /// - Parameter isNamed: whether it is known on which kernels they would run.
  func list(as format: List.ListFormat, isNamed: Bool) throws {
    var kernels: [String: [String]] = [:]
    var cases: [Case] = []
    for (test, kernel) in tests {
      if kernels[test.id] == nil { cases.append(test) }
      kernels[test.id, default: []] += [kernel].compactMap { $0 }
    }
    try List.show(cases, as: format) { isNamed ? kernels[$0.id] : nil }
  }
}
