import Evidence
import Linux
import Model
import Netlink

/// Finds out what the running kernel can do, each thing by doing it in a namespace made for it.
enum Probe {
  /// Milliseconds, for what takes a few where nothing else runs.
  private static let deadline = 5_000

  static func kernel(privilege: Kernel.Privilege) throws -> Kernel {
    let (release, machine) = try System.release()
    var found = Findings()

    let host = try NetworkNamespace.current()
    let node = try Node(name: "probe")
    try needWritableSettings(node)
    // These load their modules on a host, and with them come their settings.
    found.probe(.conntrack) {
      try node.openConntrack()
    }
    if found.capabilities.contains(.feature(.conntrack)) {
      found.probe(.conntrackByNeed) { try passUntracked() }
    }
    found.probe(.ipvs) {
      _ = try node.namespace.run { try IPVSSocket() }
    }
    if found.capabilities.contains(.feature(.ipvs)) { try schedulers(into: &found) }
    let perKernel = try settings(node, host: host, into: &found)
    let groups = ["TcpExt.", "Tcp.", "Ip.", "Ip6."]
    for name in try node.counters.read().keys where groups.contains(where: name.hasPrefix) {
      found.capabilities.insert(.counter(name))
    }

    found.probe(.ipv6) {
      _ = try node.namespace.run { try TCP.socket(ipv6: true) }
    }
    for name in (try? node.conntrack?.statistics())?.keys.sorted() ?? [] {
      found.capabilities.insert(.counter("conntrack.\(name)"))
    }
    var prober = Network.Node("probe")
    prober.nat = Network.Node.SourceNAT(
      target: .snat, out: ["srv+"], address: "198.19.0.1", ports: 40000...40001, random: .fully)
    prober.rules = [.dropInvalid]
    for backend in NATRules.Backend.allCases {
      found.probe(backend.feature) {
        try NATRules(prober, family: .ipv4, backend: backend).apply(on: try Node(name: "probe"))
      }
    }
    found.probe(.tcpRepair) {
      try node.namespace.run {
        let socket = try TCP.socket(ipv6: false)
        defer { TCP.close(socket) }
        try TCP.pinSequence(socket, 1)
      }
    }
    found.probe(.backlogZero) { try connectWithoutBacklog() }
    found.probe(.dropsAtFullQueue) { try dropAtFullQueue() }
    if found.capabilities.contains(.feature(.tcpRepair)) {
      found.probe(.repairClosing) { try repairClosing() }
      found.probe(.promptSYN) { try promptSYN() }
    }
    // It takes 3 s, and kernels that are prompt (5.6) have it.
    if found.capabilities.contains(.feature(.promptSYN)) {
      found.capabilities.insert(.feature(.keepsSYNRetries))
    } else {
      found.probe(.keepsSYNRetries) { try keepSYNRetries() }
    }
    found.probe(.tcBPF) {
      let scratch = try Node(name: "probe")
      try scratch.namespace.run { _ = try TimestampClock(interface: "lo", routes: scratch.routes, offset: 0) }
    }
    found.probe(.socketClocks) { try socketClock() }
    found.probe(.nftTimestamps) {
      let output = try Node(name: "probe").nft(
        """
        table inet clock {
          chain out {
            type filter hook output priority 0
            tcp option timestamp tsval set tcp option timestamp tsval ^ 0x40000000
          }
        }

        """)
      guard output.status == 0 else {
        throw Failure(stage: "nft", object: "tcp option timestamp", cause: output.stderr)
      }
    }
    for program in Capability.Feature.programs {
      found.probe(program) {
        guard Tool.has(program.rawValue) else {
          throw Failure(stage: "exec", object: program.rawValue, cause: "no such program on PATH")
        }
      }
    }
    found.probe(.usecTimestamps) {
      let scratch = try Node(name: "probe")
      scratch.routes.setLoopbackUp()
      scratch.routes.addRoute(
        to: "198.19.0.0/24", .via(nil, index: 1), features: RouteSocket.usecTimestamps)
      try scratch.routes.commit()
    }
    found.probe(.netem) {
      let scratch = try Node(name: "probe")
      scratch.routes.shape(index: 1, try Shaping(delay: 1))
      try scratch.routes.commit()
    }
    found.probe(.bridge) {
      let scratch = try Node(name: "probe")
      scratch.routes.addBridge(name: "lan", index: 900)
      try scratch.routes.commit()
    }
    found.probe(.ipip) {
      let scratch = try Node(name: "probe")
      scratch.routes.addTunnel(name: "four", index: 901, local: "198.19.0.2")
      scratch.routes.addTunnel(name: "six", index: 902, local: "2001:2::2")
      try scratch.routes.commit()
    }
    var layout: [String: Int]?
    if !perKernel.contains("tcp_tw_recycle"), !found.capabilities.contains(.setting("tcp_tw_recycle")) {
      found.probe(.recycleEmulation) { layout = try emulatedRecycling() }
      // What is brought back is the rule of 3.17 to 4.11.
      if found.capabilities.contains(.feature(.recycleEmulation)) {
        found.capabilities.insert(.feature(.recycleUnstamped))
      } else {
        found.missing[Capability.Feature.recycleUnstamped.rawValue] = "there is no tcp_tw_recycle"
      }
    } else {
      found.missing[Capability.Feature.recycleEmulation.rawValue] =
        "not needed: this kernel has tcp_tw_recycle"
      found.probe(.recycleUnstamped) { try refuseUnstamped(perKernel) }
    }
    found.probe(.dropReasons) { layout = (layout ?? [:]).merging(try dropReasons()) { first, _ in first } }
    if found.capabilities.contains(.feature(.dropReasons)) {
      found.missing[Capability.Feature.dropHints.rawValue] = "not needed: eBPF tells the reasons"
    } else {
      found.probe(.dropHints) { _ = try DropHints() }
    }
    let ticks = try node.namespace.run { try ticksPerSecond() }
    try timestampOffsets(node, into: &found)
    var kernel = Kernel(
      release: release, machine: machine, capabilities: found.capabilities, perKernelSettings: perKernel,
      timestampTicksPerSecond: ticks, privilege: privilege, missing: found.missing,
      layout: layout)
    for backend in NATRules.Backend.allCases where kernel.has(backend.feature) {
      found.probe(backend.feature) { try NATProof.hold(backend, on: kernel) }
    }
    (kernel.capabilities, kernel.missing) = (found.capabilities, found.missing)
    for (feature, backends) in [
      (Capability.Feature.synproxy, [NATRules.Backend.iptablesNft, .iptablesLegacy]), (.nftSynproxy, [.nft]),
    ] {
      found.probe(feature) {
        guard let backend = backends.first(where: { kernel.has($0.feature) }) else {
          throw Failure(stage: "SYNPROXY", object: "rules", cause: "no tool that could make any")
        }
        var proxy = Network.Node("probe")
        proxy.forwards = true
        proxy.rules = [PacketRule(.synproxy, .syn)]
        let node = try Node(name: "probe")
        try NATRules(proxy, family: .ipv4, backend: backend).apply(on: node)
        try node.openSynproxy()
      }
    }
    found.probe(.nftQueue) { try HeldSYNs.prove(within: deadline) }
    if !found.withoutEffect.isEmpty { kernel.withoutEffect = found.withoutEffect }
    found.probe(.stripTimestamps) {
      try StrippedTimestamps.apply(on: try Node(name: "probe"), ipv6: false, kernel: kernel)
    }
    found.probe(.natEvictsClosing) {
      guard try NATClash.isResolved(on: kernel) else {
        throw Failure(
          stage: "NAT", object: "a second client on a closing connection's port",
          cause: "refused (insert_failed): clash resolution spares closing entries (before 458972550287, 6.5)"
        )
      }
    }
    found.probe(.reopeningInvalid) {
      guard try ClosedEntry.isCounted(on: kernel) else {
        throw Failure(
          stage: "conntrack", object: "a SYN that reopens a closed entry",
          cause: "it is not counted as INVALID (since 830af2eba403, 5.17)")
      }
    }
    if kernel.has(.ipv6) {
      found.probe(.neighboursInvalid) {
        guard try ClosedEntry.countsNeighbours(on: kernel) else {
          throw Failure(
            stage: "conntrack", object: "neighbour discovery", cause: "it is not counted as INVALID")
        }
      }
    }
    found.probe(.natDrawsPorts) { try drawPorts(on: kernel) }
    found.probe(.natFreesExpired) { try freeExpired(on: kernel) }
    if kernel.has(.ipvs) {
      found.probe(.ipvsFlush) { try ClosedEntry.flushDirector(on: kernel) }
      found.probe(.ipvsReschedulesTracked) { try rescheduleTracked(on: kernel) }
      found.probe(.ipvsLeavesQuiesced) { try leaveQuiesced(on: kernel) }
      if kernel.has(.ipv6), kernel.has(.bridge) {
        found.probe(.ipvsKeepsFirstPacket) { try keepFirstPacket(on: kernel) }
      }
    }
    found.probe(.loopbackReuse) { try refuseUnknownReuse(perKernel) }
    (kernel.capabilities, kernel.missing) = (found.capabilities, found.missing)
    return kernel
  }

