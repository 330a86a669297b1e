import CLinux
import Glibc
import SystemPackage

/// The rule of `tcp_tw_recycle` that 4.12 removed (4396e46187ca), brought back by programs of our own around the
/// functions that once held it, for chosen network namespaces. An emulation: what it refuses, this kernel would not.
/// Namespaces are known by their cookies: the inode of one that is gone is soon another's, and programs outlive their
/// process' namespaces by some milliseconds.
///
/// - It remembers, as `tcp_remember_stamp` did: when this host enters FIN_WAIT2 or TIME_WAIT (`tcp_time_wait`), and
///   when TIME_WAIT follows FIN_WAIT2 (`tcp_timewait_state_process`), the peer's last timestamp by both addresses.
/// - It refuses, as `tcp_peer_is_proven` did, where `tcp_conn_request` asks `security_inet_conn_request`: a SYN older
///   by more than TCP_PAWS_WINDOW (1), or without timestamps, while the stamp is younger than TCP_PAWS_MSL (60 s);
///   not one that met TIME_WAIT, nor one that is answered by a cookie. `ListenDrops` counts it as it did.
/// - It says when TIME_WAIT would have ended, 3.5 RTO after it began; ending it is for the caller (`SOCK_DESTROY`).
///
/// Not emulated: `PAWSPassive` (``refused(in:)`` counts instead), the stamp that connect(2) took from the cache, the
/// full 60 s that a retransmitted FIN gave a recycled TIME_WAIT.
/// Needs 5.10 or later: `fentry`, `fmod_ret`, and BTF to find the functions and what they are given.
public final class RecycleEmulation {
  /// Where this kernel keeps what the programs read: ids of functions, counts of arguments, offsets of members.
  public struct Layout: Sendable {
    /// By name, to be kept: finding it out reads megabytes.
    public let values: [String: Int]

    /// As kept.
    public init(values: [String: Int]) { self.values = values }

    /// Asks the running kernel's BTF.
    public static func ofRunningKernel() throws -> Layout {
      let functions = ["tcp_time_wait", "tcp_timewait_state_process", "security_inet_conn_request"]
      let members = [
        "sock_common": [
          "skc_family", "skc_net", "skc_num", "skc_dport", "skc_daddr", "skc_rcv_saddr", "skc_v6_daddr",
          "skc_v6_rcv_saddr", "skc_listener",
        ],
        "net": ["net_cookie"], "inet_connection_sock": ["icsk_rto"],
        "tcp_sock": ["rx_opt.ts_recent", "rx_opt.ts_recent_stamp"],
        "inet_timewait_sock": ["tw_substate"],
        "tcp_timewait_sock": ["tw_ts_recent", "tw_ts_recent_stamp"],
        "request_sock": ["ts_recent"], "inet_request_sock": ["tstamp_ok"],
      ]
      let types = try BTF(names: Set(functions + members.keys))
      var values: [String: Int] = [:]
      for name in functions {
        let function = try types.function(name)
        values[name] = function.id
        values["\(name)()"] = function.arguments
      }
      for (structure, names) in members {
        for name in names {
          let offset = try types.offset(of: name, in: structure)
          values["\(structure).\(name)"] = offset.bytes
          values["\(structure).\(name):"] = offset.bit
        }
      }
      return Layout(values: values)
    }

    /// What is not there is an error: offset 0 is the beginning of the structure, and evidence of something else.
    subscript(_ name: String) -> Int {
      get throws { try values.kept(name) }
    }
  }

  /// What is remembered of one pair of addresses.
  public struct Stamp: Sendable {
    public var local: String
    public var remote: String
    public var tsval: UInt32
    /// Seconds since it was stored.
    public var age: Int
  }

  private let namespaces: BPF.Map
  private let stamps: BPF.Map
  private let ends: BPF.Map
  private var programs: [BPF.Trampoline] = []

  /// Loads and attaches, for no namespace yet.
  public init(_ layout: Layout) throws {
    namespaces = try BPF.Map(.hash, key: 8, value: 12, entries: 1024)
    stamps = try BPF.Map(.hash, key: 40, value: 8, entries: 4096)
    ends = try BPF.Map(.hash, key: 48, value: 16, entries: 16384)
    let scratch = try BPF.Map(.perCPUArray, key: 4, value: 16, entries: 1)
    let make = Programs(
      layout: layout, namespaces: namespaces, stamps: stamps, ends: ends, scratch: scratch,
      tick: Int32(SystemClock.tick()))
    let (closing, timeWait) = (try layout["tcp_time_wait"], try layout["tcp_timewait_state_process"])
    programs = [
      try BPF.Trampoline(try make.onClosing(), for: .entry(closing)),
      try BPF.Trampoline(try make.beforeTimeWait(), for: .entry(timeWait)),
      try BPF.Trampoline(try make.afterTimeWait(), for: .exit(timeWait)),
      try BPF.Trampoline(try make.onRequest(), for: .returnValue(try layout["security_inet_conn_request"])),
    ]
  }

