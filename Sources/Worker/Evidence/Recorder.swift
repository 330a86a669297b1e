import Evidence
import Linux
import Model
import Netlink
import Wire

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Gathers what happens on a testbed into one ``Observation``.
final class Recorder {
  private let testbed: Testbed
  private var observation: Observation
  private var stream = Pcapng.Writer()
  /// How many packets were captured so far.
  private(set) var packets = 0
  /// Segments with data, for ``dataSegments(on:outgoing:since:end:)``; those of earlier steps are forgotten.
  private var data: [Segment] = []
  private let loop: EventLoop
  private let emit: (WorkerEvent) -> Void
  private var told = false
  var attempts: [Attempt] = []

  /// Starts the captures and has the loop drain them.
  init(_ testbed: Testbed, loop: EventLoop, emit: @escaping (WorkerEvent) -> Void) throws {
    self.testbed = testbed
    self.loop = loop
    self.emit = emit
    observation = Observation(caseID: testbed.test.id)
    if testbed.kernel.has(.dropReasons), let layout = testbed.kernel.layout {
      do {
        names = Dictionary(try testbed.nodes.map { (try $0.namespace.cookie, $0.name) }) { first, _ in first }
        drops = try DropReasons(.init(values: layout), namespaces: Array(names.keys))
      } catch { throw Failure(error, stage: "drop reasons", object: testbed.test.id) }
      hints = nil
    } else {
      drops = nil
      do { hints = testbed.kernel.has(.dropHints) ? try DropHints() : nil } catch {
        throw Failure(error, stage: "drop hints", object: testbed.test.id)
      }
      if hints != nil { observation.dropHints = [] }
    }
    try testbed.startCapture()
    for node in testbed.nodes {
      for capture in node.captures {
        loop.watch(capture.socket.fileDescriptor, Poll.readable) { [unowned self] in
          try drain(capture, of: node)
        }
      }
    }
  }

  private let drops: DropReasons?
  /// Of the nodes, by their namespaces' cookies, where drops are heard.
  private var names: [UInt64: String] = [:]
  private let hints: DropHints?

  /// `date -s`: everything that was captured until now is taken first.
  func setWallClock(forward seconds: Int) throws {
    try drainAll()
    try testbed.time.advance(seconds: seconds)
    try testbed.recycling?.advance(seconds: seconds)
  }

  private func drain(_ capture: Node.Capture, of node: Node) throws {
    do {
      try capture.socket.drain { time, outgoing, length, bytes in
        let packet = Packet(
          node: node.name, interface: capture.interface, time: testbed.time.time(wall: time),
          outgoing: outgoing,
          length: length, bytes: Data(bytes))
        stream.add(packet)
        packets += 1
        if watchesData || courses.isWatching, let segment = Segment(packet) {
          if watchesData, segment.payload > 0 { data.append(segment) }
          courses.add(segment)
        }
      }
    } catch {
      throw Failure(error, stage: "capture", object: "\(node.name) \(capture.interface)")
    }
    if stream.count > 32_768 { tell() } else if !told { tellSoon() }
  }

  /// Hands on what was captured, so that it is seen while a client waits, and kept by nobody here.
  private func tell() {
    guard stream.count > 0 else { return }
    emit(.packets(stream.take()))
  }

  /// The same, with all that has come until now.
  func tellAll() throws {
    try drainAll()
    tell()
  }

  private func tellSoon() {
    told = true
    loop.after(milliseconds: 50) { [weak self] in
      self?.told = false
      self?.tell()
    }
  }

  /// Whether a step sends on open connections, and so asks for ``dataSegments(on:outgoing:since:end:)``.
  private lazy var watchesData = testbed.test.workload.contains { $0.action.makes == .bytes }

  /// Where connections stand, by what was captured; for steps that ask.
  private(set) lazy var courses = Courses(follows: testbed.test.workload.contains { $0.action is Forge })

  /// Remembers the connections that a node opens from now on; of none where it is nil.
  func follow(_ node: String?) { courses.follow(node) }

  /// A program has run.
  func add(_ program: ProgramRun) { observation.programs = (observation.programs ?? []) + [program] }

  /// Counters at the start. Last before the workload, so that the set-up counts for nothing.
  func before() throws { observation.countersBefore = try counters() }

