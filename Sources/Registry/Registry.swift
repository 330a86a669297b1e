import Foundation
import PackagePlugin

/// Lists what a target's folders `Emulations`, `Mechanisms`, `Presets` and `Steps` hold, so that a new one is one file and nobody keeps a list.
///
/// Each file there has the type of its own name. What is made is one value, sorted by name:
/// `let registeredMechanisms: [any MechanismRule] = [Hop(), ...]`, `let registeredSteps: [any StepAction.Type] = [Churn.self, ...]`.
@main
struct Registry: BuildToolPlugin {
  private struct Kind {
    var folder: String
    var declaration: String
    var entry: (String) -> String
  }

  private let kinds = [
    Kind(
      folder: "Emulations", declaration: "let registeredEmulations: [Emulation]",
      entry: { "\($0).emulation" }),
    Kind(
      folder: "Mechanisms", declaration: "let registeredMechanisms: [any MechanismRule]", entry: { "\($0)()" }
    ),
    Kind(folder: "Presets", declaration: "let registeredPresets: [any Preset]", entry: { "\($0)()" }),
    Kind(folder: "Steps", declaration: "let registeredSteps: [any StepAction.Type]", entry: { "\($0).self" }),
  ]

  func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
    guard let target = target.sourceModule else { return [] }
    return kinds.compactMap { kind in
      let files = target.sourceFiles(withSuffix: "swift").map(\.url)
        .filter { $0.deletingLastPathComponent().lastPathComponent == kind.folder }
        .sorted { $0.path < $1.path }
      guard !files.isEmpty else { return nil }
      let entries = files.map { "  " + kind.entry($0.deletingPathExtension().lastPathComponent) + ",\n" }
      let text = "\(kind.declaration) = [\n\(entries.joined())]\n"
      let output = context.pluginWorkDirectoryURL.appending(path: "Registered\(kind.folder).swift")
      return .buildCommand(
        displayName: "List \(kind.folder)", executable: URL(fileURLWithPath: "/bin/sh"),
        arguments: ["-c", "printf '%s' \"$1\" > \"$2\"", "sh", text, output.path], inputFiles: files,
        outputFiles: [output])
    }
  }
}
