import ArgumentParser
import Diagnosis
import Evidence
import Foundation
import Judging
import Model
import Report

/// Whether diagnose says of a case's capture what the judge says of the case.
struct BenchDiagnose: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diagnose",
    abstract: "Hold what diagnose makes of the captures of kept runs against the judge's mechanisms.",
    discussion: """
      Takes every case that passed out of folders that run --out has kept, and gives its packets to diagnose as they \
      would have been captured at a client, at the box in between, and at the server, there also one direction alone and \
      cut to 96 bytes; without names, comments and counters. Exit status 1 where a mechanism is named that the judge \
      did not find. --enact instead writes, for each mechanism that is named, a lab file that enacts it, runs it, and \
      ends with 1 where one comes to something else.
      """)

  @Argument(help: "Folders that run --out has kept.")
  var folders: [String]

  enum MatrixFormat: String, CaseIterable, ExpressibleByArgument { case text, markdown }

  @Option(help: "text, or markdown for a document.")
  var format: MatrixFormat = .text

  @Flag(help: "Name each case that is not on the diagonal.")
  var verbose = false

  @Option(help: "Write lab files that enact what is named into this folder, and run them.")
  var enact: String?

  @Option(help: "How many for each mechanism, of different lab files.")
  var each = 1

  @Option(help: "The kernel that they run on (default: the first that can).")
  var kernel: String?

  func validate() throws {
    guard (1...100).contains(each) else { throw ValidationError("--each takes 1 to 100, not \(each)") }
  }

  func run() async throws {
    if let enact { return try await self.enact(into: enact) }
    var matrix = ConfusionMatrix()
    for folder in folders {
      let kept = try RunFolder(reading: folder)
      for entry in try kept.loadResults().cases where entry.verdict == .pass && entry.observation != nil {
        let result = try kept.load(entry.place)
        try matrix.add(result)
      }
    }
    guard !matrix.isEmpty else {
      throw Failure(
        stage: "bench diagnose", object: folders.joined(separator: ", "),
        cause: "no case that passed has packets",
        mend: "pawslab run lab --out DIR keeps them", isUsage: true)
    }
    switch format {
    case .text: for line in matrix.lines { Console.print(line) }
    case .markdown: Console.write(matrix.markdown.description, to: .standardOutput)
    }
    if verbose { for line in matrix.wrong + matrix.open { Console.print(line) } }
    if !matrix.wrong.isEmpty { throw ExitCode(1) }
  }

  private func enact(into path: String) async throws {
    var bench = BenchEnact(most: each, kernel: kernel)
    for folder in folders {
      let kept = try RunFolder(reading: folder)
      for entry in try kept.loadResults().cases where entry.verdict == .pass && entry.observation != nil {
        try bench.add(try kept.load(entry.place))
      }
    }
    guard !bench.isEmpty else {
      throw Failure(
        stage: "bench diagnose", object: folders.joined(separator: ", "),
        cause: "no case that passed has packets of which a mechanism is named",
        mend: "pawslab run lab --out DIR keeps them", isUsage: true)
    }
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let (_, runner, machines) = try Running.parse([]).lab()
    var wrong = 0
    if format == .markdown {
      Console.print("| named | from the capture of | captured at | enacted as | on | mechanism | packets |")
      Console.print("| --- | --- | --- | --- | --- | --- | --- |")
    }
    try await bench.rows(in: URL(fileURLWithPath: path), runner, machines) { row in
      if !row.isSame { wrong += 1 }
      let cells = [row.mechanism, row.source, row.place, row.expected, row.kernel, row.verdict, row.packets]
      Console.print(
        format == .markdown ? "| \(cells.joined(separator: " | ")) |" : cells.joined(separator: "; "))
    }
    if wrong > 0 { throw ExitCode(1) }
  }
}

extension CaseResult {
  /// What was seen, where its packets are attempts: what is forged is none, and nobody judges what becomes of it.
  var attempted: Observation? {
    guard let observation, !observation.packets.isEmpty,
      !test.workload.contains(where: { $0.action is Forge })
    else { return nil }
    return observation
  }
}

/// The judge's mechanisms against the diagnosed ones, by place of capture.
struct ConfusionMatrix {
  private enum Column: String, CaseIterable {
    case named = "as judged"
    case notEnough = "not enough"
    case none = "none of these"
    case other = "another"
  }

  private var counts: [Vantage: [String: [Column: Int]]] = [:]
  /// Where a mechanism was named that the judge did not find, or none where it did.
  private(set) var wrong: [String] = []
  private(set) var open: [String] = []

  var isEmpty: Bool { counts.isEmpty }

  /// What an attempt comes to without a packet that would show it.
  private static let unseen: Set<String> = [
    "local-ports", "tw-reuse", "tw-buckets", "syn-cookie", "ipvs-quiesced-connected",
  ]
  /// Packets that never reach a server do not show there.
  private static let beforeServer: Set<String> = [
    "hop", "nat-race", "conntrack-full", "ipvs", "icmp", "ipvs-quiesced", "ipvs-first-packet",
  ]

