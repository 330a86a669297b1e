import ArgumentParser
import Foundation
import Model

/// A case is known by its id everywhere: in results, in folders, to other tools. Two of one id are a mistake of whoever
/// named the files, and said before anything runs.
enum ScenarioNames {
  /// Each file once, however often and under whatever path it was named.
  static func distinct(_ paths: [String]) -> [String] {
    var seen: Set<String> = []
    return paths.filter {
      seen.insert(URL(fileURLWithPath: $0).resolvingSymlinksInPath().standardizedFileURL.path).inserted
    }
  }

  /// - Throws: where two files make scenarios of one name, which would have one id for two cases.
  static func check(_ scenarios: [(path: String, scenario: Scenario)]) throws {
    var known: [String: String] = [:]
    for (path, scenario) in scenarios {
      if let first = known.updateValue(path, forKey: scenario.name) {
        throw ValidationError(
          "\(first) and \(path) both make a scenario called \(scenario.name): rename one, or run them apart")
      }
    }
  }

  /// - Throws: where two of the cases have one id, or one name for files.
  static func check(_ cases: [Case]) throws {
    var known: Set<String> = []
    for test in cases where !known.insert(test.id).inserted {
      throw ValidationError("two cases are called \(test.id): axis values must not contain , or =")
    }
    if let (first, second) = CaseName.collisions(among: cases.map(\.id)).first {
      throw ValidationError("\(first) and \(second) have one file name: rename a value")
    }
  }
}
