import Diagnosis
import Evidence
import Foundation
import Judging
import Lab
import Model
import Report

/// Whether what is enacted from a case's capture comes to the mechanism that was named.
struct BenchEnact {
  /// A capture of a case, as a person would have brought it, and what was made of it.
  private struct Brought {
    var source: String
    var judged: Set<String>
    var capture: [UInt8]
    var enactment: Enactment
    var place: String
  }

  struct Row {
    var mechanism: String
    var source: String
    var place: String
    var expected: String
    var kernel: String
    var verdict: String
    var packets: String
    var isSame: Bool
  }

  /// For each mechanism that is named the first cases of so many families of lab files.
  let most: Int
  let kernel: String?
  private var brought: [String: [Brought]] = [:]

  init(most: Int, kernel: String?) { (self.most, self.kernel) = (most, kernel) }

  var isEmpty: Bool { brought.isEmpty }

  /// Takes in a case: what the server's end, the box in between and the client's end would have captured, alone and with
  /// the counters and settings of that machine.
  mutating func add(_ result: CaseResult) throws {
    guard let observation = result.attempted else { return }
    let network = result.test.network
    let servers = Set(network.nodes.filter(network.isServer))
    let attempts = result.judgement.attempts
    let hurt = attempts.first { Cure.Harm($0.outcome) > .none } ?? attempts.last
    guard let hurt, let judged = hurt.expected.mechanism?.rawValue else { return }
    for vantage in [Vantage.server, .hop, .client] {
      let capture = vantage.capture(observation.packets, client: hurt.attempt.client, servers: servers)
      let node =
        switch vantage {
        case .client, .shortClient: hurt.attempt.client
        case .hop:
          network.hosts.first { !servers.contains($0.name) && $0.client == nil && !$0.isSwitch }?.name
        default: servers.sorted().first
        }
      for texts in [[], node.map { Self.texts(of: $0, observation, forwards: vantage == .hop) } ?? []] {
        var incident = Incident()
        var stream = Incident.CaptureStream(file: "capture")
        try capture.withUnsafeBytes { try stream.add($0) }
        incident.add(stream, file: "capture")
        for text in texts { try incident.add(text: text, file: "text") }
        guard let enactment = try? incident.enacted() else { continue }
        let known = brought[enactment.mechanism] ?? []
        guard known.count < most,
          !known.contains(where: {
            $0.source.hasPrefix(result.test.scenario + "/") || $0.source == result.test.id
          })
        else { break }
        brought[enactment.mechanism] =
          known + [
            Brought(
              source: result.test.id, judged: [judged], capture: capture, enactment: enactment,
              place: vantage.rawValue + (texts.isEmpty ? "" : ", counters, settings"))
          ]
        break
      }
    }
  }

  /// `nstat`, `sysctl -a` and `conntrack -S` of a node, as far as was kept.
  private static func texts(of node: String, _ observation: Observation, forwards: Bool) -> [String] {
    let moved = observation.counters(of: node)
    let kernel = moved.filter {
      $0.key.hasPrefix("TcpExt.") || $0.key.hasPrefix("Tcp.") || $0.key.hasPrefix("Ip.")
    }
    var texts: [String] = []
    if !kernel.isEmpty {
      texts.append(
        "#kernel\n"
          + kernel.sorted { $0.key < $1.key }.map { "\($0.key.replacing(".", with: ""))  \($0.value)  0.0\n" }
          .joined())
    }
    let tracked = moved.filter { $0.key.hasPrefix("conntrack.") }
    if !tracked.isEmpty {
      var counts = ["insert_failed": 0, "drop": 0, "invalid": 0]
      for (name, value) in tracked { counts[String(name.dropFirst("conntrack.".count))] = value }
      texts.append(
        "cpu=0 " + counts.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }.joined(separator: " ") + "\n")
    }
    let settings = (observation.settings[node] ?? [:]).map { name, value in
      let path = Setting.named(name)?.path ?? "net/ipv4/\(name)"
      return "\(path.replacing("/", with: ".")) = \(value)\n"
    }
    if !settings.isEmpty {
      texts.append((settings + ["net.ipv4.ip_forward = \(forwards ? 1 : 0)\n"]).sorted().joined())
    }
    return texts
  }

  /// Writes each into a folder, runs it, and says what it came to.
  func rows(in folder: URL, _ runner: Runner, _ machines: Machines, onRow: (Row) -> Void) async throws {
    for mechanism in brought.keys.sorted() {
      for (number, one) in (brought[mechanism] ?? []).enumerated() {
        let file = folder.appendingPathComponent("enacted-\(mechanism)-\(number + 1).yaml").path
        // As it would have been brought, for who wants to bring it.
        try Data(one.capture).write(
          to: folder.appendingPathComponent("enacted-\(mechanism)-\(number + 1).pcap"))
        let writing = try EnactRun(one.enactment, writing: file)
        let test = try writing.test()
        let found = try await EnactKernel.find(
          for: test, named: kernel, theirs: nil, machines: machines, runner: runner)
        var theirs = one.enactment.theirs(file: "capture")
        try one.capture.withUnsafeBytes { try theirs.add($0) }
        let end = try await writing.run(on: found.machine, by: runner, theirs: theirs)
        let judgement = end.result.judgement
        let packets = end.comparison.map { $0.cannot ?? $0.difference ?? "the same" } ?? ""
        onRow(
          Row(
            mechanism: mechanism, source: one.source, place: one.place, expected: one.enactment.expected,
            kernel: end.result.kernel,
            verdict: judgement.verdict == .pass
              ? "the same" : "\(judgement.verdict.rawValue): \(judgement.reason)",
            packets: packets, isSame: end.isSame))
      }
    }
  }
}