  /// `sysctl -w net.ipv4.tcp_tw_recycle=1`, in a namespace by its cookie.
  public func set(_ on: Bool, in namespace: UInt64) throws {
    let key = namespace.nativeBytes
    let old = namespaces.value(key) ?? [UInt8](repeating: 0, count: 12)
    try namespaces.set(key, UInt32(on ? 1 : 0).nativeBytes + old[4...])
  }

  /// Whether it is on there.
  public func isOn(in namespace: UInt64) -> Bool { field(0, of: namespace) == 1 }

  /// SYNs refused there so far.
  public func refused(in namespace: UInt64) -> Int { Int(field(4, of: namespace)) }

  private func field(_ offset: Int, of namespace: UInt64) -> UInt32 {
    namespaces.value(namespace.nativeBytes)?.native(at: offset) ?? 0
  }

  /// The wall clock was set forward: stamps age by that much, as they did when they were kept in its seconds.
  public func advance(seconds: Int) throws {
    for (key, value) in namespaces.all() {
      let ahead: UInt32 = value.native(at: 8)
      try namespaces.set(key, value[..<8] + (ahead + UInt32(seconds)).nativeBytes)
    }
  }

  /// `ip tcp_metrics show`
  public func stamps(in namespace: UInt64) -> [Stamp] {
    let now = SystemClock.monotonic() / 1_000_000_000 + Int64(field(8, of: namespace))
    return own(stamps, namespace).map { key, value in
      let (local, remote) = (Array(key[8..<24]), Array(key[24..<40]))
      let isIPv4 = (local + remote).enumerated().allSatisfy { $0.offset % 16 < 4 || $0.element == 0 }
      return Stamp(
        local: SocketAddress.text(of: local, isIPv4: isIPv4),
        remote: SocketAddress.text(of: remote, isIPv4: isIPv4), tsval: value.native(at: 0),
        age: Int(now) - Int(value.native(at: 4, as: UInt32.self)))
    }
  }

  /// `ip tcp_metrics flush`
  public func flush(in namespace: UInt64) {
    for (key, _) in own(stamps, namespace) { stamps.remove(key) }
  }

  /// When the TIME_WAIT of a connection would have ended, CLOCK_MONOTONIC in nanoseconds; nil for one that lasts 60 s.
  ///
  /// - Parameters:
  ///   - local: the namespace's own address in network order, 4 or 16 bytes.
  ///   - remotePort: in network order.
  public func end(
    local: [UInt8], localPort: UInt16, remote: [UInt8], remotePort: UInt16, in namespace: UInt64
  ) -> Int64? {
    func padded(_ address: [UInt8]) -> [UInt8] {
      address + [UInt8](repeating: 0, count: 16 - address.count)
    }
    let key =
      namespace.nativeBytes + padded(local) + padded(remote) + localPort.nativeBytes + remotePort.nativeBytes
      + [0, 0, 0, 0]
    let due: Int64? = ends.value(key)?.native(at: 0)
    return due == 0 ? nil : due
  }

  private func own(_ map: BPF.Map, _ namespace: UInt64) -> [(key: [UInt8], value: [UInt8])] {
    map.all().filter { $0.key.native(at: 0) == namespace }
  }
}

/// The four programs. On the stack, below r10:
///
///     -48  the key: namespace 8, local 16, remote 16, local port 2, remote port 2, nothing 4
///     -56  a stamp: tsval 4, second 4
///     -72  an end: nanoseconds 8, length of TIME_WAIT 8
///     -80  what was read last
private struct Programs {
  let layout: RecycleEmulation.Layout
  let namespaces: BPF.Map
  let stamps: BPF.Map
  let ends: BPF.Map
  let scratch: BPF.Map
  let tick: Int32

  private enum Frame {
    static let key: Int16 = -48
    static let stamp: Int16 = -56
    static let end: Int16 = -72
    static let value: Int16 = -80
  }
  private static let timeWait: Int32 = 6
  private static let finWait2: Int32 = 5

