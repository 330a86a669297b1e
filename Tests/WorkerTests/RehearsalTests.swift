import Foundation
import Testing
import TestSupport

@testable import Worker

/// What a guest does once before it is saved.
@Suite(.serialized, .enabled(if: geteuid() == 0, "SKIPPED: needs root for namespaces"))
struct RehearsalTests {
  /// Built where this kernel can, and gone again, with every descriptor: each is a namespace that stays in all guests.
  @Test func nothingOfItStays() throws {
    let (before, after) = try onOwnThread {
      try Rehearsal.run()
      let before = try descriptors()
      try Rehearsal.run()
      return (before, try descriptors())
    }
    #expect(before == after)
  }

  private func descriptors() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").sorted()
  }
}
