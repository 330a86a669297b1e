import Diagnosis
import Evidence
import Foundation
import Fuzz
import Judging
import Lab
import LabFile
import MicroVM
import Model
import Report
import Wire

/// Everything that an input of a kind goes through in this program, to the very end.
struct FuzzTargets {
  /// Where runs that were kept lie: `lab/recorded`.
  let recorded: [Recorded]
  /// Folders that are written to on the way.
  let scratch: String
  /// The recorded runs once more, as another kernel's, to differ from.
  private let others: [Results.Entry]

  init(recorded: [Recorded], scratch: String) {
    (self.recorded, self.scratch) = (recorded, scratch)
    let results = Results(
      recorded.prefix(4).map(\.result), kernels: ["other": Self.kernels[0]], seconds: 1)
    others = results.cases.map { entry in
      var entry = entry
      entry.kernel = "other"
      return entry
    }
  }

  /// A genuine case with what was seen of it.
  struct Recorded: Sendable {
    var result: CaseResult
    var json: Data
    var capture: Data
    var kernel: Kernel
  }

  func feed(_ kind: Kind, _ input: [UInt8]) throws {
    switch kind {
    case .lab: try lab(input)
    case .results: try results(input)
    case .observations: try observation(input)
    case .events: try events(input)
    case .pcapng: try capture(input)
    case .captures, .texts: try diagnosis(input)
    case .images: try MicroVM.Reading.image(input)
    case .packages: try MicroVM.Reading.package(input)
    case .netlink: break  // The worker's.
    }
  }

  // MARK: lab files

  /// A made-up kernel that has everything, and one that has nothing.
  private static let kernels: [Kernel] = [Capability.allKnownNames, []].map { names in
    Kernel(
      release: "7.0.0", machine: "x86_64", capabilities: Set(names.compactMap { Capability(name: $0) }),
      perKernelSettings: names.isEmpty ? ["tcp_timestamps", "tcp_rfc1337"] : [],
      timestampTicksPerSecond: 1000, privilege: .root, missing: [:])
  }

  private func lab(_ input: [UInt8]) throws {
    let scenario: Scenario
    do { scenario = try LabFiles.parse(Data(input), file: "lab/x.yaml") } catch {
      precondition(!error.mistakes.isEmpty && error.mistakes.count <= Bounds.mistakes + 1)
      throw error
    }
    let cases = try Scenario.select(from: [scenario], settings: [], patterns: [])
    precondition(!cases.isEmpty && cases.count <= Bounds.cases)
    // A few of thousands are as good as all.
    let some = Array(cases.prefix(8))
    for test in some {
      _ = Explanation(test).lines
      _ = test.longestStep + test.longestSilence
      let decoded = try JSONDecoder().decode(Case.self, from: JSONEncoder().encode(test))
      precondition(decoded == test, "a case does not survive the way to a worker")
    }
    for kernel in Self.kernels {
      for test in some { _ = Plan(test, on: kernel, guest: true) }
      for mutant in Mutant.all(of: some, on: kernel).prefix(40) {
        _ = Plan(mutant.test, on: kernel)
        _ = Explanation(mutant.test).lines
      }
      var observation = Observation(caseID: "x")
      observation.clockReference = ClockReference(time: 0, ticks: 0, ticksPerSecond: 1000)
      for test in some.prefix(4) { _ = judge(test, on: kernel, seen: observation) }
    }
  }

  // MARK: saved runs

  private func results(_ input: [UInt8]) throws {
    let path = scratch + "/run"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try Data(input).write(to: URL(fileURLWithPath: path + "/results.json"))
    let folder = try RunFolder(reading: path)
    let results = try folder.loadResults()
    for format in Format.allCases { _ = try folder.text(of: results, as: format).utf8.count }
    let names = results.kernelNames + ["other"]
    let differences = Difference.all(results.cases + others, between: names, skips: true)
    _ = Difference.lines(differences, kernels: results.kernels)
    for entry in results.cases { _ = Claim.all.contains { $0.isShown(by: entry.id) } }
  }

  /// The first byte says whose packets they are, the rest is the file.
  private func observation(_ input: [UInt8]) throws {
    guard let first = input.first, !recorded.isEmpty else { return }
    let genuine = recorded[Int(first) % recorded.count]
    var result = try JSONDecoder().decode(CaseResult.self, from: Data(input.dropFirst()))
    var reader = Pcapng.Reader()
    result.observation?.packets = try reader.add(genuine.capture)
    try judgeAndShow(result, on: genuine.kernel)
  }