  /// fentry of `tcp_time_wait(sk, state, timeo)`.
  func onClosing() throws -> BPF.Program {
    var p = BPF.Program()
    p.load(.double, .r6, .r1, 0)  // sk
    p.load(.double, .r7, .r1, 8)  // state
    try key(&p)
    try readStamp(&p, "tcp_sock.rx_opt.ts_recent", "tcp_sock.rx_opt.ts_recent_stamp")
    // 3.5 RTO.
    try fetch(&p, .r1, 4, "inet_connection_sock.icsk_rto")
    p.multiply(.r1, 7)
    p.multiply(.r1, tick)
    p.shiftRight(.r1, 1)
    p.store(.double, .r10, Frame.end + 8, .r1)
    p.zero(Frame.end)
    p.jump(if: .r7, differsFrom: Self.timeWait, to: "counted")
    p.call(.monotonicNanoseconds)
    p.load(.double, .r1, .r10, Frame.end + 8)
    p.add(.r0, .r1)
    p.store(.double, .r10, Frame.end, .r0)
    p.label("counted")
    p.update(ends, Frame.key, Frame.end)
    remember(&p)
    end(&p)
    return p
  }

  /// fentry of `tcp_timewait_state_process(tw, skb, th, ...)`: keeps the state in which it begins.
  func beforeTimeWait() throws -> BPF.Program {
    var p = BPF.Program()
    p.load(.double, .r6, .r1, 0)  // tw
    p.load(.double, .r7, .r1, 8)  // skb
    scratch(&p)
    try fetch(&p, .r1, 1, "inet_timewait_sock.tw_substate")
    p.store(.double, .r9, 0, .r1)
    p.set(.r1, 0)
    p.store(.double, .r9, 8, .r1)
    end(&p)
    return p
  }

  /// fexit of the same: FIN_WAIT2 may have become TIME_WAIT, and a SYN may have been let through.
  func afterTimeWait() throws -> BPF.Program {
    var p = BPF.Program()
    p.load(.double, .r6, .r1, 0)  // tw
    p.load(.double, .r7, .r1, 8)  // skb
    p.load(.double, .r8, .r1, Int16(clamping: 8 * (try layout["tcp_timewait_state_process()"])))
    scratch(&p)
    p.and(.r8, 0xff)
    p.jump(if: .r8, differsFrom: 3, to: "no SYN")  // TCP_TW_SYN: tcp_tw_isn is set, and the cache not asked
    p.store(.double, .r9, 8, .r7)
    p.label("no SYN")
    p.load(.double, .r1, .r9, 0)
    p.jump(if: .r1, differsFrom: Self.finWait2, to: "out")
    try fetch(&p, .r1, 1, "inet_timewait_sock.tw_substate")
    p.jump(if: .r1, differsFrom: Self.timeWait, to: "out")
    try key(&p)
    try readStamp(&p, "tcp_timewait_sock.tw_ts_recent", "tcp_timewait_sock.tw_ts_recent_stamp")
    p.lookup(ends, Frame.key)
    p.jump(if: .r0, equals: 0, to: "unknown")
    p.move(.r9, .r0)
    p.call(.monotonicNanoseconds)
    p.load(.double, .r1, .r9, 8)
    p.add(.r0, .r1)
    p.store(.double, .r9, 0, .r0)
    p.label("unknown")
    remember(&p)
    end(&p)
    return p
  }

  /// fmod_ret of `security_inet_conn_request(sk, skb, req)`: anything but 0 refuses the request.
  func onRequest() throws -> BPF.Program {
    var p = BPF.Program()
    p.load(.double, .r0, .r1, 24)
    p.jump(if: .r0, differsFrom: 0, to: "refused already")
    p.load(.double, .r7, .r1, 8)  // skb
    p.load(.double, .r6, .r1, 16)  // req
    // Without a listener the answer is a cookie.
    try fetch(&p, .r1, 8, "sock_common.skc_listener")
    p.jump(if: .r1, equals: 0, to: "out")
    scratch(&p)
    p.load(.double, .r1, .r9, 8)
    p.set(.r2, 0)
    p.store(.double, .r9, 8, .r2)
    p.jump(if: .r1, equals: .r7, to: "out")
    try key(&p)
    p.lookup(stamps, Frame.key)
    p.jump(if: .r0, equals: 0, to: "out")
    p.move(.r9, .r0)
    now(&p)
    p.load(.word, .r1, .r9, 4)
    p.subtract32(.r0, .r1)
    p.jump(if: .r0, exceeds: 59, to: "out")
    try fetch(&p, .r1, 1, "inet_request_sock.tstamp_ok")
    p.and(.r1, 1 << Int32(try layout["inet_request_sock.tstamp_ok:"]))
    p.jump(if: .r1, equals: 0, to: "refuse")
    try fetch(&p, .r2, 4, "request_sock.ts_recent")
    p.load(.word, .r1, .r9, 0)
    p.subtract32(.r1, .r2)
    p.jump(ifSigned32: .r1, exceeds: 1, to: "refuse")
    p.jump(to: "out")
    p.label("refuse")
    p.load(.word, .r1, .r8, 4)
    p.add(.r1, 1)
    p.store(.word, .r8, 4, .r1)
    p.set(.r0, -1)
    p.exit()
    end(&p)
    p.label("refused already")
    p.exit()
    return p
  }