  /// Does a listener take a SYN whose queue of half-open connections is to hold none (inet_csk_reqsk_queue_is_full,
  /// include/net/inet_connection_sock.h)?
  private static func connectWithoutBacklog() throws {
    let node = try Node(name: "probe")
    node.routes.setLoopbackUp()
    try node.routes.commit()
    try node.namespace.run {
      try Sysctl.write("net/ipv4/tcp_syncookies", "0")
      let address = try SocketAddress("127.0.0.1", port: Network.serverPort)
      let listener = try TCP.listen(on: address, backlog: 0)
      let client = try TCP.socket(ipv6: false)
      defer { for socket in [listener, client] { TCP.close(socket) } }
      _ = TCP.connect(client, to: address)
      var isTaken = false
      var dropped = 0
      try wait(for: "a SYN to be taken or dropped") {
        if let socket = try TCP.accept(listener) {
          TCP.close(socket)
          isTaken = true
        }
        dropped = try node.counters.read()["TcpExt.TCPReqQFullDrop"] ?? 0
        return isTaken || dropped > 0
      }
      guard isTaken else {
        throw Failure(
          stage: "listen", object: "a backlog of 0",
          cause: "the SYN is dropped (TCPReqQFullDrop), for the queue is full while it is empty "
            + "(before 3479c7549fb1, 6.14)")
      }
    }
  }

