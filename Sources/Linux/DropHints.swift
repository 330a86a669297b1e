import CLinux
import Glibc
import SystemPackage

/// Why the kernel threw packets away, where eBPF may not say which: `skb:kfree_skb` with its reason (5.17) as a perf
/// event. It names neither packet nor namespace, so it is a hint: something that the kernel did at that time.
/// `perf record -a -e skb:kfree_skb -k CLOCK_MONOTONIC`
///
/// Needs CAP_PERFMON outside of user namespaces, and a kernel with tracefs. That is mounted nowhere and nothing in
/// it is written: all ends with the descriptors.
public final class DropHints {
  /// A packet of IPv4 or IPv6 was thrown away.
  public struct Hint: Sendable {
    /// Nanoseconds since 1970.
    public var time: Int64
    /// As in `enum skb_drop_reason`, without its prefix, e.g. `TCP_RFC7323_PAWS`.
    public var reason: String
  }

  /// The tracepoint as its `format` file describes it.
  struct Format {
    var offset: Int
    var names: [UInt32: String]

    /// Nil where it has no reason: before 5.17.
    init?(_ text: String) {
      guard
        let field = text.split(separator: "\n").first(where: { $0.contains("skb_drop_reason reason;") }),
        let place = field.split(separator: ";").first(where: { $0.contains("offset:") }),
        let offset = place.split(separator: ":").last.flatMap({ Int($0) }),
        let symbols = text.split(separator: "__print_symbolic(REC->reason,").last
      else { return nil }
      self.offset = offset
      names = [:]
      for symbol in symbols.split(separator: "{").dropFirst() {
        let parts = symbol.split(separator: "\"")
        if parts.count > 1, let number = UInt32(parts[0].filter(\.isNumber)) {
          names[number] = String(parts[1])
        }
      }
    }
  }

  private let format: Format
  private var rings: [clinux_ring] = []
  private var event = [UInt8](repeating: 0, count: 128)
  private var lost: UInt64 = 0

  /// Listens on every processor.
  public init() throws {
    let directory = "events/skb/kfree_skb"
    let root = try SystemError.check(clinux_tracefs(), "fsopen", "tracefs")
    defer { close(root) }
    func read(_ name: String) throws -> String {
      let file = try SystemError.check(
        libc: openat(root, "\(directory)/\(name)", O_RDONLY | O_CLOEXEC), "open",
        "tracefs \(directory)/\(name)")
      defer { close(file) }
      return String(decoding: try Files.readAll(file), as: UTF8.self)
    }
    guard let format = Format(try read("format")) else {
      throw SystemError(
        stage: "perf_event_open", object: "skb:kfree_skb", errno: .notSupported,
        detail: "it names no reason (since 5.17)")
    }
    self.format = format
    let id = UInt64(try read("id").filter(\.isNumber)) ?? 0
    // Those that say nothing are many, and of other protocols none is ours.
    let silent = format.names.first { $0.value == "NOT_SPECIFIED" }?.key ?? 0
    let filter = "reason != \(silent) && (protocol == 0x0800 || protocol == 0x86dd)"
    _ = clinux_lift_memlock()  // best effort: locked memory beyond perf_event_mlock_kb
    for processor in 0..<sysconf(Int32(_SC_NPROCESSORS_CONF)) {
      var ring = clinux_ring()
      let result = clinux_ring_open(id, Int32(processor), filter, 256 << 10, &ring)
      if result == -ENODEV { continue }  // a processor that is off
      try SystemError.check(result, "perf_event_open", "skb:kfree_skb")
      rings.append(ring)
    }
  }

  deinit { for index in rings.indices { clinux_ring_close(&rings[index]) } }

  /// What was heard since the last call, by time.
  public func drain() throws -> [Hint] {
    var hints: [Hint] = []
    let epoch = SystemClock.realtime() - SystemClock.monotonic()
    for index in rings.indices {
      var time: Int64 = 0
      while try SystemError.check(
        clinux_ring_next(&rings[index], &event, event.count, &time, &lost), "perf ring", "skb:kfree_skb") > 0
      {
        let reason: UInt32 = event.native(at: format.offset)
        hints.append(Hint(time: epoch + time, reason: format.names[reason] ?? "\(reason)"))
      }
    }
    return hints.sorted { $0.time < $1.time }
  }

  /// How many found a ring full so far.
  public var notHeard: Int { Int(lost) }
}
