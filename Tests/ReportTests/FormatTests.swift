import Evidence
import Foundation
import Judging
import Model
import Testing

@testable import Report

/// Evidence says how it is written; what is older is made into today's in one place, what is newer is refused whole.
@Suite struct FormatTests {
  private typealias Fields = [String: Any]

  /// A file as today's program writes it, changed.
  private static func file(
    _ value: some Encodable, _ change: (inout [String: Any]) -> Void = { _ in }
  ) throws -> Data {
    var fields = try #require(
      try JSONSerialization.jsonObject(with: JSONEncoder().encode(value)) as? Fields)
    change(&fields)
    return try JSONSerialization.data(withJSONObject: fields)
  }

  private static func cause(_ body: () throws -> some Any) -> String {
    do {
      _ = try body()
      return "read"
    } catch let failure as Failure { return "\(failure)" } catch { return "another error: \(error)" }
  }

  // MARK: numbers

  @Test func anObservationSaysItsFormatWhereverItGoes() throws {
    let data = try JSONEncoder().encode(Observation(caseID: "x"))
    #expect(String(decoding: data, as: UTF8.self).contains("\"format\":\(EvidenceFormat.current)"))
    #expect(try JSONDecoder().decode(Observation.self, from: data) == Observation(caseID: "x"))
    for (text, words) in [
      ("\"format\":9", "of format 9; this program reads 4"),
      ("\"format\":3", "of format 3; this program reads 4"),
    ] {
      let other = String(decoding: data, as: UTF8.self).replacing("\"format\":4", with: text)
      do {
        _ = try JSONDecoder().decode(Observation.self, from: Data(other.utf8))
        Issue.record("\(text) was taken")
      } catch DecodingError.dataCorrupted(let context) {
        #expect(context.debugDescription == words)
      }
    }
  }

  /// The number is looked at before anything else: whatever else a future has, there is one line.
  @Test func aFileOfTheFutureIsRefusedBeforeItIsReadAny() throws {
    let future = [
      (StoredFile.Kind.results, #"{"version":7,"cases":"in another file"}"#, "3 to 4"),
      (.plan, #"{"version":7,"format":"pawslab run"}"#, "1 to 4"),
      (.observation, #"{"observation":{"format":7},"test":[]}"#, "3 to 4"),
      (.event, #"{"format":7,"event":{"of":"another kind"}}"#, "3 to 4"),
    ]
    for (kind, text, range) in future {
      let words = Self.cause {
        try StoredFile(kind: kind, name: "DIR/file").decoded(CaseResult.self, from: Data(text.utf8))
      }
      #expect(
        words
          == "read DIR/file: of format 7; this program reads \(range); a newer pawslab wrote it, and reads it"
      )
    }
  }

  @Test func whatIsCutShortIsNoOlderFormat() throws {
    for kind in [StoredFile.Kind.results, .plan, .observation, .event] {
      let words = Self.cause {
        try StoredFile(kind: kind, name: "file").decoded(
          CaseResult.self, from: Data(#"{"version":3,"test":{"id":"#.utf8))
      }
      #expect(words.hasPrefix("read file: no JSON, cut short"), "\(words)")
    }
  }

  // MARK: what there was

  private static func lifted(_ result: CaseResult, _ change: (inout [String: Any]) -> Void) throws
    -> CaseResult
  {
    let old = try file(result) { fields in
      var seen = fields["observation"] as? Fields ?? [:]
      seen["format"] = nil
      fields["observation"] = seen
      change(&fields)
    }
    return try StoredFile(kind: .observation, name: "file").decoded(CaseResult.self, from: old)
  }

  /// Swift's own coding of an enumeration, and a table's name alone.
  @Test(arguments: [
    (
      #"{"connect":{"_0":{"again":0,"client":"early","closes":"server","label":"first","times":2}}}"#,
      Step.connect(.init(client: "early", label: "first", closes: .server, times: 2, again: 0))
    ),
    (
      #"{"send":{"_0":{"client":"late","from":"server","label":"later"}}}"#,
      .send(.init(client: "late", label: "later", from: .server))
    ),
    (
      #"{"churn":{"_0":{"clients":["c"],"closes":"client","connections":3,"flush":"tcp_metrics","label":"c"}}}"#,
      .churn(
        .init(clients: ["c"], label: "c", connections: 3, rate: nil, closes: .client, flush: .tcpMetrics))
    ),
    (#"{"flush":{"_0":"conntrack"}}"#, .flush(.conntrack)),
    (#"{"flush":"tcp_metrics"}"#, .flush(.tcpMetrics)),
    (
      #"{"set":{"node":"server","setting":"tcp_rfc1337","value":"1"}}"#,
      .set(node: "server", setting: "tcp_rfc1337", value: "1")
    ),
    (#"{"remove":{"server":"server.1"}}"#, .remove(server: "server.1")),
    (#"{"advance":{"seconds":61}}"#, .advance(seconds: 61)),
    (
      #"{"clock":{"client":"c","to":{"offset":{"milliseconds":-5}}}}"#,
      .clock(client: "c", to: .offset(milliseconds: -5))
    ),
  ])
  func aStepOfBeforeIsReadAndSavedByItsVerb(text: String, step: Step) throws {
    let old = try JSONSerialization.jsonObject(with: Data(text.utf8))
    let read = try Self.lifted(Sample.result(.pass)) { fields in
      var test = fields["test"] as? Fields ?? [:]
      test["workload"] = [old]
      fields["test"] = test
    }
    #expect(read.test.workload == [step])
    let again = try JSONEncoder().encode(read.test.workload)
    #expect(!String(decoding: again, as: UTF8.self).contains("\"_0\""))
    #expect(try JSONDecoder().decode([Step].self, from: again) == [step])
  }

  /// A network was a topology and its parameters.
  @Test func aNetworkOfParametersIsRead() throws {
    let saved = """
      {"topology":"ipvs-fullnat","family":"ipv6","serverPorts":2,"listening":false,"servers":2,
      "clients":[{"name":"a","group":"a","clock":{"off":{}},"isn":"natural"}],
      "hop":{"nat":"snat","backend":"auto","ports":[40000,40001],"random":"none","dropInvalid":true,"scheduler":"wrr"}}
      """
    func read(_ saved: String) throws -> Network {
      let old = try JSONSerialization.jsonObject(with: Data(saved.utf8))
      return try Self.lifted(Sample.result(.pass)) { fields in
        var test = fields["test"] as? Fields ?? [:]
        test["network"] = old
        fields["test"] = test
      }.test.network
    }
    let network = try read(saved)
    #expect(network.topology == .ipvsFullNAT)
    #expect(network.clients.map(\.clock) == [.off])
    #expect(!network.listening)
    #expect(network.serverPorts == 2)
    let hop = try #require(network.host("hop"))
    #expect(hop.nat?.ports == 40000...40001)
    #expect(hop.services.map(\.scheduler) == [.wrr])
    #expect(hop.services.map(\.servers) == [["server.1", "server.2"]])
    #expect(hop.rules == [.dropInvalid])
    // What no lab file could have asked for makes no network.
    for (sound, odd) in [
      ("\"servers\":2", "\"servers\":9223372036854775807"), ("\"serverPorts\":2", "\"serverPorts\":0"),
      ("ipvs-fullnat", "direct"),
    ] {
      let words = Self.cause { try read(saved.replacing(sound, with: odd)) }
      #expect(words.hasPrefix("read file: test.network: no \"hosts\""), "\(words)")
    }
  }

  /// A counter is told by the words that alone were saved; everything else stays words.
  @Test func aWitnessOfWordsIsRead() throws {
    let read = try Self.lifted(Sample.result(.pass)) { fields in
      fields["judgement"] = [
        "verdict": "pass", "reason": "", "attempts": [] as [Any],
        "witnesses": [
          ["name": "server TcpExt.PAWSEstab", "expected": "+1 to +3", "seen": "+2", "holds": true],
          ["name": "late clock", "expected": "-600000 ticks", "seen": "as expected", "holds": true],
        ],
      ]
    }
    #expect(
      read.judgement.witnesses.map(\.subject) == [
        .counter(node: "server", name: "TcpExt.PAWSEstab"), .text(name: "late clock"),
      ])
    #expect(read.judgement.witnesses.map(\.seen) == [.number(2), .words("as expected")])
  }

  /// Settings that were emulated, and a yes or no.
  @Test func anEmulationOfBeforeIsRead() throws {
    let result = try Self.lifted(Sample.result(.pass, kernel: "debian-12-emulated")) { $0["emulated"] = true }
    #expect(result.emulation == TimeWaitRecycling.emulation)
    #expect(try Self.lifted(Sample.result(.pass)) { $0["emulated"] = false }.emulation == nil)
    var results = Results([Sample.result(.pass)], kernels: ["host": Sample.kernel], seconds: 1)
    results.notJudged = []
    let old = try Self.file(results) { fields in
      fields["version"] = 3
      var kernels = fields["kernels"] as? [String: Fields] ?? [:]
      kernels["host"]?["emulated"] = ["tcp_tw_recycle"]
      fields["kernels"] = kernels
      var cases = fields["cases"] as? [Fields] ?? []
      cases[0]["emulated"] = true
      fields["cases"] = cases
    }
    let read = try StoredFile(kind: .results, name: "file").decoded(Results.self, from: old)
    #expect(read.kernels["host"]?.emulation == TimeWaitRecycling.emulation)
    #expect(read.cases.map(\.emulation) == [TimeWaitRecycling.emulation])
    let event = #"{"event":"finished","time":"t","kernel":"k","case":"x","verdict":"pass","emulated":true}"#
    let line = try StoredFile(kind: .event, name: "file").decoded(RunEvent.self, from: Data(event.utf8))
    #expect(line.emulation == TimeWaitRecycling.emulation)
  }

  /// What today's program writes needs nothing made of it.
  @Test func whatIsWrittenNowIsReadAsItIs() throws {
    let sample = try Sample.whole()
    for result in sample.cases where result.observation != nil {
      let data = try Self.file(result)
      let file = StoredFile(kind: .observation, name: "file")
      #expect(try file.format(of: data) == EvidenceFormat.current)
      #expect(try file.decoded(CaseResult.self, from: data) == result)
    }
    let data = try Self.file(sample.results)
    let read = try StoredFile(kind: .results, name: "file").decoded(Results.self, from: data)
    #expect(read.cases.map(\.witnesses) == sample.results.cases.map(\.witnesses))
  }
}
