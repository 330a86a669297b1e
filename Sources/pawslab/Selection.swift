import ArgumentParser
import Foundation
import LabFile
import Model
import Report

/// Which cases of which lab files.
struct Selection: ParsableArguments {
  @Argument(help: "Lab files, folders of them, or names of scenarios and cases (default: every lab file).")
  var paths: [String] = []

  @Option(name: .customLong("set"), help: "Only cases with this value: AXIS=VALUE.")
  var settings: [String] = []

  @Option(name: .customLong("case"), help: "Only cases whose name matches this pattern (* and ?).")
  var patterns: [String] = []

  /// All mistakes of all files at once; nothing has been created by then.
  func cases() throws -> [Case] {
    // What is no file is a name, if anything is called so.
    let files = paths.filter(Self.isFile)
    let names = paths.filter { !Self.isFile($0) }
    if let name = names.first, files.isEmpty, let command = Self.command(like: name) {
      throw Self.nothing(name, "did you mean the command \(command)?")
    }
    let scenarios = try Self.load(files.isEmpty ? [try LabFolder.find()] : files)
    let all = scenarios.flatMap { $0.cases() }
    let known = all.map { (id: $0.id, scenario: $0.scenario) }
    for name in names.map(CasePattern.init) where !all.contains(where: name.matches) {
      throw Self.nothing(name.description, name.suggestion(among: known))
    }
    for pattern in patterns.map(CasePattern.init) where !all.contains(where: pattern.matches) {
      throw ValidationError("--case \(pattern): no case is called so; \(pattern.suggestion(among: known))")
    }
    let wanted = (names + patterns).map(CasePattern.init)
    let cases = try (settings.isEmpty ? all : select(scenarios)).filter { test in
      wanted.isEmpty || wanted.contains { $0.matches(test) }
    }
    guard !cases.isEmpty else { throw ValidationError("no case matches") }
    try ScenarioNames.check(cases)
    return cases
  }

  private static func load(_ paths: [String]) throws -> [Scenario] {
    var mistakes: [Mistake] = []
    var scenarios: [(path: String, scenario: Scenario)] = []
    for path in ScenarioNames.distinct(try LabFiles.discover(paths: paths)) {
      do { scenarios.append((path, try LabFiles.load(path: path))) } catch { mistakes += error.mistakes }
    }
    guard mistakes.isEmpty else { throw LabFileError(mistakes: mistakes) }
    try ScenarioNames.check(scenarios)
    return scenarios.map(\.scenario)
  }

  private func select(_ scenarios: [Scenario]) throws -> [Case] {
    do { return try Scenario.select(from: scenarios, settings: settings, patterns: []) } catch {
      throw ValidationError("\(error)")
    }
  }

  private static func isFile(_ path: String) -> Bool {
    [".yaml", ".yml"].contains { path.hasSuffix($0) } || ["/", "./", "../"].contains { path.hasPrefix($0) }
      || FileManager.default.fileExists(atPath: path)
  }

  private static func nothing(_ name: String, _ mend: String) -> Failure {
    Failure(
      stage: "lab", object: name, cause: "no such lab file or folder, and no scenario or case is called so",
      mend: mend, isUsage: true)
  }

  /// A command that was probably meant: what is not one is taken for an argument of `run`.
  private static func command(like word: String) -> String? {
    let names = Pawslab.configuration.subcommands.map { command in
      command.configuration.commandName ?? "\(command)".lowercased()
    }
    return Nearest.to(word, among: names)
  }
}