  /// A service by each scheduler: ip_vs_scheduler_get (net/netfilter/ipvs/ip_vs_sched.c) loads its module, or has none.
  private static func schedulers(into found: inout Findings) throws {
    let scratch = try Node(name: "probe")
    let socket = try scratch.namespace.run { try IPVSSocket() }
    for (index, scheduler) in Network.Scheduler.allCases.enumerated() {
      found.probe(.scheduler(scheduler)) {
        try socket.addService(
          "198.19.0.1", port: Network.serverPort + index, scheduler: scheduler.rawValue)
      }
    }
  }

  /// Every case pins settings, so nothing runs where none can be written: `/proc/sys` is read-only in containers, and a
  /// procfs of our own (``Sysctl``) takes CAP_SYS_ADMIN there.
  private static func needWritableSettings(_ node: Node) throws {
    let path = "net/ipv4/ip_forward"
    do { try node.namespace.run { try Sysctl.write(path, try Sysctl.read(path)) } } catch {
      var failure = Failure(error, stage: "settings", object: "/proc/sys")
      failure.cause = "cannot be written, not even in a namespace made for it: \(failure.cause)"
      failure.mend =
        "docker run --privileged, or --security-opt systempaths=unconfined; or guests (QEMU), which need no rights"
      throw failure
    }
  }

  /// Lets the emulation remember a connection, refuse the next one, and end the first one's TIME_WAIT.
  private static func emulatedRecycling() throws -> [String: Int] {
    let layout = try RecycleEmulation.Layout.ofRunningKernel()
    let emulation = try RecycleEmulation(layout)
    let node = try Node(name: "probe")
    let cookie = try node.namespace.cookie
    try emulation.set(true, in: cookie)
    node.routes.setLoopbackUp()
    try node.routes.commit()
    let address = try SocketAddress("127.0.0.1", port: Network.serverPort)
    try node.namespace.run {
      let listener = try TCP.listen(on: address, backlog: 8)
      let client = try TCP.socket(ipv6: false)
      defer { for socket in [listener, client] { TCP.close(socket) } }
      _ = TCP.connect(client, to: address)
      var accepted: TCP.Socket?
      try wait(for: "a connection on loopback") {
        accepted = try TCP.accept(listener)
        return accepted != nil
      }
      if let accepted { TCP.close(accepted) }
      try wait(for: "its FIN") { if case .end = TCP.receive(client, upTo: 1) { true } else { false } }
    }
    try wait(for: "the closed connection to be remembered") { !emulation.stamps(in: cookie).isEmpty }
    var waiting: SocketDiag.TimeWait?
    try wait(for: "its TIME_WAIT") {
      try node.sockets.census(ipv6: false) { waiting = $0 }["TIME-WAIT"] == 1
    }
    guard let socket = waiting else { return layout.values }
    try node.sockets.end(socket)
    try wait(for: "its TIME_WAIT to end (ss -K)") { try node.sockets.census(ipv6: false)["TIME-WAIT"] == nil }
    return layout.values
  }

