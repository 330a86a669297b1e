import Foundation

/// Runs `body` on a thread that ends with it: namespaces belong to threads, and the test pool's must stay
/// where they are.
public func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
  // Written by the thread before it signals, read after.
  nonisolated(unsafe) var result: Result<Value, any Error>?
  let done = DispatchSemaphore(value: 0)
  let thread = Thread {
    result = Result { try body() }
    done.signal()
  }
  thread.stackSize = 4 << 20
  thread.start()
  done.wait()
  guard let result else { throw CancellationError() }
  return try result.get()
}
