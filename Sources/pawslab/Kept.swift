import Foundation
import Lab
import Model
import Report

/// Puts what happens into the folder: what was seen first, then that it was, so that what the folder says is there.
final class Kept: @unchecked Sendable {
  private let folder: RunFolder?
  private let kernels: [String: Kernel]
  private let lock = NSLock()
  /// Cases of which there is a verdict and no evidence.
  private var lost: Set<PlannedRun.Place> = []

  init(_ folder: RunFolder?, kernels: [String: Kernel]) {
    self.folder = folder
    self.kernels = kernels
  }

  /// - Returns: what could not be kept, and why.
  func keep(_ event: Runner.Event) -> [String] {
    guard let folder else { return [] }
    var complaints: [String] = []
    func attempt(_ body: () throws -> Void) -> Bool {
      do {
        try body()
        return true
      } catch {
        complaints.append("\(error)")
        return false
      }
    }
    switch event {
    case .started(let test, let kernel, let seed):
      _ = attempt { try folder.append(RunEvent(started: test, kernel: kernel, seed: seed)) }
    case .finished(let result):
      if let kernel = kernels[result.kernel], !attempt({ try folder.save(result, on: kernel) }) {
        _ = lock.withLock { lost.insert(result.place) }
      }
      _ = attempt { try folder.append(RunEvent(finished: result)) }
    case .guestEnded(let cost, let console):
      _ = attempt { try folder.append(RunEvent(ended: cost)) }
      _ = attempt { try folder.save(console: console, of: cost.kernel) }
    }
    return complaints
  }

  /// Results name no file that is not there.
  func mark(_ results: inout Report.Results) {
    let lost = lock.withLock { self.lost }
    for index in results.cases.indices {
      let entry = results.cases[index]
      guard lost.contains(entry.place) else { continue }
      (results.cases[index].observation, results.cases[index].capture) = (nil, nil)
    }
  }
}
