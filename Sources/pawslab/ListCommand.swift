import ArgumentParser
import Scenario

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List the cases of the lab files.")

  @OptionGroup var selection: Selection

  func run() throws {
    let cases = try selection.cases()
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