  /// Sockets by state on every node: `ss -tan`.
  func census(after step: Int) throws {
    let ipv6 = testbed.test.network.family == .ipv6
    for server in testbed.servers {
      if let recycling = testbed.recycling {
        try recycling.endOverdue(on: server.name)
        observation.stamps.append(
          StampCensus(step: step, node: server.name, stamps: recycling.stamps(of: server.name)))
      }
      guard let metrics = server.metrics else { continue }
      observation.stamps.append(
        StampCensus(
          step: step, node: server.name,
          stamps: try metrics.stamps().map {
            StampCensus.Stamp(remote: $0.remote, local: $0.local, tsval: $0.tsval, age: $0.age)
          }))
    }
    // The kernel walks its whole hash table for each node: with many clients only the server is worth it.
    let nodes = testbed.nodes.count <= 8 ? testbed.nodes : testbed.servers
    for node in nodes {
      var left: [Int] = []
      var entries: [SocketEntry] = []
      let states = try node.sockets.census(ipv6: ipv6) { socket in
        entries.append(SocketEntry(socket))
        return entries.count <= SocketCensus.most
      } timeWait: {
        left.append(testbed.recycling?.millisecondsLeft($0, on: node.name) ?? $0.milliseconds)
      }
      if !states.isEmpty {
        observation.sockets.append(
          SocketCensus(
            step: step, node: node.name, states: states, timeWait: Array(left.sorted().prefix(100)),
            entries: entries.count <= SocketCensus.most ? entries : nil))
      }
    }
    try tables(after: step)
  }

  /// What directors and, where an author asks for it, conntrack have in their tables: `ipvsadm -Lnc`, `conntrack -L`.
  private func tables(after step: Int) throws {
    let asked = Set(testbed.test.rules.compactMap(\.witnesses).flatMap(\.conntrack.keys))
    for node in testbed.nodes {
      if let table = node.connections {
        let entries = try table.read().map { IPVSEntry($0) }
        observation.ipvs =
          (observation.ipvs ?? []) + [
            IPVSCensus(
              step: step, node: node.name, entries: entries,
              servers: try testbed.directors.first { $0.name == node.name }?.listing())
          ]
      }
      guard let conntrack = node.conntrack,
        asked.contains(where: { testbed.test.network.members(of: $0).contains(node.name) })
      else { continue }
      let entries = try conntrack.entries().compactMap { Evidence.ConntrackEntry($0) }
      observation.conntrack =
        (observation.conntrack ?? []) + [ConntrackCensus(step: step, node: node.name, entries: entries)]
    }
  }

  /// How many sockets the servers have in TIME_WAIT now: `ss -tan state time-wait | wc -l`.
  func sample() throws {
    let ipv6 = testbed.test.network.family == .ipv6
    let count = try testbed.servers.reduce(0) { try $0 + ($1.sockets.census(ipv6: ipv6)["TIME-WAIT"] ?? 0) }
    observation.samples.append(TimeWaitSample(time: testbed.time.now, timeWait: count))
  }

  /// How many segments with data passed a node's link since a time, to or from one end of a connection.
  ///
  /// - Parameters:
  ///   - outgoing: whether they left the node or arrived there.
  ///   - end: the connection's client as that link knows it, `198.18.0.2:40112`; nil counts those of all.
  func dataSegments(on node: String, outgoing: Bool, since: Int64, end: String?) -> Int {
    data.removeAll { $0.time < since }
    return data.count { segment in
      guard segment.node == node, segment.outgoing == outgoing else { return false }
      return end == nil || end == SocketAddress.text(segment.source, port: segment.sourcePort)
        || end == SocketAddress.text(segment.destination, port: segment.destinationPort)
    }
  }

  /// Everything, once the workload is done and before the network goes.
  func finish(timings: [Timing], _ stopwatch: inout Stopwatch) throws -> Observation {
    // A packet between reading counters and capture would be in one and not in the other: read again.
    var seen: Int
    repeat {
      try drainAll()
      seen = packets
      observation.countersAfter = try counters()
      observation.drops = kernelDrops()
      observation.dropsNotHeard = drops?.misses ?? hints?.notHeard
      try drainAll()
    } while packets != seen
    try losses()
    try linkLosses()
    try settings()
    try rules { node, rules in
      // A rule that may drop is asked how often it did; the others are told as they were given.
      let text = try rules.mayDrop ? rules.saved(on: node) : rules.text
      for (name, value) in NATRules.counters(in: text) where value != 0 {
        observation.countersAfter[node.name, default: [:]][name] = value
      }
      return text
    }
    observation.clockReference = try testbed.clients[0].node.namespace.run {
      try testbed.time.reference(ticksPerSecond: testbed.kernel.timestampTicksPerSecond)
    }
    conclude()
    observation.timings = testbed.timings + timings + [stopwatch.lap("evidence")]
    return observation
  }

