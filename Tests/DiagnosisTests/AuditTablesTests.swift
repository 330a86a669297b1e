@testable import Diagnosis
import Testing

/// What an audit finds in tables of sockets and of a director's connections.
@Suite struct AuditTablesTests {
  private static func audit(_ texts: [(file: String, text: String)], kernel: String? = nil) throws -> Audit {
    var input = AuditInput(kernel: kernel)
    for (file, text) in texts { try input.add(text: text, file: file) }
    return Audit(input)
  }

  private static func sockets(_ lines: [String]) -> (String, String) {
    (
      "ss -tano",
      "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
        + lines.map { $0 + "\n" }.joined()
    )
  }

  private static func range(_ ends: String, reuse: Int = 2, timestamps: Int = 1) -> (String, String) {
    (
      "sysctl",
      AuditTests.running(
        "net.ipv4.ip_local_port_range = \(ends)\nnet.ipv4.tcp_tw_reuse = \(reuse)\n"
          + "net.ipv4.tcp_timestamps = \(timestamps)\n")
    )
  }

  private static func held(_ left: String, port: Int = 700) -> String {
    "TIME-WAIT 0 0 198.18.0.2:\(port) 198.18.0.1:2049 timer:(timewait,\(left),0)"
  }

  /// Nobody has had it since, and nobody has it for so long.
  @Test(
    arguments: [
      ("992ms", 1), ("1.120ms", 2), ("9sec", 9), ("57sec", 57), ("58sec", nil), ("1min", nil),
      ("1min2sec", nil), ("59.992ms", nil), ("sec", nil), ("-3sec", nil), ("1.2.3ms", nil), ("", nil),
    ] as [(String, Int?)])
  func aPortOfAProgramsOwnIsHeld(left: String, seconds: Int?) throws {
    let audit = try Self.audit([Self.range("32768\t60999"), Self.sockets([Self.held(left)])])
    #expect(audit.findings.map(\.rule) == (seconds == nil ? [] : ["own-port"]))
    #expect(
      audit.findings.first?.what
        == seconds.map {
          "port 700 to 198.18.0.1:2049: TIME_WAIT keeps everybody from it for \($0) s more"
        })
    #expect(audit.findings.allSatisfy { $0.mechanisms == ["local-ports"] && $0.level == .note })
  }

  @Test func whoHasChosenAPortIsTold() throws {
    func found(_ texts: [(String, String)]) throws -> [String] {
      try Self.audit(texts.map { (file: $0.0, text: $0.1) }).findings.map(\.rule)
    }
    let range = Self.range("32768 60999")
    // A port of the range may be the kernel's choice, and one on which somebody listens is a server's.
    #expect(try found([range, Self.sockets([Self.held("30sec", port: 40000)])]) == [])
    let listens = "LISTEN 0 128 *:700 *:*"
    #expect(try found([range, Self.sockets([Self.held("30sec"), listens])]) == [])
    #expect(
      try found([range, Self.sockets([Self.held("30sec").replacing("TIME-WAIT", with: "ESTAB")])]) == [])
    // How old it is was not told.
    #expect(try found([range, Self.sockets(["TIME-WAIT 0 0 198.18.0.2:700 198.18.0.1:2049"])]) == [])
    // With timestamps at both ends bind(2) has it again, which is not known here.
    let held = Self.sockets([Self.held("30sec")])
    #expect(try Self.audit([range, held]).findings.first?.unless != nil)
    // A range of one port is a choice too, and connect(2) asks tcp_tw_reuse.
    let only = Self.range("700 700", reuse: 0)
    #expect(try Self.audit([only, held]).findings.map { $0.unless } == [nil])
    #expect(try found([Self.range("700 700", reuse: 1), held]) == [])
    #expect(try found([Self.range("700 700", reuse: 1, timestamps: 0), held]) == ["own-port"])
    // 2 is for a machine's connections to itself.
    #expect(try found([Self.range("700 700", reuse: 2), held]) == ["own-port"])
    let own = Self.sockets(["TIME-WAIT 0 0 127.0.0.1:700 127.0.0.1:2049 timer:(timewait,30sec,0)"])
    #expect(try found([Self.range("700 700", reuse: 2), own]) == [])
  }

  /// The same of /proc/net/tcp: hundredths of a second, in hexadecimal, of timer 3 (get_timewait4_sock).
  @Test(arguments: [
    ("06", "03:00000BB5", ["own-port"]), ("06", "03:00001770", []), ("01", "02:00000BB8", []),
  ])
  func procSaysHowLong(state: String, timer: String, rules: [String]) throws {
    let table =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      + "   0: 020012C6:02BC 010012C6:0801 \(state) 00000000:00000000 \(timer) 00000000     0        0 0 3\n"
    let audit = try Self.audit([Self.range("32768 60999"), ("/proc/net/tcp", table)])
    #expect(audit.findings.map(\.rule) == rules)
    if !rules.isEmpty { #expect(audit.findings[0].what.hasSuffix("for 30 s more")) }
  }

  /// An entry follows the weight of its server until the director asks for more.
  @Test(
    arguments: [
      (0, 0, "TIME_WAIT", 0, nil, ["ipvs-drained"]), (0, 0, "TIME_WAIT", 1, nil, []),
      (1, 0, "TIME_WAIT", 0, nil, []),
      (0, 1, "TIME_WAIT", 0, "6.1.0", []), (0, 1, "TIME_WAIT", 0, "4.19.78", ["ipvs-drained"]),
      (0, 0, "ESTABLISHED", 0, nil, []),
    ] as [(Int, Int, String, Int, String?, [String])])
  func entriesToADrainedServerAreFound(
    mode: Int, expires: Int, state: String, weight: Int, kernel: String?, rules: [String]
  ) throws {
    let settings = AuditTests.running(
      "net.ipv4.vs.conn_reuse_mode = \(mode)\nnet.ipv4.vs.expire_nodest_conn = \(expires)\n")
    let services =
      "-A -t 198.19.255.1:8000 -s rr\n-a -t 198.19.255.1:8000 -r 198.19.0.2:8000 -m -w \(weight)\n"
      + "-a -t 198.19.255.1:8000 -r 198.19.1.2:8000 -m -w 1\n"
    let entries =
      "IPVS connection entries\npro expire state       source             virtual            destination\n"
      + "TCP 01:59  \(state)   198.18.0.2:40000   198.19.255.1:8000  198.19.0.2:8000\n"
    let audit = try Self.audit(
      [("sysctl", settings), ("ipvsadm", services), ("entries", entries)], kernel: kernel)
    #expect(audit.findings.map(\.rule) == rules)
    #expect(audit.findings.allSatisfy { $0.what == "1 entry to 198.19.0.2:8000, which has weight 0" })
  }
}
