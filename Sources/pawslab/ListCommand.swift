import ArgumentParser
import Foundation
import Model
import Report

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List the cases of the lab files.")

  @OptionGroup var selection: Selection

  /// How a list can be printed.
  enum ListFormat: String, CaseIterable, ExpressibleByArgument { case text, json }

  @Option(help: "text, or json for other programs.")
  var format: ListFormat = .text

  func run() throws { try Self.show(try selection.cases(), as: format) }

  static func show(_ cases: [Case], as format: ListFormat, kernels: (Case) -> [String]? = { _ in nil }) throws
  {
    guard format == .text else {
      Console.write(try jsonDocument(CaseListing(cases, kernels: kernels)), to: .standardOutput)
      return
    }
    var scenario = ""
    for test in cases {
      if test.scenario != scenario {
        scenario = test.scenario
        Console.print("\(scenario): \(test.title)")
      }
      Console.print("  \(test.id)")
    }
    Console.print("\(cases.count) cases")
  }
}
