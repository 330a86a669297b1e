import Foundation
import Model

/// Reads lab files. Nothing is created; all mistakes of a file come at once.
public enum LabFiles {
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
    guard let handle = FileHandle(forReadingAtPath: path),
      let data = try? handle.read(upToCount: Bounds.fileBytes + 1) ?? Data()
    else { throw LabFileError(mistakes: [Mistake(file: path, message: "cannot be read")]) }
    return try parse(data, file: path)
  }

  /// Reads a file's bytes.
  public static func parse(_ data: Data, file: String) throws(LabFileError) -> Scenario {
    guard data.count <= Bounds.fileBytes else {
      throw LabFileError(mistakes: [
        Mistake(file: file, message: "more than \(Bounds.fileBytes) bytes, which no lab file has")
      ])
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      // The lines before are right as they are read; where it goes wrong a character stands for it.
      let read = String(decoding: data, as: UTF8.self)
      let line = zip(read.utf8, data).prefix { $0 == $1 }.count { $0.0 == UInt8(ascii: "\n") } + 1
      throw LabFileError(mistakes: [Mistake(file: file, line: line, column: 1, message: "not UTF-8")])
    }
    return try parse(text, file: file)
  }

  /// Reads a file's text; `file` gives the scenario its name and the mistakes their place.
  public static func parse(_ text: String, file: String) throws(LabFileError) -> Scenario {
    let reader = Reader(file: file)
    let name = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
    if !Words.isName(name) {
      reader.report(
        "the cases are called by the file, and \"\(short(name))\" is no name: \(Words.alphabet)", line: nil,
        column: nil)
    }
    let document = Document(text, reader)
    let node = document.compose()
    reader.renamed = document.renamed
    let scenario = node.flatMap { ScenarioReader(reader).read($0, name: name) }
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
}