  /// Sends a segment to a port where nobody listens, and hears why it was thrown away.
  private static func dropReasons() throws -> [String: Int] {
    let layout = try DropReasons.Layout.ofRunningKernel()
    let node = try Node(name: "probe")
    let drops = try DropReasons(layout, namespaces: [try node.namespace.cookie])
    node.routes.setLoopbackUp()
    try node.routes.commit()
    try node.namespace.run {
      let socket = try TCP.socket(ipv6: false)
      defer { TCP.close(socket) }
      _ = TCP.connect(socket, to: try SocketAddress("127.0.0.1", port: Network.serverPort))
    }
    try wait(for: "NO_SOCKET for a SYN to a closed port, heard \(drops.all())") {
      drops.all().contains { $0.reason == "NO_SOCKET" && $0.destinationPort == Network.serverPort }
    }
    return layout.values
  }

  /// Waits for what a step needs: even on loopback a segment arrives later where softirqs have gone to ksoftirqd.
  static func wait(for what: @autoclosure () -> String, until done: () throws -> Bool) throws {
    try EventLoop().run(until: done, awaiting: what(), within: deadline, interval: 1)
  }

  private struct Findings {
    var capabilities: Set<Capability> = []
    var missing: [String: String] = [:]
    var withoutEffect: Set<Capability> = []

    mutating func probe(_ feature: Capability.Feature, _ attempt: () throws -> Void) {
      probe(.feature(feature), attempt)
    }

    mutating func probe(_ capability: Capability, _ attempt: () throws -> Void) {
      do {
        try attempt()
        capabilities.insert(capability)
      } catch {
        capabilities.remove(capability)
        missing[capability.description] = "\(error)"
        if error is NATProof.WithoutEffect { withoutEffect.insert(capability) }
      }
    }
  }

  /// A setting counts where a new namespace has it and lets it be written.
  /// A file that a new namespace lacks and the first one has is one per kernel.
  private static func settings(
    _ node: Node, host: borrowing NetworkNamespace, into found: inout Findings
  ) throws -> Set<String> {
    var perKernel: Set<String> = []
    for setting in Setting.all {
      let onHost = Sysctl.exists(setting.path)
      if setting.isOnePerKernel {
        guard try onHost || node.namespace.run({ Sysctl.exists(setting.path) }) else {
          found.missing[setting.name] = "this kernel has no \(setting.path)"
          continue
        }
        perKernel.insert(setting.name)
        found.missing[setting.name] = "one per kernel, so it is not written on a host"
        continue
      }
      let writable = try node.namespace.run { () throws -> Bool in
        guard Sysctl.exists(setting.path) else { return false }
        do {
          try Sysctl.write(setting.path, try Sysctl.read(setting.path))
          return true
        } catch {
          found.missing[setting.name] = "\(error)"
          return false
        }
      }
      if writable {
        found.capabilities.insert(.setting(setting.name))
      } else if onHost, found.missing[setting.name] == nil {
        perKernel.insert(setting.name)
        found.missing[setting.name] = "one per kernel, so it is not written on a host"
      } else if found.missing[setting.name] == nil {
        found.missing[setting.name] = "this kernel has no \(setting.path)"
      }
    }
    return perKernel
  }

