/// What a machine's tables hold now: sockets, a director's connections. Somebody is lost by it as soon as he comes.
extension AuditExposure {
  static let tables: [AuditExposure] = [
    AuditExposure(
      id: "ports-taken", title: "every port to a server is taken now", level: .warning, role: .client,
      whom: "this machine's own programs: EADDRNOTAVAIL at the next connection there",
      shown: [
        Shown(
          "local-ports", "tw-reuse/tw_reuse=0,clock=0,family=ipv4",
          without: "tw-reuse/tw_reuse=1,clock=0,family=ipv4")
      ],
      change: "a wider net.ipv4.ip_local_port_range, or net.ipv4.tcp_tw_reuse = 1 with timestamps",
      cost: "ports that programs listen on have to be in ip_local_reserved_ports",
      source: "__inet_hash_connect, tcp_twsk_unique",
      settings: ["ip_local_port_range", "tcp_tw_reuse"], isCount: true
    ) { facts in
      guard let value = facts.value("ip_local_port_range") else { return [] }
      let ends = Substring(value.text).words.compactMap { Int($0) }
      // A range of one port is a port that somebody has chosen.
      guard ends.count == 2, ends[0] > 0, ends[1] > ends[0] else { return [] }
      return facts.portsTaken(of: ends[0]...ends[1]).prefix(4).map { way in
        Match(
          what: "all \(ends[1] - ends[0] + 1) ports of net.ipv4.ip_local_port_range from \(way) are taken",
          places: [value.place])
      }
    },
    AuditExposure(
      id: "ipvs-gone", title: "connections lead to a real server that was taken out", level: .warning,
      role: .director, whom: "whoever sends on one of them, or comes by its port again: silence",
      shown: [
        Shown(
          "ipvs",
          "ipvs-conn-reuse/conn_reuse_mode=0,server=removed,expire_nodest_conn=0,conntrack=0,scheduler=rr",
          without:
            "ipvs-conn-reuse/conn_reuse_mode=0,server=removed,expire_nodest_conn=1,conntrack=0,scheduler=rr"),
        Shown(
          "witnesses", "ipvs-endpoint-removed/expire_nodest_conn=0,conn_reuse_mode=1,conntrack=0,family=ipv4"),
      ],
      change: "net.ipv4.vs.expire_nodest_conn = 1",
      cost: "connections that a removed server still has are reset",
      source: "ip_vs_in_hook", settings: ["vs.expire_nodest_conn", "vs.conn_reuse_mode"], isCount: true
    ) { facts in
      guard facts.number("vs.expire_nodest_conn", default: 0) == 0 else { return [] }
      let gone = facts.directed.filter { facts.isGone($0) }
      // A new connection is led elsewhere by conn_reuse_mode (is_new_conn_expected), an open one by nothing.
      let reopens = facts.number("vs.conn_reuse_mode") == 0 ? gone.filter { $0.state != "ESTABLISHED" } : []
      let open = gone.filter { $0.state == "ESTABLISHED" }
      return [(reopens, ["ipvs"], "of ended connections"), (open, ["witnesses"], "of open connections")]
        .compactMap { entries, mechanisms, words in
          guard let first = entries.first else { return nil }
          return Match(
            what: "\(Words.count(entries.count, "entry", "entries")) \(words) to \(first.server)",
            places: [],
            mechanisms: mechanisms)
        }
    },
    AuditExposure(
      id: "own-port", title: "a port that a program chooses itself is in TIME_WAIT", level: .note,
      role: .client,
      whom: "that program: EADDRNOTAVAIL from connect(2), EADDRINUSE from bind(2), until TIME_WAIT is over",
      shown: [
        Shown(
          "local-ports", "tw-own-port/age=59,port=bound,timestamps=0,family=ipv4",
          without: "tw-own-port/age=63,port=bound,timestamps=0,family=ipv4")
      ],
      change:
        "a port that the kernel chooses; timestamps at both ends, with which bind(2) has it back at once; or that the "
        + "other end closes first",
      cost: "a firewall may know the program by its port",
      source: "__inet_check_established, tcp_twsk_unique, TCP_TIMEWAIT_LEN",
      settings: ["ip_local_port_range", "tcp_tw_reuse"], isCount: true
    ) { facts in
      facts.ownPortsHeld.prefix(4).map { held in
        Match(
          what:
            "port \(held.port) to \(held.peer): TIME_WAIT keeps everybody from it for \(held.left) s more",
          places: [], unless: held.isOnly ? nil : "both ends have timestamps, or its program has ended")
      }
    },
    AuditExposure(
      id: "ipvs-drained", title: "entries of ended connections lead to a server that has weight 0",
      level: .warning, role: .director,
      whom: "a client whose port comes again: it goes to the server that is being drained",
      shown: [
        Shown(
          "ipvs-quiesced", "ipvs-drained/conn_reuse_mode=0,expire_nodest_conn=0,drained=one,family=ipv4",
          without: "ipvs-drained/conn_reuse_mode=1,expire_nodest_conn=0,drained=one,family=ipv4")
      ],
      change: "net.ipv4.vs.conn_reuse_mode = 1, from 5.9 on; or net.ipv4.vs.expire_nodest_conn = 1",
      cost: "with expire_nodest_conn connections that a removed server still has are reset",
      source: "ip_vs_in_hook, is_new_conn_expected; c95c07836fa4 (5.16)",
      settings: ["vs.expire_nodest_conn", "vs.conn_reuse_mode"], isCount: true
    ) { facts in
      // Until 5.16, and 5.10 and 5.15 of stable kernels, expire_nodest_conn was asked in modes but 0 alone.
      let expires =
        facts.number("vs.expire_nodest_conn", default: 0) != 0 && facts.read.isBefore(5, 10) != true
      guard facts.number("vs.conn_reuse_mode") == 0, !expires else { return [] }
      let drained = facts.directed.filter { $0.state != "ESTABLISHED" && facts.isDrained($0) }
      return Dictionary(grouping: drained, by: \.server).sorted { $0.key < $1.key }.prefix(4).map {
        Match(
          what: "\(Words.count($0.value.count, "entry", "entries")) to \($0.key), which has weight 0",
          places: [])
      }
    },
  ]
}