  /// Whether no packet has come since ``finish(timings:_:)`` and until `body` was done, which is given the time up to
  /// which that holds.
  func isQuiet(while body: (_ until: () -> Int64) throws -> Void) throws -> Bool {
    let seen = packets
    try body { testbed.time.now }
    try drainAll()
    return packets == seen
  }

  /// As much of it as can be had after something broke: nothing here may hide what did.
  func soFar() -> Observation {
    try? drainAll()
    // Without those before they would be everything since the namespaces were made.
    if !observation.countersBefore.isEmpty, let now = try? counters() { observation.countersAfter = now }
    observation.drops = kernelDrops()
    observation.dropsNotHeard = drops?.misses ?? hints?.notHeard
    try? losses()
    try? linkLosses()
    try? settings()
    rules { _, rules in rules.text }
    conclude()
    observation.timings = testbed.timings
    return observation
  }

  /// The rules as they stand, from the beginning each time; of several nodes each under its name.
  private func rules(_ text: (Node, NATRules) throws -> String) rethrows {
    observation.rules = ""
    for (node, rules) in testbed.rules {
      observation.natBackend = rules.backend.rawValue
      let text = try text(node, rules)
      observation.rules += testbed.rules.count > 1 ? "# \(node.name)\n\(text)\n" : text
    }
  }

  private func losses() throws {
    observation.captureLosses = [:]
    for node in testbed.nodes {
      for capture in node.captures {
        let lost = try capture.socket.lost()
        if lost > 0 { observation.captureLosses[node.name, default: 0] += lost }
      }
    }
  }

  /// Packets that netem has lost, by node.
  private func linkLosses() throws {
    for (node, count) in try testbed.packetsLost() {
      observation.countersAfter[node, default: [:]]["netem.drops"] = count
    }
  }

  private func settings() throws {
    for node in testbed.nodes {
      observation.settings[node.name] = try Settings.inForce(on: node, kernel: testbed.kernel)
      if let recycling = testbed.recycling {
        observation.settings[node.name]?[TimeWaitRecycling.setting] = recycling.value(on: node.name)
      }
    }
  }

  /// What needs no more of the kernel; the last packets are told.
  private func conclude() {
    observation.clockMethod = testbed.clocks?.method
    observation.clockChanges = testbed.clocks?.changes ?? []
    observation.attempts = attempts.sorted { $0.id < $1.id }
    tell()
    observation.processorSeconds = System.processorSeconds()
  }

  /// What the kernel has thrown away so far, and why; nil where it is not asked.
  private func kernelDrops() -> [KernelDrop]? {
    drops?.all().map {
      KernelDrop(
        node: names[$0.namespace] ?? testbed.node(of: $0.destination)?.name ?? "?", reason: $0.reason,
        source: $0.source, sourcePort: $0.sourcePort, destination: $0.destination,
        destinationPort: $0.destinationPort, sequence: $0.sequence, count: $0.count)
    }.sorted { ($0.node, $0.sequence, $0.reason) < ($1.node, $1.sequence, $1.reason) }
  }

  private func drainAll() throws {
    for node in testbed.nodes {
      for capture in node.captures { try drain(capture, of: node) }
    }
    let heard = try hints?.drain() ?? []
    observation.dropHints?.append(
      contentsOf: heard.map { DropHint(time: testbed.time.time(ofNow: $0.time), reason: $0.reason) })
  }

  private func counters() throws -> [String: [String: Int]] {
    var all: [String: [String: Int]] = [:]
    for node in testbed.nodes {
      var values = try node.counters.read(zeros: false)
      if let conntrack = node.conntrack {
        for (name, value) in try conntrack.statistics() where value != 0 {
          values["conntrack.\(name)"] = value
        }
      }
      for (name, value) in try node.synproxy?.read() ?? [:] where value != 0 { values[name] = value }
      if let refused = testbed.recycling?.refused(by: node.name), refused != 0 {
        values[TimeWaitRecycling.refused] = refused
      }
      all[node.name] = values
    }
    return all
  }
}