  mutating func add(_ result: CaseResult) throws {
    guard let observation = result.attempted else { return }
    let network = result.test.network
    let servers = Set(network.nodes.filter(network.isServer))
    let attempts = result.judgement.attempts
    let first = attempts.first { Self.mechanism($0) != nil } ?? attempts.last
    guard let client = first?.attempt.client else { return }
    // What a send that nothing leaves for comes to was decided before: keepalive's probe was answered by a RST.
    let times = observation.packets.filter { Segment($0) != nil }.map(\.time)
    let decidedBefore = Set(
      attempts.map(\.attempt).filter { own in
        own.kind == .send && !times.contains { $0 >= own.began && $0 <= own.ended }
      }.map(\.id))
    for vantage in Vantage.allCases {
      if !vantage.isClients, vantage != .hop, servers.contains(client) { continue }
      let seen = vantage.packets(observation.packets, client: client, servers: servers).filter {
        Segment($0) != nil
      }
      let visible = attempts.filter { attempt in
        let own = attempt.attempt
        let began = decidedBefore.contains(own.id) ? Int64.min : own.began
        guard seen.contains(where: { $0.time >= began && $0.time <= own.ended }) else { return false }
        if vantage.isClients { return own.client == client }
        return vantage == .hop || attempt.synsAtServer > 0 || own.kind == .send
      }
      var names = Set(visible.compactMap(Self.mechanism))
      if vantage != .hop, !vantage.isClients {
        let lost = Set(attempts.filter { $0.synsAtServer == 0 }.compactMap(Self.mechanism))
        names.subtract(Self.beforeServer.intersection(lost.union(names)))
      }
      let capture = vantage.capture(observation.packets, client: client, servers: servers)
      var incident = Incident()
      var stream = Incident.CaptureStream(file: result.test.id)
      try capture.withUnsafeBytes { try stream.add($0) }
      incident.add(stream, file: result.test.id)
      note(names, incident.answer(), vantage, result)
    }
  }

  /// As the judge names it; nil for what simply went well, or leaves no packet.
  private static func mechanism(_ attempt: JudgedAttempt) -> String? {
    guard let name = attempt.expected.mechanism?.rawValue, !unseen.contains(name) else { return nil }
    if name == "witnesses" { return name }
    guard let outcome = attempt.outcome, outcome != .connected, outcome != .delivered, outcome != .served,
      outcome != .exhausted
    else { return nil }
    return name
  }

  /// Whether a server has counted that TIME_WAIT refused a SYN: of an answer that is lost, the mechanism is of what became
  /// of the next one.
  private static func hasMetTimeWait(_ result: CaseResult) -> Bool {
    result.test.network.nodes.filter(result.test.network.isServer).contains { node in
      ["TcpExt.PAWSEstab", "TcpExt.PAWSTimewait"].contains {
        result.observation?.counters(of: node)[$0] ?? 0 > 0
      }
    }
  }

  private mutating func note(
    _ judged: Set<String>, _ answer: Answer, _ vantage: Vantage, _ result: CaseResult
  ) {
    let row = judged.isEmpty ? "nothing" : judged.sorted().joined(separator: " + ")
    var right = judged
    if judged.contains("time-wait") { right.formUnion(["tw-paws", "tw-seq"]) }
    if judged.contains("lost-answer"), Self.hasMetTimeWait(result) { right.insert("tw-paws") }
    let (named, fitting) = (Set(answer.named), Set(answer.fitting))
    // An author's own witnesses name no mechanism: whatever fits may be it.
    let isFree = judged.contains("witnesses")
    let column: Column
    if judged.isEmpty {
      column =
        !named.isEmpty
        ? .other
        : answer.verdict == .nothingWrong ? .named : answer.verdict == .notEnough ? .notEnough : .none
    } else if !named.isEmpty {
      column = named.isSubset(of: right) || isFree ? .named : .other
    } else if answer.verdict == .noneOfThese, !isFree {
      column = .none
    } else if !fitting.isDisjoint(with: right) || isFree || (fitting.isEmpty && answer.verdict == .notEnough)
    {
      column = .notEnough
    } else {
      column = .none
    }
    counts[vantage, default: [:]][row, default: [:]][column, default: 0] += 1
    let line =
      "\(vantage.rawValue): \(result.test.id) on \(result.kernel): judged \(row), "
      + "\(answer.verdict.rawValue): \(answer.named.joined(separator: " ")) of \(answer.suspects.map(\.name).joined(separator: " "))"
    if column == .other || (column == .none && !judged.isEmpty && !isFree) { wrong.append("WRONG " + line) }
    if column == .notEnough || (column == .none && judged.isEmpty) { open.append("open  " + line) }
  }

  private var rows: [String] { Set(counts.values.flatMap(\.keys)).sorted() }

  var lines: [String] {
    var lines: [String] = []
    for vantage in Vantage.allCases {
      guard let table = counts[vantage] else { continue }
      lines += [
        "", vantage.rawValue,
        "  \("judged".padding(toLength: 44, withPad: " ", startingAt: 0)) "
          + Column.allCases.map {
            String(repeating: " ", count: max(0, 15 - $0.rawValue.count)) + $0.rawValue
          }.joined(),
      ]
      for row in rows {
        guard let cells = table[row] else { continue }
        let numbers = Column.allCases.map { column in
          let text = cells[column].map(String.init) ?? "."
          return String(repeating: " ", count: max(0, 15 - text.count)) + text
        }
        lines.append("  \(row.padding(toLength: 44, withPad: " ", startingAt: 0)) " + numbers.joined())
      }
    }
    return lines
  }

  var markdown: MarkdownText {
    var text: MarkdownText = "| judged |"
    for vantage in Vantage.allCases { text += " \(vantage.rawValue) |" }
    text += "\n| --- |"
    for _ in Vantage.allCases { text += " --- |" }
    for row in rows {
      text += "\n| \(row) |"
      for vantage in Vantage.allCases {
        let cells = counts[vantage]?[row] ?? [:]
        let parts = Column.allCases.compactMap { column in cells[column].map { "\($0) \(column.rawValue)" } }
        text += " \(parts.joined(separator: ", ")) |"
      }
    }
    return text + "\n"
  }
}
