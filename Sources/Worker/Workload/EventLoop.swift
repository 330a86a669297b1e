import Linux
import Model

/// One loop that drives every socket of a case, in the order of their descriptors.
final class EventLoop {
  typealias Handler = () throws -> Void

  private struct Watch {
    var events: Int16
    var handler: Handler
    /// Whose descriptor it is: while it is watched, nobody else gets its number.
    var socket: TCP.Socket?
  }

  private var watches: [Int32: Watch] = [:]
  /// Has all of them but ``plain``: with a thousand captures poll(2) would look at each for every packet of one.
  private let group = try? PollGroup()
  /// Those that epoll(7) does not take: files, and all where there is none.
  private var plain: Set<Int32> = []
  private var timers: [(due: Int64, handler: Handler)] = []

  /// Calls `handler` whenever the descriptor is ready for one of the events, until ``forget(_:)``.
  func watch(_ descriptor: Int32, _ events: Int16, _ handler: @escaping Handler) {
    watch(descriptor, Watch(events: events, handler: handler))
  }

  private func watch(_ descriptor: Int32, _ watch: Watch) {
    watches[descriptor] = watch
    if group?.set(descriptor, events: watch.events) == true {
      plain.remove(descriptor)
    } else {
      plain.insert(descriptor)
    }
  }

  /// The same for a socket; nothing where it is closed.
  func watch(_ socket: TCP.Socket, _ events: Int16, _ handler: @escaping Handler) {
    guard socket.isOpen else { return }
    watch(socket.descriptor, Watch(events: events, handler: handler, socket: socket))
  }

  /// Nothing is called for it any more. Before it is closed, or in the same turn: its number is somebody else's then.
  func forget(_ descriptor: Int32) {
    watches[descriptor] = nil
    if plain.remove(descriptor) == nil { group?.remove(descriptor) }
  }

  /// Nothing is called for it any more. Before it is closed: a closed one has no number.
  func forget(_ socket: TCP.Socket) { if socket.isOpen { forget(socket.descriptor) } }

  /// Calls `handler` once, so many milliseconds from now.
  func after(milliseconds: Int, _ handler: @escaping Handler) {
    timers.append((Self.now(plus: milliseconds), handler))
  }

  /// CLOCK_MONOTONIC so many milliseconds from now, at most its end: limits follow from what lab files say.
  private static func now(plus milliseconds: Int) -> Int64 {
    let (nanoseconds, tooMany) = Int64(milliseconds).multipliedReportingOverflow(by: 1_000_000)
    let (time, tooLate) = SystemClock.monotonic().addingReportingOverflow(tooMany ? .max : nanoseconds)
    return tooLate ? .max : time
  }

  /// Runs until `done` holds, which is asked after every event and at least every `interval` milliseconds, each time
  /// twice as long after the last up to `slowest`: what does not come soon need not be asked for a thousand times a
  /// second.
  /// Throws when the deadline passes; the error names what was awaited.
  func run(
    until done: () throws -> Bool, awaiting what: @autoclosure () -> String, within milliseconds: Int,
    interval: Int = 100, slowest: Int = 0
  ) throws {
    let deadline = Self.now(plus: milliseconds)
    var interval = interval
    while try !done() {
      let now = SystemClock.monotonic()
      guard now < deadline else {
        throw Failure(
          stage: "wait", object: what(), cause: "not seen within \(milliseconds) ms",
          mend: "pawslab explain --run shows the packets so far, as --from does of a folder kept with --out; "
            + "a loaded machine needs fewer --jobs")
      }
      var next = min(deadline, now + Int64(interval) * 1_000_000, timers.map(\.due).min() ?? .max)
      // poll(2) may come late by a thousandth, 100 ms at the most (`select_estimate_accuracy`, fs/select.c): the last
      // second is waited for by itself.
      if next - now > 2_000_000_000 { next -= 1_000_000_000 }
      interval = max(interval, min(interval * 2, slowest))
      try turn(timeout: Int(max(0, next - now + 999_999) / 1_000_000))
    }
  }

  /// Handles what is ready now, without waiting.
  func drain() throws { try turn(timeout: 0) }

  private func ready(timeout: Int) throws -> [Int32] {
    if plain.isEmpty, let group { return try group.wait(most: watches.count, timeout: timeout) }
    var requests = plain.sorted().compactMap { descriptor -> Poll.Request? in
      guard let watch = watches[descriptor], watch.socket?.isOpen != false else { return nil }
      return Poll.Request(descriptor: descriptor, events: watch.events)
    }
    if let group { requests.append(Poll.Request(descriptor: group.fileDescriptor, events: Poll.readable)) }
    _ = try Poll.wait(&requests, timeout: timeout)
    let ready = requests.filter { $0.ready != 0 }.map(\.descriptor).filter { $0 != group?.fileDescriptor }
    return try ready + (group?.wait(most: watches.count, timeout: 0) ?? [])
  }

  private func turn(timeout: Int) throws {
    let ready = try ready(timeout: timeout).sorted()
    let watched = ready.map { watches[$0]?.socket }
    for (descriptor, socket) in zip(ready, watched) {
      // A handler before may have closed this one, and another may have its number by now.
      guard let watch = watches[descriptor], watch.socket === socket, socket?.isOpen != false else {
        continue
      }
      try watch.handler()
    }
    let now = SystemClock.monotonic()
    let due = timers.filter { $0.due <= now }
    guard !due.isEmpty else { return }
    timers.removeAll { $0.due <= now }
    for timer in due { try timer.handler() }
  }
}