  /// `out: return 0`
  private func end(_ p: inout BPF.Program) {
    p.label("out")
    p.set(.r0, 0)
    p.exit()
  }

  /// `memcpy(frame, r6->member, size)`; zeros where that cannot be read.
  private func read(
    _ p: inout BPF.Program, _ size: Int32, _ member: String, of base: BPF.Register = .r6, to frame: Int16
  ) throws {
    p.read(size, base, try layout[member], to: frame)
  }

  /// `register = r6->member`
  private func fetch(
    _ p: inout BPF.Program, _ register: BPF.Register, _ size: Int32, _ member: String
  ) throws {
    p.fetch(register, size, .r6, try layout[member], through: Frame.value)
  }

  /// r9: this processor's 16 bytes, the state before and the SYN that was let through.
  private func scratch(_ p: inout BPF.Program) {
    p.zero(Frame.value)
    p.lookup(scratch, Frame.value)
    p.jump(if: .r0, equals: 0, to: "out")
    p.move(.r9, .r0)
  }

  /// The key of the socket or request in r6, and r8: its namespace's entry. Out where that has none, or is off.
  private func key(_ p: inout BPF.Program) throws {
    for offset in stride(from: Frame.key, to: 0, by: 8) { p.zero(offset) }
    try fetch(&p, .r8, 8, "sock_common.skc_net")
    try read(&p, 8, "net.net_cookie", of: .r8, to: Frame.key)
    p.lookup(namespaces, Frame.key)
    p.jump(if: .r0, equals: 0, to: "out")
    p.move(.r8, .r0)
    p.load(.word, .r1, .r8, 0)
    p.jump(if: .r1, equals: 0, to: "out")
    try fetch(&p, .r1, 2, "sock_common.skc_family")
    p.jump(if: .r1, equals: AF_INET, to: "IPv4")
    try read(&p, 16, "sock_common.skc_v6_rcv_saddr", to: Frame.key + 8)
    try read(&p, 16, "sock_common.skc_v6_daddr", to: Frame.key + 24)
    p.jump(to: "ports")
    p.label("IPv4")
    try read(&p, 4, "sock_common.skc_rcv_saddr", to: Frame.key + 8)
    try read(&p, 4, "sock_common.skc_daddr", to: Frame.key + 24)
    p.label("ports")
    try read(&p, 2, "sock_common.skc_num", to: Frame.key + 40)
    try read(&p, 2, "sock_common.skc_dport", to: Frame.key + 42)
  }

  /// The stamp of the socket in r6, out where it has none; its second in the wall clock's terms.
  private func readStamp(_ p: inout BPF.Program, _ tsval: String, _ second: String) throws {
    p.zero(Frame.stamp)
    try read(&p, 4, tsval, to: Frame.stamp)
    try read(&p, 4, second, to: Frame.stamp + 4)
    p.load(.word, .r1, .r10, Frame.stamp + 4)
    p.jump(if: .r1, equals: 0, to: "out")
    p.load(.word, .r2, .r8, 8)
    p.add32(.r1, .r2)
    p.store(.word, .r10, Frame.stamp + 4, .r1)
  }

  /// r0: seconds, in the wall clock's terms.
  private func now(_ p: inout BPF.Program) {
    p.call(.monotonicNanoseconds)
    p.divide(.r0, 1_000_000_000)
    p.load(.word, .r1, .r8, 8)
    p.add32(.r0, .r1)
  }

  /// `tcp_remember_stamp`: a newer timestamp replaces the old, an older one only where the old is past 60 s.
  private func remember(_ p: inout BPF.Program) {
    p.lookup(stamps, Frame.key)
    p.jump(if: .r0, equals: 0, to: "store")
    p.move(.r9, .r0)
    p.load(.word, .r1, .r9, 0)
    p.load(.word, .r2, .r10, Frame.stamp)
    p.subtract32(.r1, .r2)
    p.jump(ifSigned32: .r1, exceeds: 0, to: "older")
    p.jump(to: "store")
    p.label("older")
    now(&p)
    p.load(.word, .r1, .r9, 4)
    p.subtract32(.r0, .r1)
    p.jump(if: .r0, exceeds: 60, to: "store")
    p.jump(to: "out")
    p.label("store")
    p.update(stamps, Frame.key, Frame.stamp)
  }
}
