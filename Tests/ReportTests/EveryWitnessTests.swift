import Evidence
import Foundation
import Judging
import Model
import Testing

@testable import Report

/// What is held against a case is shown: each kind of witness, each mechanism, in `explain` and on the page.
@Suite struct EveryWitnessTests {
  private static let recorded =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path + "/lab/recorded/linux-4.9.115"

  /// One of each kind; a new one does not compile before it is here.
  private static func witness(after subject: Witness.Subject?) -> Witness.Subject? {
    let title = Witness.Title(label: "late", id: 7)
    return switch subject {
    case nil: .counter(node: "server", name: "TcpExt.PAWSEstab")
    case .counter: .packets(of: title, what: "old ACKs")
    case .packets: .reason(of: title, names: ["TCP_RFC7323_PAWS"])
    case .reason: .stamp(of: title)
    case .stamp: .clock(client: "late")
    case .clock: .isn(client: "late")
    case .isn: .source(of: title, server: "server.2")
    case .source: .served(label: "again")
    case .served: .branches(label: "early")
    case .branches: .share(label: "thrown")
    case .share: .attempts(label: "churned")
    case .attempts: .timeWait
    case .timeWait: .sockets(node: "server", named: "TIME-WAIT x1")
    case .sockets: .conntrack(node: "hop", named: "dport=8000")
    case .conntrack: .ipvs(node: "hop", named: "* *:* *:8000 server.1:8000")
    case .ipvs: .drops(node: "server", reason: "NO_SOCKET")
    case .drops: .pattern(text: "late > server Flags [S] x2")
    case .pattern: .text(name: "a witness of before")
    case .text: nil
    }
  }

  private static let subjects = Array(
    sequence(state: Witness.Subject?.none) { state -> Witness.Subject? in
      state = witness(after: state)
      return state
    })

  /// What `explain` prints of a result, and what its page has.
  private static func shown(_ result: CaseResult, on kernel: Kernel) -> (explained: String, page: String) {
    let text = TextReport(detail: .verbose, colour: false).lines(result).map { "\($0)" }
    let results = Results([result], kernels: [result.kernel: kernel], seconds: 1)
    return (text.joined(separator: "\n"), HTMLReport(results, title: "x") { _ in result }.text)
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("'", with: "&#39;").replacing("\"", with: "&quot;")
  }

