import Model
import Netlink

extension Shape: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let links = try workload.testbed.links(named: node)
    guard !links.isEmpty else {
      throw workload.lacks("shape", node, "no link of that name, and no node with one")
    }
    let way = of ?? .both
    do {
      for (own, far) in links {
        for interface in (way == .received ? [] : [own]) + (way == .sent ? [] : [far]) { try set(interface) }
      }
    } catch { throw Failure(error, stage: "netem", object: node) }
    workload.delay = max(workload.delay, 2 * (delay ?? 0))
  }

  private func set(_ interface: Testbed.Interface) throws {
    let routes = interface.node.routes
    if isPlain {
      guard try routes.qdiscs(index: interface.index).contains(where: { $0.isRoot && $0.kind == "netem" })
      else { return }
      routes.unshape(index: interface.index)
    } else {
      routes.shape(
        index: interface.index,
        try Shaping(
          delay: delay ?? 0, loss: loss ?? 0, duplicate: duplicate ?? 0, reorder: reorder ?? 0, rate: rate))
    }
    try routes.commit()
  }
}
