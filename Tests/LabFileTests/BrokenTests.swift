import Foundation
import LabFile
import Testing

/// Lab files of people who write their first: each has one mistake, which is said once, at its line, with what would be
/// right. The message stands at the file's end.
@Suite struct BrokenTests {
  static let folder = LabFilesTests.repository.appendingPathComponent("Tests/LabFileTests/Broken").path
  static let files: [String] = (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? []

  @Test(arguments: files) func oneMistakeIsOneMessage(file: String) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: Self.folder + "/" + file))
    let text = String(decoding: data, as: UTF8.self)
    let mark = "# expected: "
    let expected = text.split(separator: "\n").last { $0.hasPrefix(mark) }.map { $0.dropFirst(mark.count) }
    do {
      _ = try LabFiles.parse(data, file: file)
      Issue.record("\(file) was taken")
    } catch {
      // Lists that grow are cut.
      let cut = expected?.hasSuffix("...") == true
      let start = "\(file):\(expected?.dropLast(cut ? 3 : 0) ?? "")"
      #expect(error.mistakes.count == 1)
      #expect(error.mistakes.allSatisfy { cut ? "\($0)".hasPrefix(start) : "\($0)" == start }, "\(error)")
      // It has a line to show, and can be shown.
      #expect(error.mistakes.allSatisfy { $0.excerpt { $0 }.count == 2 })
    }
  }

  @Test func thereAreMany() { #expect(Self.files.count >= 40) }
}