  private static func expectShown(
    _ witnesses: [Witness], _ shown: (explained: String, page: String), _ what: String
  ) {
    for witness in witnesses {
      #expect(
        shown.explained.contains("\(witness.holds ? "ok" : "NO")  \(witness.name)"),
        "\(what): \(witness.name)")
      for words in [witness.name, witness.expectedWords, witness.seenWords] {
        #expect(shown.explained.contains(words), "explain, \(what): \(words)")
        #expect(shown.page.contains(escaped(words)), "page, \(what): \(words)")
      }
    }
  }

  @Test func everyKindOfWitnessIsShown() {
    #expect(Set(Self.subjects).count == 18)
    var result = Sample.result(.pass)
    result.judgement.witnesses = Self.subjects.enumerated().map { number, subject in
      Witness(
        subject, expected: .range(from: 1_000 + number, to: 2_000 + number), seen: .number(3_000 + number),
        holds: number % 2 == 0)
    }
    Self.expectShown(result.judgement.witnesses, Self.shown(result, on: Sample.kernel), "by hand")
  }

  /// More than a table takes at once are behind a fold, and there.
  @Test func noNumberOfWitnessesIsTooLarge() {
    var result = Sample.result(.pass)
    result.judgement.witnesses = (0..<300).map {
      Witness(.served(label: "label\($0)"), expected: .words("e\($0)"), seen: .words("s\($0)"), holds: true)
    }
    Self.expectShown(result.judgement.witnesses, Self.shown(result, on: Sample.kernel), "many")
  }

  private static func recordedDrop() throws -> (CaseResult, Kernel) {
    let folder = try RunFolder(reading: recorded)
    let results = try folder.loadResults()
    let entry = try #require(
      results.cases.first { $0.attempts.contains { $0.outcome == .dropped } && $0.observation != nil })
    return (try folder.load(entry.id, kernel: entry.kernel), try #require(results.kernels[entry.kernel]))
  }

  /// As an author writes them: each gives witnesses when it is judged, and stands in what is expected.
  @Test func everyWitnessOfAnAuthorIsShown() throws {
    let whole = AuthorWitnesses(
      counters: ["server": ["TcpExt.TCPPureAcks": Amount(7)]],
      packets: [try PacketPattern(text: "late > server Flags [S]")],
      sockets: ["server": [try SocketPattern(sockets: "TIME-WAIT", count: "1")]], conntrack: ["hop": []],
      ipvs: ["hop": [try IPVSPattern(text: "* *:* *:8000 server:8000")]],
      drops: ["server": ["NO_SOCKET": Amount(1)]])
    let (recorded, kernel) = try Self.recordedDrop()
    let kinds = Mirror(reflecting: whole).children.compactMap(\.label)
    #expect(kinds == ["counters", "packets", "sockets", "conntrack", "ipvs", "drops"])
    for kind in kinds {
      var own = AuthorWitnesses()
      switch kind {
      case "counters": own.counters = whole.counters
      case "packets": own.packets = whole.packets
      case "sockets": own.sockets = whole.sockets
      case "conntrack": own.conntrack = whole.conntrack
      case "ipvs": own.ipvs = whole.ipvs
      default: own.drops = whole.drops
      }
      var result = recorded
      for index in result.test.rules.indices { result.test.rules[index].witnesses = own }
      let expected = Explanation(result.test).lines.filter { $0.hasPrefix("    seen: ") }
      #expect(expected.count == result.test.rules.count, "\(kind)")
      let seen = try #require(result.observation)
      let before = judge(recorded.test, on: kernel, seen: seen).witnesses
      result.judgement = judge(result.test, on: kernel, seen: seen)
      let more = result.judgement.witnesses.filter { !before.contains($0) }
      #expect(!more.isEmpty, "\(kind) gives no witness")
      Self.expectShown(result.judgement.witnesses, Self.shown(result, on: kernel), kind)
    }
  }

  /// By its name where it is expected, by all of its witnesses where it is judged.
  @Test(arguments: Mechanism.all.flatMap(\.expectations))
  func everyMechanismIsShown(expectation: Model.Expectation) throws {
    var (result, kernel) = try Self.recordedDrop()
    let label = try #require(result.judgement.attempts.first { $0.outcome == .dropped }?.attempt.label)
    for index in result.test.rules.indices { result.test.rules[index].outcomes = [label: expectation] }
    #expect(Explanation(result.test).lines.contains { $0.hasSuffix("\(label) \(expectation)") })
    let seen = try #require(result.observation)
    result.judgement = judge(result.test, on: kernel, seen: seen)
    #expect(result.judgement.verdict != .error, "\(result.judgement.reason)")
    let shown = Self.shown(result, on: kernel)
    Self.expectShown(result.judgement.witnesses, shown, "\(expectation)")
    for attempt in result.judgement.attempts {
      #expect(shown.explained.contains("expected \(attempt.expected)"))
      #expect(shown.page.contains("<td>\(attempt.expected)</td>"))
    }
    if expectation.outcome != .predicted {
      #expect(result.judgement.attempts.contains { $0.expected == expectation })
    }
  }

  /// Attempts, counters, sockets, drops: what there was when the lab broke.
  @Test func anErrorShowsWhatWasSeenUntilThen() throws {
    var (result, kernel) = try Self.recordedDrop()
    result.observation?.broke = "wait something: not seen within 10 ms"
    result.observation?.drops = [
      KernelDrop(
        node: "server", reason: "TCP_RFC7323_PAWS", source: "198.19.0.1", sourcePort: 40_000,
        destination: "198.19.0.2", destinationPort: 8_000, sequence: 1, count: 3)
    ]
    let seen = try #require(result.observation)
    result.judgement = judge(result.test, on: kernel, seen: seen)
    #expect(result.judgement.verdict == .error)
    let shown = Self.shown(result, on: kernel)
    var awaited = ["not seen within 10 ms", "198.19.0.1:40000 > 198.19.0.2:8000 TCP_RFC7323_PAWS x3"]
    awaited += seen.attempts.map {
      "\($0.label) #\($0.id): \($0.errno.map { "ended with \($0)" } ?? "connected")"
    }
    awaited += ["server TcpExt.ListenDrops +", "server sockets after step "]
    for words in awaited {
      #expect(shown.explained.contains(words), "explain: \(words)")
      #expect(shown.page.contains(Self.escaped(words)), "page: \(words)")
    }
    // Its packets too.
    #expect(shown.page.contains("data-ladder="))
    // Of a case that was judged it is said by the judgement.
    result.observation?.broke = nil
    result.judgement = judge(result.test, on: kernel, seen: try #require(result.observation))
    #expect(result.untilItBroke.isEmpty)
  }
}
