import Foundation
import Model
import Report

/// What GitHub Actions shows of a run: annotations on standard output, the table in the job's summary.
enum GitHub {
  /// Tells it, where this is such a job. That the summary cannot be written is said, and changes no exit status: what
  /// was judged is what counts.
  ///
  /// - Parameter annotates: whether the annotations are to be printed; not where they are what was asked for.
  static func tell(_ results: Report.Results, annotates: Bool) {
    guard Console.isInActions else { return }
    let environment = ProcessInfo.processInfo.environment
    if annotates { Console.write(annotations(of: results), to: .standardOutput) }
    guard let path = environment["GITHUB_STEP_SUMMARY"], !path.isEmpty else { return }
    // Each step's file may be there already, from another command of the same step, or not yet.
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { return complain(path, String(cString: strerror(errno))) }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    do { try file.write(contentsOf: Data(results.markdown.utf8)) } catch {
      complain(path, String(cString: strerror(errno)))
    }
  }

  /// With files as GitHub counts them.
  static func annotations(of results: Report.Results) -> String {
    results.github(
      workspace: ProcessInfo.processInfo.environment["GITHUB_WORKSPACE"],
      directory: FileManager.default.currentDirectoryPath)
  }

  private static func complain(_ path: String, _ cause: String) {
    Console.error("pawslab: $GITHUB_STEP_SUMMARY \(path) cannot be written: \(cause)")
  }
}
