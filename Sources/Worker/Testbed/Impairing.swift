import Model
import Netlink

/// What happens to packets on links, laid by netem: at the beginning and by ``Shape`` steps alike.
extension Testbed {
  /// What the network says of its links from the beginning.
  func impairLinks() throws {
    for link in test.network.links where link.isImpaired {
      for (number, end) in link.ends.enumerated() {
        let own = try interface(end)
        if let packets = end.sent { try impair(own, packets, of: own.node.name) }
        if let packets = end.received, let bridge = link.bridge {
          let port = Link.End(bridge.host, Link.port(number, of: bridge))
          try impair(try interface(port), packets, of: own.node.name)
        }
      }
      // Else the first packet waits for ARP, which is late or lost as well, and nobody reaches anybody where all is lost.
      // On a LAN it stays: what a bridge has never heard of would be sent to everybody.
      if link.bridge == nil { try introduce(link) }
    }
  }

  /// Where links are many, nobody asks by ARP: the kernel remembers 1,024 neighbours in all namespaces together
  /// (`neigh_alloc`, gc_thresh3), and whoever comes then sends nothing. What was added by hand does not count (8cf8821e15cd,
  /// 5.0).
  func introduceMany() throws {
    guard test.network.links.count > Self.few else { return }
    for link in test.network.links where link.bridge == nil && !link.isImpaired { try introduce(link) }
  }

  /// Links whose ends may find one another by ARP, beside other cases.
  private static let few = 100

  /// Both ends of a link know each other's link-layer address.
  private func introduce(_ link: Link) throws {
    let ends = try link.ends.map { try interface($0) }
    for (own, other) in [(ends[0], ends[1]), (ends[1], ends[0])] {
      guard let address = other.address else { continue }
      do {
        let link = try other.node.routes.link(index: other.index).address
        own.node.routes.addNeighbour(address, link: link, index: own.index)
        try own.node.routes.commit()
      } catch { throw Failure(error, stage: "neighbours", object: "\(own.name) of \(own.node.name)") }
    }
  }

  /// `tc qdisc replace dev I root netem ...`, or takes it away, and looks whether it is so.
  ///
  /// - Parameter owner: the node whose counter `netem.drops` has what is lost: a bridge's port is of no node.
  func impair(_ interface: Interface, _ packets: Impairment, of owner: String) throws {
    let (routes, index) = (interface.node.routes, interface.index)
    do {
      if packets.isPlain {
        guard let netem = try routes.qdiscs(index: index).first(where: { $0.isRoot && $0.kind == "netem" })
        else { return }
        // What it counted goes with it.
        lost[owner, default: 0] += netem.drops
        impaired.removeAll { $0.interface.index == index && $0.interface.node === interface.node }
        routes.unshape(index: index)
        try routes.commit()
        return
      }
      let wanted = try Shaping(packets)
      routes.shape(index: index, wanted)
      try routes.commit()
      let found = try routes.qdiscs(index: index).first
      guard let shaping = found?.shaping, shaping.isNear(wanted) else {
        throw Failure(
          stage: "netem", object: "\(interface.name) of \(interface.node.name)",
          cause:
            "\(wanted.words) was asked for, and it is \(found?.shaping?.words ?? found?.kind ?? "nothing")")
      }
    } catch { throw Failure(error, stage: "netem", object: "\(interface.name) of \(interface.node.name)") }
    if !impaired.contains(where: { $0.interface.index == index && $0.interface.node === interface.node }) {
      impaired.append((owner, interface))
    }
  }

  /// Packets that links have lost so far, by the node on whose account: `tc -s qdisc show`.
  func packetsLost() throws -> [String: Int] {
    var sums = lost
    for (owner, interface) in impaired {
      let netem = try interface.node.routes.qdiscs(index: interface.index).first { $0.kind == "netem" }
      sums[owner, default: 0] += netem?.drops ?? 0
    }
    return sums.filter { $0.value > 0 }
  }
}

extension Network {
  /// Milliseconds by which links make a packet late at the most, both ways together, on whatever way it goes.
  var delay: Int {
    links.reduce(0) { sum, link in
      let delays = link.ends.map { ($0.sent?.delay ?? 0).adding($0.received?.delay ?? 0) }
      return sum.adding((delays.max() ?? 0).multiplied(by: 2))
    }
  }
}

extension Shaping {
  fileprivate init(_ packets: Impairment) throws {
    try self.init(
      delay: packets.delay ?? 0, loss: packets.loss ?? 0, duplicate: packets.duplicate ?? 0,
      reorder: packets.reorder ?? 0, rate: packets.rate)
  }

  /// Whether a kernel that was asked for one and says the other does what it was asked: percents are read to a
  /// thousandth, rates are of whole bytes.
  fileprivate func isNear(_ other: Shaping) -> Bool {
    let percents = zip([loss, duplicate, reorder], [other.loss, other.duplicate, other.reorder])
    return delay == other.delay && percents.allSatisfy { ($0 - $1).magnitude < 0.001 }
      && rate.map { $0 / 8 } == other.rate.map { $0 / 8 }
  }
}
