import ArgumentParser
import Foundation
import Model
import Report

struct ClaimsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "claims",
    abstract: "What is said about the incident, what is true of it, and which cases show it.",
    discussion: """
      With --from, what a run has measured stands beside each claim. lab/recorded holds runs on kernels that not \
      everybody has.
      """)

  @Option(help: "A folder that a run kept with --out; may be given several times.")
  var from: [String] = []

  func run() async throws {
    let runs = try from.map { try RunFolder(reading: $0).loadResults() }
    for claim in Claim.all {
      for line in claim.lines { Console.print(line) }
      for results in runs {
        for name in results.kernelNames {
          let own = results.cases.filter {
            $0.kernel == name && $0.verdict != .skip && claim.isShown(by: $0.id)
          }
          guard !own.isEmpty else { continue }
          let passed = own.count { $0.verdict == .pass }
          Console.print(
            "           measured on Linux \(results.kernels[name]?.release ?? name): \(passed) of \(own.count) cases as said"
          )
        }
      }
    }
  }
}
