import Linux

/// Shifts the TCP timestamps of one interface: TSval by an offset on the way out, TSecr back on the way in,
/// so that the host behind it lives by another clock and notices nothing.
/// Equivalent to `tc filter add dev IF egress bpf da ...` and the same for ingress.
///
/// Sixty instructions loaded by bpf(2), not a compiled object loaded by libbpf: `swift build` has no step that
/// compiles BPF, a checked-in object could not be read, and there is nothing here to relocate.
/// No loop and no back edge, first instruction set, four helpers: loads from 4.9 on.
public final class TimestampClock {
  private let offset: BPF.Array32
  private let programs: [BPF.Classifier]

  /// Attaches to an interface of the namespace that `routes` was opened in.
  ///
  /// - Parameter ticks: added to TSval, modulo 2^32.
  public convenience init(interface: String, routes: RouteSocket, offset ticks: UInt32) throws {
    try self.init(offset: ticks)
    try attach(to: interface, routes)
  }

  /// Loads the programs, for as many interfaces as are to have one clock.
  public init(offset ticks: UInt32) throws {
    offset = try BPF.Array32(entries: 1)
    try offset.set(0, ticks)
    programs = [
      try BPF.Classifier(Self.program(.egress, offset)), try BPF.Classifier(Self.program(.ingress, offset)),
    ]
  }

  /// Puts an interface of the namespace that `routes` was opened in on this clock.
  public func attach(to interface: String, _ routes: RouteSocket) throws {
    let index = try routes.index(of: interface)
    routes.addClsact(index: index)
    routes.addBPF(index: index, .egress, program: programs[0].fileDescriptor, name: "tsval")
    routes.addBPF(index: index, .ingress, program: programs[1].fileDescriptor, name: "tsecr")
    try routes.commit()
  }

  /// Changes the offset at once, for open connections too.
  public func set(offset ticks: UInt32) throws { try offset.set(0, ticks) }

  /// Linux writes its own options at fixed places (`tcp_options_write`): NOP NOP TIMESTAMP first in every
  /// segment but a SYN, where MSS comes before SACK-PERMITTED (or NOP NOP) TIMESTAMP. So kind 8, length 10
  /// stands at byte 22 of the TCP header, or at byte 26 behind an MSS option; anything else passes unchanged.
  private static func program(_ direction: RouteSocket.Direction, _ offset: BPF.Array32) -> BPF.Program {
    let ethernet: Int32 = 14
    let timestamp: Int32 = 0x0a08  // kind 8, length 10, as a little-endian half word
    var p = BPF.Program()

    /// `if (bpf_skb_load_bytes(skb, base + at, fp + frame, count)) goto out`
    func fetch(_ base: BPF.Register?, _ at: Int32, _ frame: Int32, _ count: Int32) {
      p.move(.r1, .r6)
      if let base { p.move(.r2, base) } else { p.set(.r2, 0) }
      p.add(.r2, at)
      p.move(.r3, .r10)
      p.add(.r3, frame)
      p.set(.r4, count)
      p.call(.loadBytes)
      p.jump(if: .r0, differsFrom: 0, to: "out")
    }

    p.move(.r6, .r1)
    p.load(.word, .r7, .r6, 16)  // skb->protocol, in network order
    p.jump(if: .r7, equals: 0x0008, to: "ipv4")
    p.jump(if: .r7, differsFrom: 0xdd86, to: "out")

    fetch(nil, ethernet + 6, -8, 1)  // IPv6 next header
    p.load(.byte, .r1, .r10, -8)
    p.jump(if: .r1, differsFrom: 6, to: "out")
    p.set(.r7, ethernet + 40)  // r7: where TCP begins
    p.jump(to: "tcp")

    p.label("ipv4")
    fetch(nil, ethernet, -8, 1)  // version and header length: no options
    p.load(.byte, .r1, .r10, -8)
    p.jump(if: .r1, differsFrom: 0x45, to: "out")
    fetch(nil, ethernet + 9, -8, 1)  // protocol
    p.load(.byte, .r1, .r10, -8)
    p.jump(if: .r1, differsFrom: 6, to: "out")
    p.set(.r7, ethernet + 20)

    p.label("tcp")
    fetch(.r7, 12, -8, 1)  // data offset: at least 12 bytes of options
    p.load(.byte, .r1, .r10, -8)
    p.jump(if: .r1, exceeds: 0x7f, to: "options")
    p.jump(to: "out")
    p.label("options")
    fetch(.r7, 20, -16, 12)  // bytes 20 to 31 of the TCP header
    p.move(.r8, .r7)
    p.add(.r8, 24)  // r8: where TSval stands
    p.load(.half, .r1, .r10, -14)
    p.jump(if: .r1, equals: timestamp, to: "found")
    p.load(.byte, .r1, .r10, -16)
    p.jump(if: .r1, differsFrom: 2, to: "out")  // MSS
    p.load(.half, .r1, .r10, -10)
    p.jump(if: .r1, differsFrom: timestamp, to: "out")
    p.add(.r8, 4)

    p.label("found")
    if direction == .ingress { p.add(.r8, 4) }  // TSecr
    fetch(.r8, 0, -8, 4)
    p.load(.word, .r9, .r10, -8)  // r9: the old value, in network order
    // A SYN carries no echo; 0 stays 0.
    if direction == .ingress { p.jump(if: .r9, equals: 0, to: "out") }
    p.set(.r1, 0)
    p.store(.word, .r10, -4, .r1)
    p.load(.r1, map: offset)
    p.move(.r2, .r10)
    p.add(.r2, -4)
    p.call(.mapLookup)
    p.jump(if: .r0, equals: 0, to: "out")
    p.load(.word, .r1, .r0, 0)
    p.move(.r2, .r9)
    p.bigEndian32(.r2)
    if direction == .egress { p.add32(.r2, .r1) } else { p.subtract32(.r2, .r1) }
    p.bigEndian32(.r2)
    p.store(.word, .r10, -12, .r2)

    // Right for CHECKSUM_PARTIAL too, where inet_proto_csum_replace4 leaves the pseudo header's sum alone.
    p.move(.r1, .r6)
    p.move(.r2, .r7)
    p.add(.r2, 16)
    p.move(.r3, .r9)
    p.load(.word, .r4, .r10, -12)
    p.set(.r5, 4)
    p.call(.l4ChecksumReplace)
    p.jump(if: .r0, differsFrom: 0, to: "out")
    p.move(.r1, .r6)
    p.move(.r2, .r8)
    p.move(.r3, .r10)
    p.add(.r3, -12)
    p.set(.r4, 4)
    p.set(.r5, 0)
    p.call(.storeBytes)

    p.label("out")
    p.set(.r0, 0)  // TC_ACT_OK
    p.exit()
    return p
  }
}
