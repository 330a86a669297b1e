import Foundation
import Judging
import Model

extension Results {
  /// Workflow commands: `::error ...` for each case that counts as a failure, at the line that expects otherwise,
  /// `::notice` for each that is known to fail.
  ///
  /// - Parameters:
  ///   - workspace: the folder that GitHub counts files from (`$GITHUB_WORKSPACE`); nil leaves paths as they were
  ///     named.
  ///   - directory: the folder in which they were named.
  public func github(workspace: String? = nil, directory: String? = nil) -> String {
    var lines: [GitHubText] = []
    if nothingWasJudged, !cases.isEmpty {
      lines.append("::error title=pawslab::nothing was judged: all \(cases.count) cases were skipped\n")
    }
    for entry in cases where entry.standing.isBad || entry.standing == .known {
      var properties: [GitHubText] = []
      if let source = entry.source {
        let file = Self.path(source.file, below: workspace, from: directory)
        properties.append("file=\(property: file)")
        if let line = source.line { properties.append("line=\(line)") }
      }
      properties.append("title=\(property: "\(entry.machineName) on \(entry.kernel)")")
      let text =
        [entry.why] + entry.furtherEvidence + [
          entry.seed == nil && entry.over == nil
            ? "pawslab explain --run " + ShellWord.quoted(entry.id) : entry.command
        ]
      lines.append(
        (entry.standing == .known ? "::notice " : "::error ") + properties.joined(separator: ",")
          + "::\(lines: text)\n")
    }
    lines += (remarks ?? []).map { "::warning title=pawslab::\($0)\n" }
    return lines.joined().description
  }

  /// A file as GitHub knows it: from the top of the repository.
  private static func path(_ file: String, below workspace: String?, from directory: String?) -> String {
    guard let workspace, let directory else { return file }
    func plain(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }
    let whole = plain(file.hasPrefix("/") ? file : directory + "/" + file)
    let top = plain(workspace) + "/"
    return whole.hasPrefix(top) ? String(whole.dropFirst(top.count)) : file
  }
}
