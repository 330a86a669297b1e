import CLinux
import Glibc
import SystemPackage

/// Why the kernel threw TCP segments away, in chosen network namespaces: the tracepoint `skb:kfree_skb` with its
/// reason (5.17), by a program that is held by descriptor and gone with us. Nothing is left in tracefs, for nothing
/// was there. Equivalent to `perf trace -e skb:kfree_skb`, by 4-tuple and namespace.
public final class DropReasons {
  /// Where this kernel keeps what the program reads, and what its reasons are called.
  public struct Layout: Sendable {
    /// By name, to be kept: finding it out reads megabytes.
    public let values: [String: Int]

    /// As kept.
    public init(values: [String: Int]) { self.values = values }

    /// Asks the running kernel's BTF.
    public static func ofRunningKernel() throws -> Layout {
      let members = [
        "sk_buff": ["dev", "head", "network_header", "transport_header", "_skb_refdst"],
        "dst_entry": ["dev"], "net_device": ["nd_net"], "net": ["net_cookie"],
      ]
      let types = try BTF(names: Set(members.keys + ["skb_drop_reason"]))
      var values: [String: Int] = [:]
      for (structure, names) in members {
        for name in names {
          values["\(structure).\(name)"] = try types.offset(of: name, in: structure).bytes
        }
      }
      let prefix = "SKB_DROP_REASON_"
      for (name, value) in try types.names(of: "skb_drop_reason") where name.hasPrefix(prefix) {
        values["reason \(name.dropFirst(prefix.count))"] = value
      }
      return Layout(values: values)
    }
  }

  /// Segments that were thrown away alike.
  public struct Drop: Sendable {
    /// Cookie of the network namespace; 0 where it was one of this process' sockets, and that is all that is known.
    public var namespace: UInt64
    /// As in `enum skb_drop_reason`, without its prefix, e.g. `TCP_RFC7323_PAWS`.
    public var reason: String
    public var source: String
    public var sourcePort: Int
    public var destination: String
    public var destinationPort: Int
    public var sequence: UInt32
    public var count: Int
  }

  private let layout: Layout
  private let namespaces: BPF.Map
  /// Names our PID namespace.
  private let processes: (device: UInt64, inode: UInt64)
  private let drops: BPF.Map
  private var program: BPF.Trampoline?

  /// Loads and attaches.
  public init(_ layout: Layout, namespaces cookies: [UInt64]) throws {
    self.layout = layout
    namespaces = try BPF.Map(.hash, key: 8, value: 4, entries: max(1, cookies.count))
    for cookie in cookies { try namespaces.set(cookie.nativeBytes, UInt32(1).nativeBytes) }
    var status = stat()
    try SystemError.check(libc: stat("/proc/self/ns/pid", &status), "stat", "/proc/self/ns/pid")
    processes = (UInt64(status.st_dev), UInt64(status.st_ino))
    drops = try BPF.Map(.hash, key: 56, value: 8, entries: 4096)
    program = try BPF.Trampoline(try onDrop(), for: .tracepoint("kfree_skb"))
  }

  /// How many drops, of whatever and wherever, were not heard so far: those within the handling of another.
  ///
  /// The tracepoint itself is silent now and then: with workers coming and going on a busy machine it was so for 4
  /// drops in about 16,000 cases, which conntrack or TIME-WAIT had counted, and of which none of the 18 programs that
  /// listened just then heard. No count tells, so who judges by reasons asks a second time.
  public var misses: Int { program?.misses ?? 0 }

  /// Everything so far.
  public func all() -> [Drop] {
    let names = Dictionary(
      layout.values.compactMap { name, value in
        name.hasPrefix("reason ") ? (value, String(name.dropFirst("reason ".count))) : nil
      }
    ) { first, _ in first }
    return drops.all().map { key, value in
      let reason: UInt32 = key.native(at: 52)
      let isIPv4 = key[8..<40].enumerated().allSatisfy { $0.offset % 16 < 4 || $0.element == 0 }
      func port(_ at: Int) -> Int { Int(UInt16(bigEndian: key.native(at: at))) }
      return Drop(
        namespace: key.native(at: 0), reason: names[Int(reason)] ?? "\(reason)",
        source: SocketAddress.text(of: Array(key[8..<24]), isIPv4: isIPv4), sourcePort: port(40),
        destination: SocketAddress.text(of: Array(key[24..<40]), isIPv4: isIPv4), destinationPort: port(42),
        sequence: UInt32(bigEndian: key.native(at: 44)), count: Int(value.native(at: 0, as: UInt64.self)))
    }
  }

