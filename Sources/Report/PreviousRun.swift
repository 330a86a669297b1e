import Foundation
import Model

extension RunFolder {
  /// What a run writes at the top of its folder, the mark by which it is known last.
  private static var top: [String] {
    ["observations", "captures", "consoles", events] + Format.allCases.compactMap(\.file) + [results, plan]
  }

  /// Moves an earlier run into `previous`, whole. The one that was there goes, if all of it is ours; a run that has
  /// judged nothing goes itself.
  func setAside() throws {
    let there = Set(try files.list().map(\.name))
    guard !there.isDisjoint(with: Self.top) else { return }
    let judgedSomething = !there.isDisjoint(with: ["observations", "captures", "consoles", Self.results])
    guard judgedSomething else {
      for name in [Self.events, Self.plan] { try files.remove(name) }
      return
    }
    let isWhole = [Self.plan, Self.results].contains { files.size(of: "\(Self.previous)/\($0)") != nil }
    // Else the run before was killed while it moved this one there.
    if isWhole { try removePrevious() }
    for name in Self.top where there.contains(name) { try files.move(name, into: Self.previous) }
  }

  /// Deletes exactly what the lists of the run in `previous` name.
  ///
  /// - Throws: `Failure` where there is anything else, before anything is deleted.
  private func removePrevious() throws {
    let found = try everything(below: Self.previous)
    guard !found.files.isEmpty else { return }
    let own = try ownFiles(of: Self.previous)
    if let strange = found.files.first(where: { !own.contains($0) }) {
      throw Failure(
        stage: "--out", object: files.path,
        cause: "\(quoted(strange)) is not of the run that is kept there, which would be deleted now",
        mend: "move it, or \(files.shown(Self.previous)), away", isUsage: true)
    }
    for name in found.files { try files.remove(name) }
    for name in found.folders.reversed() { files.removeFolderIfEmpty(name) }
  }

  /// Files and folders below a folder, the outer first.
  private func everything(below folder: String) throws -> (files: [String], folders: [String]) {
    var (found, folders): ([String], [String]) = ([], [folder])
    var next = 0
    while next < folders.count {
      let own = folders[next]
      next += 1
      for (name, isFolder) in try files.list(own) {
        guard isFolder else {
          found.append("\(own)/\(name)")
          continue
        }
        // Our own folders are three deep, and a seed's is in one of these.
        guard own.split(separator: "/").count < 4 else { return (["\(own)/\(name)"] + found, folders) }
        folders.append("\(own)/\(name)")
      }
    }
    return (found, folders)
  }

  /// All that a run in a folder below this one can have written, by its own lists.
  private func ownFiles(of folder: String) throws -> Set<String> {
    var places: [PlannedRun.Place] = []
    var kernels: Set<String> = []
    if let data = try? files.read("\(folder)/\(Self.plan)", limit: Self.limit),
      let plan = try? StoredFile(kind: .plan, name: Self.plan).decoded(PlannedRun.self, from: data),
      plan.mistake == nil
    {
      places += plan.cases
      kernels.formUnion(plan.kernels.keys)
    }
    if let data = try? files.read("\(folder)/\(Self.results)", limit: Self.limit),
      let results = try? StoredFile(kind: .results, name: Self.results).decoded(Results.self, from: data),
      results.mistake == nil
    {
      places += results.cases.map(\.place)
      kernels.formUnion(results.kernels.keys)
      kernels.formUnion(results.guests.map(\.kernel))
    }
    var names = Set([Self.events, Self.results, Self.plan] + Format.allCases.compactMap(\.file))
    for place in places {
      for own in [CaseFiles(place), .old(id: place.id, kernel: place.kernel)] {
        names.formUnion([own.observation, own.capture])
      }
    }
    for (name, _) in try files.list("\(folder)/consoles") {
      let parts = name.dropLast(name.hasSuffix(".txt") ? 4 : 0).split(separator: "-")
      let kernel = parts.dropLast().joined(separator: "-")
      if name.hasSuffix(".txt"), kernels.contains(kernel), let number = parts.last.flatMap({ Int($0) }),
        number > 0
      {
        names.insert("consoles/\(name)")
      }
    }
    return Set(names.flatMap { ["\(folder)/\($0)", "\(folder)/\($0)\(Beneath.partial)"] })
  }
}
