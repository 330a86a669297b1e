import Evidence
import Foundation
import Judging
import Model
import Report

/// A run with everything in it that a report can show: each verdict, what is required, what is known, what differs.
struct Sample: Codable {
  var results: Results
  var cases: [CaseResult]

  static let kernel = Kernel(
    release: "6.1.0", machine: "x86_64", capabilities: [.feature(.ipv6), .setting("tcp_rfc1337")],
    perKernelSettings: [], timestampTicksPerSecond: 1000, privilege: .root, missing: ["ipvs": "no module"])

  static func result(
    _ verdict: Verdict, id: String = "x/a=1", kernel: String = "host", reason: String = "a reason"
  ) -> CaseResult {
    var test = Case(
      id: id, scenario: id.split(separator: "/").first.map(String.init) ?? "x", title: "a title",
      why: "because",
      axes: [AxisValue(axis: "server.a", value: "1")],
      network: Network(
        topology: .direct, family: .ipv4,
        clients: [Client(name: "late", group: "late", clock: .natural, isn: .natural)], hop: nil),
      settings: ["server": ["tcp_rfc1337": "1"]], workload: [],
      rules: [Rule(kernel: [], outcomes: ["late": Expectation(.dropped)], because: "so it is")])
    test.source = Place(file: "lab/x.yaml")
    test.rules[0].line = 7
    let attempt = Attempt(
      id: 1, step: 0, label: "late", kind: .connect, client: "late", local: nil, remote: "x:8000", isn: nil,
      began: 0, ended: 0, calls: 1, errno: "ETIMEDOUT")
    let judged = JudgedAttempt(
      attempt: attempt, outcome: .dropped, expected: Expectation(verdict == .fail ? .connected : .dropped),
      syns: 2,
      synsAtServer: 2, milliseconds: 3.5, holds: verdict != .fail)
    let witnesses = [
      Witness(name: "late clock", expected: "-600000 ticks", seen: "as expected", holds: true),
      Witness(name: "server TcpExt.PAWSEstab", expected: "+1", seen: "+0", holds: verdict != .fail),
    ]
    var observation = Observation(caseID: id)
    observation.attempts = [attempt]
    observation.settings = ["server": ["tcp_rfc1337": "1", "other": "1"]]
    observation.countersBefore = ["server": ["TcpExt.PAWSEstab": 1]]
    observation.countersAfter = ["server": ["TcpExt.PAWSEstab": 2]]
    return CaseResult(
      test: test, kernel: kernel,
      judgement: Judgement(
        verdict: verdict, reason: reason, attempts: verdict == .skip ? [] : [judged],
        witnesses: verdict == .skip ? [] : witnesses),
      observation: verdict == .skip || verdict == .error ? nil : observation, seconds: 1.5)
  }

  /// Every standing on two kernels: passed, failed, known, skipped, required and broken.
  static func whole() throws -> Sample {
    var again = result(.pass, id: "y/b=2")
    again.again = "late #1 drop reason X: expected 2, saw 0"
    let cases = [
      result(.pass), result(.fail, id: "x/a=2"), result(.fail, id: "x/a=3"), result(.error, id: "x/a=4"),
      again,
      result(.skip, id: "y/b=3", reason: "no ipvs"), result(.skip, id: "z/c=1", reason: "no ipvs"),
      result(.fail, kernel: "debian-12"),
      result(.skip, id: "z/c=1", kernel: "debian-12", reason: "no bridge"),
    ]
    var results = Results(
      cases, kernels: ["host": kernel, "debian-12": kernel],
      guests: [GuestCost(kernel: "debian-12", cases: 2, processorSeconds: 1, boot: [], accelerator: "tcg")],
      seconds: 2)
    let known = try KnownFailures(
      """
      x/a=3 until 2099-12-31 because bug 7
      y/b=2 until 2099-12-31 because it was
      """, file: "known.txt")
    results.account(
      required: try Required(["z"], among: cases.map(\.test)), known: known,
      on: try CalendarDate.day("2026-11-25"))
    return Sample(results: results, cases: cases)
  }

  /// What a case gave, packets and all: a node's name comes from a capture.
  func load(node: String = "late") -> (Results.Entry) -> CaseResult? {
    { entry in
      guard var result = cases.first(where: { $0.test.id == entry.id && $0.kernel == entry.kernel }) else {
        return nil
      }
      result.observation?.packets = [packet(from: node)]
      return result
    }
  }

  private func packet(from node: String) -> Packet {
    let ip: [UInt8] = [0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 198, 18, 0, 2, 198, 19, 0, 2]
    let tcp: [UInt8] = [0x9c, 0x40, 0x1f, 0x40, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]
    return Packet(
      node: node, interface: "eth0", time: 1, outgoing: true, length: 54,
      bytes: Data([UInt8](repeating: 0, count: 12) + [8, 0] + ip + tcp))
  }
}

extension CalendarDate {
  /// A day that there is.
  static func day(_ text: String) throws -> CalendarDate {
    guard let day = CalendarDate(text) else { throw CocoaError(.formatting) }
    return day
  }
}

/// A program of this machine, fed and heard.
func run(_ program: String, _ arguments: [String], input: String = "") throws -> (
  status: Int32, output: String
) {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = [program] + arguments
  let (output, fed) = (
    Pipe(), FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
  )
  try Data(input.utf8).write(to: fed)
  defer { try? FileManager.default.removeItem(at: fed) }
  process.standardInput = try FileHandle(forReadingFrom: fed)
  (process.standardOutput, process.standardError) = (output, output)
  try process.run()
  let text = output.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, String(decoding: text, as: UTF8.self))
}
