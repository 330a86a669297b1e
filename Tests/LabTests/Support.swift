import Foundation
import Judging
import Lab
import MicroVM
import Model
import Report

/// Real guests need QEMU, a kernel called debian-12 in the cache, and a worker that can be a guest's first process:
/// `scripts/test` provides all three and names the worker.
let staticWorker = ProcessInfo.processInfo.environment["PAWSLAB_STATIC_WORKER"]
let canBoot =
  staticWorker != nil && Hypervisor.canBoot && KernelStore().entry(Machines.fallback) != nil

/// A result that should have passed, on one line: what was not as expected, and every packet. What fails once in a
/// hundred runs, on a machine that nobody can look at, must say all of it at once.
func told(_ result: CaseResult, on kernel: Kernel) -> String {
  var lines = ["\(result.test.id): \(result.judgement.verdict), \(result.judgement.reason)"]
  lines += result.judgement.witnesses.filter { !$0.holds }
    .map { "\($0.name): expected \($0.expectedWords), saw \($0.seenWords)" }
  if let seen = result.observation {
    lines +=
      Ladder(
        seen, lanes: Lanes(result.test.network),
        remarks: remarks(on: result.judgement, of: result.test, on: kernel, seen: seen)
      ).lines
  }
  return lines.joined(separator: " | ")
}