  private func judgeAndShow(_ result: CaseResult, on kernel: Kernel) throws {
    var result = result
    let observation = result.observation ?? Observation(caseID: result.test.id)
    result.judgement = judge(result.test, on: kernel, seen: observation)
    let again = judge(result.test, on: kernel, seen: observation)
    precondition(again == result.judgement || result.seconds.isNaN, "the judge is pure")
    let comments = remarks(on: result.judgement, of: result.test, on: kernel, seen: observation)
    let lanes = Lanes(result.test.network)
    _ = Ladder(observation, lanes: lanes, remarks: comments).lines
    _ = Ladder(observation, lanes: lanes).lines
    _ = TextReport(detail: .verbose, colour: true).lines(result)
    _ = Explanation(result.test).lines
    let kernels = [result.kernel: kernel]
    _ = TextReport(detail: .normal, colour: false).summary(
      [result], seconds: result.seconds, kernels: kernels)
    let results = Results([result], kernels: kernels, seconds: result.seconds)
    _ = HTMLReport(results, title: "x") { _ in result }.text
    if let encoded = try? JSONEncoder().encode(result) {
      _ = try JSONDecoder().decode(CaseResult.self, from: encoded)
    }
  }

  // MARK: the wire

  /// The first byte says who speaks: a worker, a guest, or the lab.
  private func events(_ input: [UInt8]) throws {
    guard let first = input.first else { return }
    if first == 2 {
      guard
        case .run(let test, let kernel) = try JSONDecoder().decode(
          WorkerRequest.self, from: Data(input.dropFirst()))
      else { return }
      _ = Plan(test, on: kernel)
    } else if first == 1 {
      _ = try Lab.Reading.frames(Array(input.dropFirst()))
    } else {
      let (events, packets) = try Lab.Reading.events(Array(input.dropFirst()))
      for event in events {
        guard case .observation(var observation) = event, let genuine = recorded.first else { continue }
        observation.packets = packets
        var result = genuine.result
        result.observation = observation
        try judgeAndShow(result, on: genuine.kernel)
      }
    }
  }

  /// Whatever it is taken for, there is an answer, and it fits a terminal; or a mistake that names its place.
  private func diagnosis(_ input: [UInt8]) throws {
    var incident = Incident()
    switch Incident.kind(of: Array(input.prefix(512))) {
    case .capture:
      var stream = Incident.CaptureStream(file: "x")
      for start in stride(from: 0, to: input.count, by: 1500) {
        try input[start..<min(start + 1500, input.count)].withUnsafeBytes { try stream.add($0) }
      }
      incident.add(stream, file: "x")
    case .text:
      let text = String(decoding: input, as: UTF8.self)
      try audit(text)
      try incident.add(text: text, file: "x")
    case .other(let why): incident.add(unknown: why, file: "x")
    }
    let answer = incident.answer()
    precondition(!answer.headline.isEmpty && AnswerText(answer).lines.count > 1)
    _ = try JSONEncoder().encode(answer)
  }

  /// Whatever a text sets, what is said of it fits a terminal and names lines that it has.
  private func audit(_ text: String) throws {
    var input = AuditInput()
    // What diagnose refuses, audit does too.
    do { try input.add(text: text, file: "x") } catch { return }
    var audit = Audit(input)
    audit.look(in: [:], kernels: ["6.1": "debian-12"])
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).count
    precondition(audit.all.allSatisfy { $0.places.allSatisfy { $0.line.map { $0 <= lines } ?? true } })
    precondition(!AuditText(audit).lines.isEmpty)
    _ = try jsonDocument(audit) + jsonDocument(Sarif(audit))
  }

  private func capture(_ input: [UInt8]) throws {
    var reader = Pcapng.Reader()
    var packets: [Packet] = []
    for start in stride(from: 0, to: input.count, by: 1500) {
      packets += try reader.add(Data(input[start..<min(start + 1500, input.count)]))
    }
    var writer = Pcapng.Writer()
    for packet in packets { writer.add(packet, comment: packet.node) }
    var second = Pcapng.Reader()
    let again = try second.add(writer.take())
    precondition(again.map(\.bytes) == packets.map(\.bytes), "what is written is what was read")
    var live = LiveLadder(lanes: Lanes(Network(topology: .snat, family: .ipv4, clients: [])))
    _ = live.add(Array(packets.prefix(60)))
    _ = live.end()
    for genuine in recorded.prefix(1) {
      var result = genuine.result
      result.observation?.packets = packets
      try judgeAndShow(result, on: genuine.kernel)
    }
  }
}
