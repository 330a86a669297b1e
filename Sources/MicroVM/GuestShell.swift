import Model
import Wire

extension Guest {
  /// Seconds that nobody sits at a terminal.
  private static let forever = 366 * 24 * 3600

  /// What a worker says in a guest for as long as it runs, which is until the task is cancelled or the guest ends.
  ///
  /// - Parameter input: what it is to read, in pieces that a pipe takes at once (64 KiB).
  public func follow(
    _ payload: [UInt8], input: AsyncStream<[UInt8]>, onFrame: (Frame) throws -> Void
  ) async throws -> String? {
    var feeder: Task<Void, any Error>?
    defer { feeder?.cancel() }
    return try await exchange(
      .request, payload, within: Self.forever,
      onBegin: { id in
        feeder = Task {
          for await bytes in input { try await self.add(Frame(id: id, kind: .input, payload: bytes)) }
        }
      }, onFrame: onFrame)
  }

  /// A shell on a terminal, until it ends: its exit status.
  ///
  /// - Parameters:
  ///   - input: what is typed (``Frame/Kind/input``), and other sizes of the window (``Frame/Kind/window``).
  ///   - onOutput: takes what it prints.
  /// - Throws: `Failure` where it cannot be started, or the guest ends first.
  public func terminal(
    _ order: TerminalOrder, input: AsyncStream<(Frame.Kind, [UInt8])>, onOutput: ([UInt8]) -> Void
  ) async throws -> Int32 {
    var feeder: Task<Void, any Error>?
    defer { feeder?.cancel() }
    let end = try await exchange(
      .terminal, order.bytes, within: Self.forever,
      onBegin: { id in
        feeder = Task {
          for await (kind, bytes) in input { try await self.add(Frame(id: id, kind: kind, payload: bytes)) }
        }
      }
    ) { frame in
      if frame.kind == .output { onOutput(frame.payload) }
    }
    guard let status = end.flatMap({ Int32($0) }) else {
      throw Failure(stage: "shell", object: name, cause: end ?? "it ended without a status")
    }
    return status
  }
}