  /// Arguments of the tracepoint: skb, location, reason. On the stack, below r10:
  ///
  ///     -56  the key: namespace 8, source 16, destination 16, ports 2 and 2, sequence 4, nothing 4, reason 4
  ///     -64  what was read last, then the count
  private func onDrop() throws -> BPF.Program {
    let (key, value): (Int16, Int16) = (-56, -64)
    var p = BPF.Program()
    /// `register = *(u64 *)(base + member)`
    func pointer(_ register: BPF.Register, _ base: BPF.Register, _ member: String) throws {
      p.fetch(register, 8, base, try layout.values.kept(member), through: value)
    }
    p.load(.double, .r6, .r1, 0)  // skb
    p.load(.double, .r7, .r1, 16)  // reason
    for frame in stride(from: key, to: 0, by: 8) { p.zero(frame) }
    // The namespace by the device, or where TCP has let go of that, by the route.
    try pointer(.r8, .r6, "sk_buff.dev")
    p.jump(if: .r8, differsFrom: 0, to: "device")
    try pointer(.r8, .r6, "sk_buff._skb_refdst")
    p.and(.r8, -2)  // SKB_DST_NOREF
    p.jump(if: .r8, differsFrom: 0, to: "route")
    // Neither: it waited for its socket (tcp_add_backlog), whose owner, so this process, handles it now.
    p.set(.r1, long: processes.device)
    p.set(.r2, long: processes.inode)
    p.move(.r3, .r10)
    p.add(.r3, Int32(value))
    p.set(.r4, 8)
    p.call(.processInNamespace)
    p.jump(if: .r0, differsFrom: 0, to: "out")
    p.load(.word, .r1, .r10, value + 4)
    p.jump(if: .r1, equals: getpid(), to: "ours")
    p.jump(to: "out")
    p.label("route")
    try pointer(.r8, .r8, "dst_entry.dev")
    p.label("device")
    try pointer(.r8, .r8, "net_device.nd_net")
    p.read(8, .r8, try layout.values.kept("net.net_cookie"), to: key)
    p.lookup(namespaces, key)
    p.jump(if: .r0, equals: 0, to: "out")
    p.label("ours")
    p.store(.word, .r10, key + 52, .r7)

    try pointer(.r9, .r6, "sk_buff.head")
    p.fetch(.r8, 2, .r6, try layout.values.kept("sk_buff.network_header"), through: value)
    p.add(.r8, .r9)  // r8: the IP header
    p.fetch(.r1, 2, .r6, try layout.values.kept("sk_buff.transport_header"), through: value)
    p.add(.r9, .r1)  // r9: TCP's
    p.fetch(.r1, 1, .r8, 0, through: value)
    p.shiftRight(.r1, 4)
    p.jump(if: .r1, equals: 4, to: "IPv4")
    p.jump(if: .r1, differsFrom: 6, to: "out")
    p.fetch(.r1, 1, .r8, 6, through: value)
    p.jump(if: .r1, differsFrom: 6, to: "out")  // IPPROTO_TCP
    p.read(16, .r8, 8, to: key + 8)
    p.read(16, .r8, 24, to: key + 24)
    p.jump(to: "TCP")
    p.label("IPv4")
    p.fetch(.r1, 1, .r8, 9, through: value)
    p.jump(if: .r1, differsFrom: 6, to: "out")
    p.read(4, .r8, 12, to: key + 8)
    p.read(4, .r8, 16, to: key + 24)
    p.label("TCP")
    p.read(8, .r9, 0, to: key + 40)  // ports and sequence

    p.lookup(drops, key)
    p.jump(if: .r0, equals: 0, to: "first")
    p.load(.double, .r1, .r0, 0)
    p.add(.r1, 1)
    p.store(.double, .r0, 0, .r1)
    p.jump(to: "out")
    p.label("first")
    p.set(.r1, 1)
    p.store(.double, .r10, value, .r1)
    p.update(drops, key, value)
    p.label("out")
    p.set(.r0, 0)
    p.exit()
    return p
  }
}
