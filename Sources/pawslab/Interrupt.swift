import ArgumentParser
import Foundation

/// Where a signal handler, which may do almost nothing else, leaves the signal's number.
nonisolated(unsafe) private var mailbox: Int32 = -1

/// SIGINT and SIGTERM: the first asks, the second ends the process at once (and the workers with it).
///
/// A handler and a pipe, not a dispatch source: that wants the signal ignored, and Linux throws an ignored signal
/// away unless the thread that it is sent to happens to block it.
final class Interrupt: @unchecked Sendable {
  private let lock = NSLock()
  private var signalled: Int32?
  private var handler: (@Sendable () -> Void)?

  /// The signal that came, if one did.
  var received: Int32? { lock.withLock { signalled } }

  init() {
    let pipe = Pipe()
    mailbox = pipe.fileHandleForWriting.fileDescriptor
    let thread = Thread { [self] in
      // Keeps both ends open for as long as the process lives.
      while let byte = try? pipe.fileHandleForReading.read(upToCount: 1)?.first { take(Int32(byte)) }
      _ = pipe.fileHandleForWriting
    }
    thread.start()
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        var byte = UInt8(number)
        _ = write(mailbox, &byte, 1)
      }
    }
  }

  /// What the first signal does; at once, if it has come already.
  func onSignal(_ handler: @escaping @Sendable () -> Void) {
    let late = lock.withLock {
      self.handler = handler
      return signalled != nil
    }
    if late { handler() }
  }

  /// What a task comes to, which the first signal cancels.
  ///
  /// - Throws: what the task throws; after a signal, the exit status that says which.
  func value<Value: Sendable>(of work: Task<Value, any Error>) async throws -> Value {
    onSignal { work.cancel() }
    do { return try await work.value } catch {
      if let received { throw ExitCode(128 + received) }
      throw error
    }
  }

  private func take(_ number: Int32) {
    let (again, handler) = lock.withLock {
      defer { signalled = signalled ?? number }
      return (signalled != nil, self.handler)
    }
    if again { _exit(128 + number) }
    handler?()
  }
}
