import CLibNL
import Glibc
import Linux
import SystemPackage

/// A queueing discipline of an interface: a line of `tc -s qdisc show`.
public struct Qdisc: Sendable, Equatable {
  /// `noqueue`, `netem`, `clsact`, `noop`, ...
  public var kind: String
  /// The interface's index.
  public var index: Int
  /// Whether it is the interface's root.
  public var isRoot: Bool
  /// Of a netem; nil for any other. To a thousandth of a percent, and to a millisecond.
  public var shaping: Shaping?
  /// Packets that have left it.
  public var sent: Int
  /// Packets that it has dropped: netem's losses, and what was over a limit.
  public var drops: Int
}

extension RouteSocket {
  /// `tc qdisc replace dev I root netem delay .. loss .. duplicate .. reorder .. rate .. limit ..`
  ///
  /// Whatever there was before, netem or not, is replaced at once, with the packets that wait in it.
  /// - Throws: by ``commit()``: ENOENT where the kernel has no `sch_netem`.
  public func shape(index: Int, _ shaping: Shaping) {
    let verb = "tc qdisc replace dev \(index) root netem \(shaping.words)"
    guard let qdisc = rtnl_qdisc_alloc() else { return fail(verb, .noMemory) }
    defer { rtnl_qdisc_put(qdisc) }
    rtnl_tc_set_ifindex(qdisc, Int32(index))
    rtnl_tc_set_parent(qdisc, 0xffff_ffff)  // TC_H_ROOT
    rtnl_tc_set_kind(qdisc, "netem")
    rtnl_netem_set_limit(qdisc, Int32(shaping.limit))
    rtnl_netem_set_delay(qdisc, Int32(shaping.delay) * 1_000)  // microseconds
    rtnl_netem_set_loss(qdisc, Self.probability(shaping.loss))
    rtnl_netem_set_duplicate(qdisc, Self.probability(shaping.duplicate))
    if shaping.reorder > 0 {
      rtnl_netem_set_gap(qdisc, 1)
      rtnl_netem_set_reorder_probability(qdisc, Self.probability(shaping.reorder))
      rtnl_netem_set_reorder_correlation(qdisc, 0)
    }
    var message: OpaquePointer?
    let result = rtnl_qdisc_build_add_request(qdisc, Int32(NLM_F_CREATE | NLM_F_REPLACE), &message)
    if result >= 0, let message { Self.complete(message, shaping) }
    add(verb, message: &message, result)
  }

  /// `tc qdisc del dev I root`: the interface has its own again, `noqueue` for a veth.
  /// - Throws: by ``commit()``: ENOENT (EINVAL below 4.12) where there is none but the kernel's own.
  public func unshape(index: Int) {
    var header = tcmsg()
    header.tcm_ifindex = Int32(index)
    header.tcm_parent = 0xffff_ffff  // TC_H_ROOT
    add("tc qdisc del dev \(index) root", type: Int32(RTM_DELQDISC), flags: 0, header: header) { _ in }
  }

  /// `tc -s qdisc show dev I`: the root first, and what else there is.
  public func qdiscs(index: Int) throws -> [Qdisc] {
    var header = tcmsg()
    header.tcm_ifindex = Int32(index)
    let request = try Socket.message(
      Int32(RTM_GETQDISC), flags: Int32(NLM_F_DUMP), header: header, name: "tc qdisc show dev \(index)")
    var found: [Qdisc] = []
    // A dump is of every interface, whatever was asked for (`tc_dump_qdisc`).
    try socket.dump(request) { payload in
      if let qdisc = Self.qdisc(in: payload), qdisc.index == index { found.append(qdisc) }
    }
    return found.filter(\.isRoot) + found.filter { !$0.isRoot }
  }

