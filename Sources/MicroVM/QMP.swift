import Foundation
import Model
import Subprocess

/// What is said to QEMU itself, a line of JSON each way: docs/interop/qmp-spec.txt.
///
/// Only at moments when the guest stands still, so that nothing that it sees depends on when a line was read.
struct QMP<Lines: AsyncSequence> where Lines.Element == String {
  private let input: StandardInputWriter
  private var lines: Lines.AsyncIterator
  private let object: String

  /// Waits for QEMU's greeting.
  init(_ input: StandardInputWriter, _ lines: Lines, object: String) async throws {
    (self.input, self.lines, self.object) = (input, lines.makeAsyncIterator(), object)
    while try await next()["QMP"] == nil {}
    try await execute("qmp_capabilities")
  }

  private func failure(_ cause: String) -> Failure { Failure(stage: "qemu", object: object, cause: cause) }

  private mutating func next() async throws -> [String: Any] {
    guard let line = try await lines.next() else { throw failure("it ended before it answered") }
    guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
      throw failure("what it said is no JSON: \(line.prefix(200))")
    }
    return object
  }

  private struct Order<Arguments: Encodable>: Encodable {
    var execute: String
    var arguments: Arguments
  }

  /// Gives an order and waits until it is taken; events until then are left out.
  mutating func execute(_ order: String, _ arguments: some Encodable = [String: String]()) async throws {
    var line = try JSONEncoder().encode(Order(execute: order, arguments: arguments))
    line.append(UInt8(ascii: "\n"))
    _ = try await input.write([UInt8](line))
    while true {
      let answer = try await next()
      if let error = answer["error"] as? [String: Any] {
        throw failure("\(order): \(error["desc"] as? String ?? "refused")")
      }
      if answer["return"] != nil { return }
    }
  }

  /// Waits for an event.
  mutating func wait(for name: String) async throws {
    while try await next()["event"] as? String != name {}
  }

  /// Reads on until it has nothing more to say: it has ended.
  mutating func drain() async throws { while try await lines.next() != nil {} }
}
