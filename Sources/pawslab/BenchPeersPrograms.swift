import Evidence
import Foundation
import Judging
import Lab
import LabFile
import Model
import Subprocess
import SystemPackage

/// The programs of `Tests/Peers`, those in C compiled, for as long as they are needed.
struct ScratchPrograms {
  private let path: String
  private let sources: String
  /// Waits until what was given up is free; nil until it is compiled.
  private(set) var gone: String?
  private(set) var missing: [String] = []

  init() async throws {
    let lab = URL(fileURLWithPath: try LabFolder.find()).standardizedFileURL
    sources = lab.deletingLastPathComponent().appendingPathComponent("Tests/Peers").path
    path = FileManager.default.temporaryDirectory.appendingPathComponent("pawslab-peers-\(UUID())").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    guard FileManager.default.fileExists(atPath: "\(sources)/layout.c") else {
      missing.append("networks: no \(sources), which is in the lab's repository")
      return
    }
    gone = try await compiled("gone")
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }

  /// Compiles one; nil, and says so, where that cannot be.
  private mutating func compiled(_ name: String) async throws -> String? {
    guard let compiler = BenchPeers.program("cc") else {
      missing.append("\(name).c: no cc (Debian's gcc and libc6-dev)")
      return nil
    }
    let result = try await Subprocess.run(
      .path(FilePath(compiler)), arguments: ["-O2", "-o", "\(path)/\(name)", "\(sources)/\(name).c"],
      output: .discarded, error: .string(limit: 64 << 10))
    guard case .exited(0) = result.terminationStatus else {
      missing.append("\(name).c: \(result.standardError.split(separator: "\n").first ?? "cc failed")")
      return nil
    }
    return "\(path)/\(name)"
  }

  /// Everybody that is installed here, without the number of clients, which comes last.
  mutating func peers() async throws -> [PeerProgram] {
    guard gone != nil, let unshare = BenchPeers.program("unshare") else { return [] }
    var peers: [PeerProgram] = []
    if let layout = try await compiled("layout") {
      peers.append(PeerProgram(name: "C, raw netlink", command: [unshare, "--net", layout]))
    }
    let own = [unshare, "--mount", "--net"]
    if let bash = BenchPeers.program("bash"), BenchPeers.program("ip") != nil {
      peers.append(PeerProgram(name: "ip -batch", command: own + [bash, "\(sources)/layout.sh"]))
    } else {
      missing.append("networks by ip -batch: no ip (Debian's iproute2), or no bash")
    }
    let environment = ProcessInfo.processInfo.environment["PYTHON"]
    let python = environment ?? BenchPeers.program("python3")
    if let python, try await imports(python, "pyroute2") {
      peers.append(PeerProgram(name: "pyroute2", command: own + [python, "\(sources)/layout.py"]))
    } else {
      missing.append("networks by pyroute2: no python3 with it (PyPI's pyroute2; $PYTHON)")
    }
    // Debian's is for Debian's python3, whichever another is.
    let others = [python, "/usr/bin/python3"].compactMap(\.self)
    if let python = try await others.firstThat({ try await imports($0, "mininet.net") }) {
      peers.append(
        PeerProgram(name: "mininet", command: own + [python, "\(sources)/layout-mininet.py"], most: 100))
    } else {
      missing.append("networks by mininet: no python3 with it (Debian's mininet)")
    }
    return peers
  }

  private func imports(_ python: String, _ module: String) async throws -> Bool {
    let result = try? await Subprocess.run(
      .path(FilePath(python)), arguments: ["-c", "import \(module)"], output: .discarded, error: .discarded)
    guard case .exited(0)? = result?.terminationStatus else { return false }
    return true
  }
}

extension Sequence {
  /// The first for which it holds.
  fileprivate func firstThat(_ holds: (Element) async throws -> Bool) async rethrows -> Element? {
    for element in self where try await holds(element) { return element }
    return nil
  }
}

/// Many connections of one client through a NAT, each opened, answered and closed before the next.
struct PeerLoad: Sendable {
  var name: String
  /// Of the lab file.
  var steps: String
  /// Connections a second of what was seen; nil where it was not.
  var seen: @Sendable (Observation) -> Double?

  /// The case of it.
  func test() throws -> Case {
    let text = """
      title: Connections a second
      why: Nothing is shown but how many there are.
      topology: {kind: snat, hop: {ports: 32768-60999}}
      clients: {client: {clock: 0}}
      matrix: {family: [ipv4]}
      controls: [family]
      workload:
      \(steps)
      expect:
        - otherwise: true
          because: each has a port of its own
      """
    guard let test = try LabFiles.parse(text, file: "peers.yaml").cases().first else {
      throw Failure(stage: "bench peers", object: name, cause: "no case")
    }
    return test
  }

  func rate(of result: CaseResult) -> Double? { result.observation.flatMap(seen) }

  /// The lab's client and server.
  static let own = PeerLoad(
    name: "pawslab, churn", steps: "  - {churn: client, connections: 2000, closes: client}"
  ) { observation in
    let attempts = observation.attempts.filter { $0.errno == nil }
    guard let first = attempts.map(\.began).min(), let last = attempts.map(\.ended).max(), last > first else {
      return nil
    }
    return Double(attempts.count) * 1e9 / Double(last - first)
  }

  /// nginx with one process, and wrk with one thread and connection.
  static let nginx = PeerLoad(
    name: "nginx and wrk",
    steps: """
        - {listen: server, open: false}
        - exec: [nginx, -e, /dev/null, -c, /proc/self/fd/0]
          in: server
          input: |
            user root; pid /run/nginx.pid; error_log /dev/null; master_process off; events {}
            http {
              access_log off; keepalive_timeout 0;
              client_body_temp_path /run/body; proxy_temp_path /run/proxy; fastcgi_temp_path /run/fastcgi;
              uwsgi_temp_path /run/uwsgi; scgi_temp_path /run/scgi;
              server { listen 8000; location / { empty_gif; } }
            }
        - {exec: [wrk, -t1, -c1, -d1s, "http://{server}:8000/"], in: client, as: load}
      """
  ) { observation in
    for line in (observation.programs ?? []).flatMap({ $0.output.split(separator: "\n") })
    where line.hasPrefix("Requests/sec:") {
      return line.split(separator: " ").last.flatMap { Double($0) }
    }
    return nil
  }
}
