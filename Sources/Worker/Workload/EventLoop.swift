import Linux
import Scenario

/// One `poll(2)` loop that drives every socket of a case, in the order of their descriptors.
final class EventLoop {
  typealias Handler = () throws -> Void

  private struct Watch {
    var events: Int16
    var handler: Handler
  }

  private var watches: [Int32: Watch] = [:]
  private var timers: [(due: Int64, handler: Handler)] = []

  /// Calls `handler` whenever the descriptor is ready for one of the events, until ``forget(_:)``.
  func watch(_ descriptor: Int32, _ events: Int16, _ handler: @escaping Handler) {
    watches[descriptor] = Watch(events: events, handler: handler)
  }

  func forget(_ descriptor: Int32) { watches[descriptor] = nil }

  /// Calls `handler` once, so many milliseconds from now.
  func after(milliseconds: Int, _ handler: @escaping Handler) {
    timers.append((SystemClock.monotonic() + Int64(milliseconds) * 1_000_000, handler))
  }

  /// Runs until `done` holds, which is asked after every event and at least every `interval` milliseconds.
  /// Throws when the deadline passes; the error names what was awaited.
  func run(
    until done: () throws -> Bool, awaiting what: @autoclosure () -> String, within milliseconds: Int,
    interval: Int = 100
  ) throws {
    let deadline = SystemClock.monotonic() + Int64(milliseconds) * 1_000_000
    while try !done() {
      let now = SystemClock.monotonic()
      guard now < deadline else {
        throw Failure(
          stage: "wait", object: what(), cause: "not seen within \(milliseconds) ms",
          mend: "pawslab explain shows the packets so far; a loaded machine needs fewer --jobs")
      }
      let next = min(deadline, now + Int64(interval) * 1_000_000, timers.map(\.due).min() ?? .max)
      try turn(timeout: Int(max(0, next - now + 999_999) / 1_000_000))
    }
  }

  /// Handles what is ready now, without waiting.
  func drain() throws { try turn(timeout: 0) }

  private func turn(timeout: Int) throws {
    var requests = watches.keys.sorted().map {
      Poll.Request(descriptor: $0, events: watches[$0]?.events ?? 0)
    }
    _ = try Poll.wait(&requests, timeout: timeout)
    for request in requests where request.ready != 0 {
      // A handler before may have closed this one.
      try watches[request.descriptor]?.handler()
    }
    let now = SystemClock.monotonic()
    let due = timers.filter { $0.due <= now }
    guard !due.isEmpty else { return }
    timers.removeAll { $0.due <= now }
    for timer in due { try timer.handler() }
  }
}
