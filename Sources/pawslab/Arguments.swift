import ArgumentParser
import Foundation
import Model
import Report

extension ExitStyle: ExpressibleByArgument {}

extension KnownFailures {
  /// Reads `--known-failures`.
  ///
  /// - Throws: `Failure` of usage where it cannot be read, ``Mistakes`` where it is wrong.
  init(file: String) throws {
    let text: String
    do { text = try String(contentsOf: URL(fileURLWithPath: file), encoding: .utf8) } catch {
      let there = FileManager.default.fileExists(atPath: file)
      throw Failure(
        stage: "--known-failures", object: file,
        cause: there ? "cannot be read as UTF-8 text" : "no such file",
        mend: "a line is CASE [on KERNEL] until YYYY-MM-DD because REASON", isUsage: true)
    }
    self = try KnownFailures(text, file: file)
  }
}

extension Emulation: ExpressibleByArgument {
  public init?(argument: String) {
    guard let known = Emulation.named(argument) else { return nil }
    self = known
  }

  public static var allValueStrings: [String] { all.map(\.name) }

  /// What `--emulate` says of itself.
  static let help = ArgumentHelp(
    "Run cases of a setting that Linux removed by an emulation, where the kernel lacks it: "
      + all.map(\.name).joined(separator: ", ") + ".")
}
