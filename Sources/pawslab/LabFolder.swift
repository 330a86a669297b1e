import Foundation
import Model

/// Where the lab files are when nobody said.
enum LabFolder {
  /// `$PAWSLAB_LAB`; else `lab` here; else, for the program may be called from anywhere, `lab` of the repository
  /// that it was built in, or `share/pawslab/lab` of the prefix that it was installed under.
  ///
  /// - Throws: `Failure` of usage that names the places.
  static func find() throws(Failure) -> String {
    if let named = ProcessInfo.processInfo.environment["PAWSLAB_LAB"], !named.isEmpty { return named }
    let places =
      ["lab"] + places(of: try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    if let there = places.first(where: isLab) { return there }
    throw Failure(
      stage: "lab", object: places[0],
      cause: "no lab files here" + places.dropFirst().map { ", nor in \($0)" }.joined(),
      mend: "name a lab file or a folder of them, or set PAWSLAB_LAB", isUsage: true)
  }

  /// The places that follow from the program's own.
  static func places(of program: String?) -> [String] {
    guard let program else { return [] }
    let folder = URL(fileURLWithPath: program).standardizedFileURL.deletingLastPathComponent()
    let parts = folder.pathComponents
    // REPOSITORY/.build/TRIPLE/debug/pawslab
    let repository = parts.lastIndex(of: ".build").map { index in
      URL(fileURLWithPath: parts[..<index].joined(separator: "/").replacing("//", with: "/"))
        .appendingPathComponent("lab").path
    }
    return [repository, folder.deletingLastPathComponent().appendingPathComponent("share/pawslab/lab").path]
      .compactMap { $0 }
  }

  private static func isLab(_ path: String) -> Bool {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.contains { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }
  }
}