extension AuditFacts {
  /// The ways, an own address and a peer's address and port, to which sockets hold every port of a range.
  func portsTaken(of range: ClosedRange<Int>) -> [String] {
    let reuse = hasTimestamps ? number("tcp_tw_reuse") ?? 0 : 0
    var taken: [String: Set<Int>] = [:]
    for socket in sockets where socket.state != "LISTEN" {
      guard let colon = socket.local.lastIndex(of: ":"),
        let port = Int(socket.local[socket.local.index(after: colon)...]), range.contains(port),
        let end = socket.peer.lastIndex(of: ":")
      else { continue }
      let (own, other) = (socket.local[..<colon], socket.peer[..<end])
      // 2 is for a machine's connections to itself (tcp_twsk_unique).
      if socket.state == "TIME-WAIT", reuse == 1 || (reuse == 2 && own == other) { continue }
      taken["\(own) to \(socket.peer)", default: []].insert(port)
    }
    return taken.filter { $0.value.count == range.count }.map(\.key).sorted()
  }

  /// Whether the server of a director's entry is none of its service's any more.
  func isGone(_ entry: Directed) -> Bool {
    servers(of: entry).map { !$0.contains { $0.server == entry.server } } ?? false
  }

  /// The servers of an entry's service; nil where there is no such service.
  private func servers(of entry: Directed) -> [(server: String, weight: Int)]? {
    // ipvsadm -Sn says the protocol by an option.
    let bare = Substring(entry.service).words.last.map(String.init) ?? entry.service
    return read.services[entry.service] ?? read.services[bare]
  }

  /// A port that whoever used it has chosen himself, in TIME_WAIT.
  struct OwnPort: Equatable {
    var port: Int
    var peer: String
    /// Seconds until it is free.
    var left: Int
    /// Whether it is all that ip_local_port_range has.
    var isOnly: Bool
  }

  /// A TIME_WAIT that has just begun tells of somebody who was served. The kernel's timers may be 2 s late (the timer
  /// wheel's steps), so one of more than this many seconds may be such a one.
  private static let young = 57

  /// Ports in TIME_WAIT that this machine's programs have called from and have chosen: outside of ip_local_port_range,
  /// or all of it; and on which nobody listens. Nobody has had them since.
  var ownPortsHeld: [OwnPort] {
    func host(_ end: String) -> Substring { end[..<(end.lastIndex(of: ":") ?? end.endIndex)] }
    func port(_ end: String) -> Int? {
      end.lastIndex(of: ":").flatMap { Int(end[end.index(after: $0)...]) }
    }
    let ends = Substring(value("ip_local_port_range")?.text ?? "").words.compactMap { Int($0) }
    guard ends.count == 2, ends[0] > 0, ends[0] <= ends[1] else { return [] }
    // Whoever has closed a connection that came to him has TIME_WAIT on the port on which he listens.
    let listening = Set(sockets.filter { $0.state == "LISTEN" }.compactMap { port($0.local) })
    let reuse = hasTimestamps ? number("tcp_tw_reuse") ?? 0 : 0
    return sockets.compactMap { socket in
      guard socket.state == "TIME-WAIT", let left = socket.left, (1...Self.young).contains(left),
        let own = port(socket.local), !listening.contains(own)
      else { return nil }
      let isOnly = ends[0] == ends[1] && own == ends[0]
      guard isOnly || !(ends[0]...ends[1]).contains(own) else { return nil }
      // Where connect(2) chooses, tcp_tw_reuse gives it back, 2 for a machine's connections to itself; bind(2) needs
      // timestamps at both ends, which no table says.
      if isOnly, reuse == 1 || (reuse == 2 && host(socket.local) == host(socket.peer)) { return nil }
      return OwnPort(port: own, peer: socket.peer, left: left, isOnly: isOnly)
    }
  }

  /// Whether the server of a director's entry has weight 0.
  func isDrained(_ entry: Directed) -> Bool {
    servers(of: entry)?.contains { $0.server == entry.server && $0.weight == 0 } ?? false
  }
}