  /// The TSval clock's rate, between two of its ticks that are 50 ms or more apart, as the nearest rate that Linux
  /// has used (1/HZ until 4.12, 1 ms since; `tcp_clock_ts`). A tick counts where it is known to 500 us: whoever is
  /// kept from the processor in between sees it late.
  private static func ticksPerSecond() throws -> Int {
    var first: (time: Int64, ticks: UInt32)?
    var (before, last) = (SystemClock.monotonic(), try TCP.clock())
    let begin = before
    while before - begin < Int64(deadline) * 1_000_000 {
      let (ticks, after) = (try TCP.clock(), SystemClock.monotonic())
      if ticks != last, after - before < 500_000 {
        let from = first ?? (after, ticks)
        first = from
        if after - from.time >= 50_000_000 {
          let rate = Double(ticks &- from.ticks) * 1e9 / Double(after - from.time)
          return [100, 250, 300, 1000, 1_000_000].min { abs(Double($0) - rate) < abs(Double($1) - rate) }
            ?? 1000
        }
      }
      (before, last) = (after, ticks)
    }
    throw Failure(stage: "probe", object: "TCP timestamp clock", cause: "no two ticks within \(deadline) ms")
  }

  /// Does connect(2) keep the offset that a socket was given?
  private static func socketClock() throws {
    let node = try Node(name: "probe")
    node.routes.setLoopbackUp()
    try node.routes.commit()
    try node.capture("lo")
    let offset: UInt32 = 1 << 30
    let clock = try node.namespace.run { () throws -> UInt32 in
      let address = try SocketAddress("127.0.0.1", port: Network.serverPort)
      let socket = try TCP.socket(ipv6: false)
      defer { TCP.close(socket) }
      try TCP.setClock(socket, ticks: offset)
      _ = TCP.connect(socket, to: address)
      return try TCP.clock()
    }
    var sent: UInt32?
    try node.captures.last?.socket.drain { time, outgoing, length, bytes in
      let packet = Packet(
        node: "probe", interface: "lo", time: time, outgoing: outgoing, length: length, bytes: .init(bytes))
      if let segment = Segment(packet), segment.isSYN, segment.outgoing { sent = segment.tsval }
    }
    guard let sent, Int32(bitPattern: sent &- clock &- offset).magnitude < 10_000 else {
      throw Failure(
        stage: "TCP_TIMESTAMP", object: "a SYN", cause: "connect(2) gave it an offset of its own (since 4.10)"
      )
    }
  }

  /// With `tcp_timestamps=1`, are TSvals offset from the clock, and by the ports too?
  private static func timestampOffsets(_ node: Node, into found: inout Findings) throws {
    var offsets: [UInt32] = []
    do {
      try node.namespace.run { try Sysctl.write("net/ipv4/tcp_timestamps", "1") }
      node.routes.setLoopbackUp()
      try node.routes.commit()
      try node.capture("lo")
      try node.namespace.run {
        let listener = try TCP.listen(on: SocketAddress("127.0.0.1", port: Network.serverPort), backlog: 8)
        defer { TCP.close(listener) }
        for _ in 0..<4 {
          let socket = try TCP.socket(ipv6: false)
          _ = TCP.connect(socket, to: try SocketAddress("127.0.0.1", port: Network.serverPort))
          TCP.close(socket)
        }
        let clock = try TCP.clock()
        try node.captures.last?.socket.drain { time, outgoing, length, bytes in
          let packet = Packet(
            node: "probe", interface: "lo", time: time, outgoing: outgoing, length: length,
            bytes: .init(bytes))
          guard let segment = Segment(packet), segment.isSYN, segment.outgoing, let tsval = segment.tsval
          else { return }
          offsets.append(tsval &- clock)
        }
      }
    } catch {
      found.missing["random-timestamps"] = "\(error)"
    }
    let near = { (a: UInt32, b: UInt32) in Int32(bitPattern: a &- b).magnitude < 10_000 }
    if offsets.contains(where: { !near($0, 0) }) {
      found.capabilities.insert(.feature(.randomTimestamps))
    } else if found.missing["random-timestamps"] == nil {
      found.missing["random-timestamps"] = "TSval is the clock itself, although tcp_timestamps=1"
    }
    if let first = offsets.first, offsets.contains(where: { !near($0, first) }) {
      found.capabilities.insert(.feature(.timestampsByPort))
    } else {
      found.missing["timestamps-by-port"] = "one offset for all ports of an address pair"
    }
  }
}
