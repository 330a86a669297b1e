import Foundation
import Judging
import Model

/// `--max-fail`: counts what failed or broke, and says once when it is enough.
final class Stop: @unchecked Sendable {
  private let lock = NSLock()
  private var left: Int?
  private var handler: (@Sendable () -> Void)?

  init(after count: Int?) { left = count }

  /// Whether it was enough.
  var isReached: Bool { lock.withLock { left.map { $0 <= 0 } ?? false } }

  func count(_ verdict: Verdict) {
    guard [.fail, .error].contains(verdict) else { return }
    let handler = lock.withLock {
      left = left.map { $0 - 1 }
      return left == 0 ? self.handler : nil
    }
    handler?()
  }

  /// What is done then; at once, if it is enough already.
  func onReached(_ handler: @escaping @Sendable () -> Void) {
    let late = lock.withLock {
      self.handler = handler
      return left.map { $0 <= 0 } ?? false
    }
    if late { handler() }
  }
}