  /// What one answer tells; nil for what is none.
  static func qdisc(in payload: UnsafeRawBufferPointer) -> Qdisc? {
    guard let header = payload.structure(tcmsg.self) else { return nil }
    var qdisc = Qdisc(
      kind: "", index: Int(header.tcm_ifindex), isRoot: header.tcm_parent == 0xffff_ffff, shaping: nil,
      sent: 0,
      drops: 0)
    var options: UnsafeRawBufferPointer?
    for (type, value) in NetlinkAttributes(payload, from: MemoryLayout<tcmsg>.size) {
      switch type {
      case 1: qdisc.kind = String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)  // TCA_KIND
      case 2: options = value  // TCA_OPTIONS
      case 7:  // TCA_STATS2
        for (type, value) in NetlinkAttributes(value, from: 0) {
          // TCA_STATS_BASIC: bytes (64 bits), packets; TCA_STATS_QUEUE: length, backlog, drops.
          if type == 1 { qdisc.sent = Int(value.number(at: 8, as: UInt32.self) ?? 0) }
          if type == 3 { qdisc.drops = Int(value.number(at: 8, as: UInt32.self) ?? 0) }
        }
      default: break
      }
    }
    guard !qdisc.kind.isEmpty else { return nil }
    if qdisc.kind == "netem", let options { qdisc.shaping = shaping(in: options) }
    return qdisc
  }

  /// `struct tc_netem_qopt` (`netem_dump`), and the attributes behind it.
  private static func shaping(in options: UnsafeRawBufferPointer) -> Shaping? {
    guard let qopt = options.structure(tc_netem_qopt.self) else { return nil }
    // Ticks of the packet scheduler are 64 ns (PSCHED_SHIFT, since 2.6.31).
    var nanoseconds = Int(qopt.latency) << 6
    var reorder = 0.0
    var rate: Int?
    for (type, value) in NetlinkAttributes(options, from: MemoryLayout<tc_netem_qopt>.size) {
      switch type {
      case 3: reorder = percent(value.number(at: 0) ?? 0)  // TCA_NETEM_REORDER: probability, correlation
      case 6:  // TCA_NETEM_RATE: bytes a second; all ones where they are in RATE64
        if let bytes: UInt32 = value.number(at: 0), bytes > 0, bytes < .max { rate = Int(bytes) * 8 }
      case 8:  // TCA_NETEM_RATE64
        if let bytes: UInt64 = value.number(at: 0) {
          rate = Int(clamping: bytes.multipliedReportingOverflow(by: 8).partialValue)
        }
      case 10:  // TCA_NETEM_LATENCY64
        if let precise: Int64 = value.number(at: 0) { nanoseconds = Int(precise) }
      default: break
      }
    }
    return Shaping(
      read: (nanoseconds &+ 500_000) / 1_000_000, loss: percent(qopt.loss),
      duplicate: percent(qopt.duplicate),
      // Without a gap nothing is reordered, and what an earlier one said is still told.
      reorder: qopt.gap == 0 ? 0 : reorder, rate: rate, limit: Int(qopt.limit))
  }

  /// The kernel's number for a chance: all ones for always.
  static func probability(_ percent: Double) -> Int32 {
    Int32(bitPattern: UInt32((percent / 100 * Double(UInt32.max)).rounded()))
  }

  private static func percent(_ probability: UInt32) -> Double {
    (Double(probability) / Double(UInt32.max) * 100_000).rounded() / 1_000
  }

  /// What libnl does not do, in the structure and behind it: it has written TCA_OPTIONS as the message's last attribute.
  private static func complete(_ message: OpaquePointer, _ shaping: Shaping) {
    guard let header = nlmsg_hdr(message),
      let options = nlmsg_find_attr(header, Int32(MemoryLayout<tcmsg>.size), Int32(TCA_OPTIONS)),
      let structure = nla_data(options)
    else { return }
    // A tick is 64 ns (PSCHED_SHIFT, since 2.6.31). libnl learns that from /proc/net/psched, which a guest's first
    // process has not mounted yet when libraries begin.
    structure.assumingMemoryBound(to: tc_netem_qopt.self).pointee.latency = UInt32(shaping.delay * 15_625)
    // It counts what it has put behind the structure twice in the message's length (`netem_msg_fill_raw`).
    let start = UnsafeRawPointer(options) - UnsafeRawPointer(header)
    header.pointee.nlmsg_len = UInt32(start + (Int(options.pointee.nla_len) + 3) & ~3)
    let before = header.pointee.nlmsg_len
    // It has no rate (3.11 neither), and sch_netem, which keeps what it is not told, has to be told that there is none.
    var limit = tc_netem_rate()
    limit.rate = UInt32(clamping: (shaping.rate ?? 0) / 8)
    nla_put(message, 6 /* TCA_NETEM_RATE */, Int32(MemoryLayout<tc_netem_rate>.size), &limit)
    options.pointee.nla_len += UInt16(header.pointee.nlmsg_len - before)
  }
}
