import Foundation
import Scenario
import Yams

/// Reads lab files. Nothing is created; all mistakes of a file come at once.
public enum LabFile {
  /// Lab files at these paths; of a folder those that end in `.yaml` or `.yml`, by name.
  public static func discover(paths: [String]) throws(LabFileError) -> [String] {
    var found: [String] = []
    var mistakes: [Mistake] = []
    for path in paths {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        mistakes.append(Mistake(file: path, message: "no such lab file or folder"))
        continue
      }
      guard isFolder.boolValue else {
        found.append(path)
        continue
      }
      let names = ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [])
        .filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted()
      if names.isEmpty {
        mistakes.append(Mistake(file: path, message: "no lab file (*.yaml) in this folder"))
      }
      found += names.map { (path.hasSuffix("/") ? path : path + "/") + $0 }
    }
    guard mistakes.isEmpty else { throw LabFileError(mistakes: mistakes) }
    return found
  }

  /// Reads one file.
  public static func load(path: String) throws(LabFileError) -> Scenario {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw LabFileError(mistakes: [Mistake(file: path, message: "cannot be read")])
    }
    return try parse(String(decoding: data, as: UTF8.self), file: path)
  }

  /// Reads a file's text; `file` gives the scenario its name and the mistakes their place.
  public static func parse(_ text: String, file: String) throws(LabFileError) -> Scenario {
    let reader = Reader(file: file)
    let node: Node?
    do { node = try Yams.compose(yaml: text) } catch {
      throw LabFileError(mistakes: [mistake(error, file: file)])
    }
    guard let node else {
      throw LabFileError(mistakes: [Mistake(file: file, line: 1, column: 1, message: "the file is empty")])
    }
    let name = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
    let scenario = ScenarioReader(reader).read(node, name: name)
    if let scenario, reader.mistakes.isEmpty { Checks(reader).check(scenario) }
    guard let scenario, reader.mistakes.isEmpty else {
      let mistakes = reader.mistakes.sorted {
        ($0.line ?? 0, $0.column ?? 0) < ($1.line ?? 0, $1.column ?? 0)
      }
      throw LabFileError(mistakes: mistakes)
    }
    var read = scenario.scenario
    read.file = file
    return read
  }

  private static func mistake(_ error: any Error, file: String) -> Mistake {
    switch error as? YamlError {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      Mistake(file: file, line: mark.line, column: mark.column, message: "not YAML: \(problem)")
    case .duplicatedKeysInMapping(let duplicates, let context):
      Mistake(
        file: file, line: context.mark.line, column: context.mark.column,
        message: "\(duplicates.map { "\"\($0)\"" }.joined(separator: ", ")) stands twice in this mapping")
    default:
      Mistake(file: file, line: 1, column: 1, message: "not YAML: \(error)")
    }
  }
}
