import Evidence
import Foundation
import Judging
import Model
import Report
import Testing

/// Whatever a saved run says, it is told: no number is a trap. `seconds` of 1e19 was one.
@Suite struct ExtremeReportsTests {
  static let doubles: [Double] = [
    1e19, -1e19, 1e308, .infinity, -.infinity, .nan, 0, -0.0, .leastNonzeroMagnitude, 0x1p63, -0x1p63,
  ]

  static func result(seconds: Double, times: (Int64, Int64)) -> CaseResult {
    let network = Network(
      topology: .direct, family: .ipv4,
      clients: [Client(name: "c", group: "c", clock: .off, isn: .natural)], hop: nil)
    let test = Case(
      id: "x/y=z", scenario: "x", title: "", why: "", axes: [AxisValue(axis: "y", value: "z")],
      network: network,
      settings: [:],
      workload: [
        .churn(.init(clients: ["c"], label: "c", connections: 1, rate: nil, closes: .client, flush: nil))
      ], rules: [])
    let attempt = Attempt(
      id: .max, step: .min, label: "c", kind: .connect, client: "c", local: ":", remote: "", isn: .max,
      began: times.0, ended: times.1, calls: .min, errno: "ETIMEDOUT")
    let judged = JudgedAttempt(
      attempt: attempt, outcome: .dropped, expected: Expectation(.connected), syns: .max, synsAtServer: .min,
      milliseconds: seconds, holds: false)
    var observation = Observation(caseID: "x/y=z")
    observation.attempts = [attempt]
    observation.samples = [
      TimeWaitSample(time: times.0, timeWait: .max), TimeWaitSample(time: times.1, timeWait: .min),
    ]
    observation.processorSeconds = seconds
    observation.timings = [Timing(part: "", milliseconds: seconds)]
    observation.countersBefore = ["server": ["a": .min]]
    observation.countersAfter = ["server": ["a": .max]]
    observation.packets = [times.0, times.1].map {
      Packet(node: "c", interface: "eth0", time: $0, outgoing: true, length: .max, bytes: Data(count: 60))
    }
    return CaseResult(
      test: test,
      judgement: Judgement(verdict: .fail, reason: "", attempts: [judged], witnesses: []),
      observation: observation, seconds: seconds)
  }

  @Test(arguments: doubles) func everyFormatTellsIt(seconds: Double) {
    for times: (Int64, Int64) in [(.min, .max), (.max, .min), (0, 0)] {
      let result = Self.result(seconds: seconds, times: times)
      let kernels = ["host": PlanTests.kernel()]
      let cost = GuestCost(
        kernel: "host", cases: .max, processorSeconds: seconds,
        boot: [Timing(part: "", milliseconds: seconds)],
        accelerator: "kvm")
      let results = Results([result, result], kernels: kernels, guests: [cost, cost], seconds: seconds)
      #expect(results.junit(time: Date(timeIntervalSince1970: 0)).contains("<testsuite "))
      #expect(results.ktap.contains("not ok"))
      #expect(results.markdown.contains("pawslab: "))
      #expect(HTMLReport(results, title: "") { _ in result }.text.hasSuffix("</html>\n"))
      let report = TextReport(detail: .verbose, colour: true)
      #expect(report.lines(result).isEmpty == false)
      #expect(report.saved(results).isEmpty == false)
      #expect(
        report.summary([result], seconds: seconds, kernels: kernels, guests: [cost, cost]).isEmpty == false)
      #expect(Explanation(result.test).lines.isEmpty == false)
      if let observation = result.observation {
        #expect(Ladder(observation, lanes: Lanes(result.test.network)).lines.isEmpty == false)
        var live = LiveLadder(lanes: Lanes(result.test.network))
        _ = live.add(observation.packets)
        _ = live.end()
      }
    }
  }
}
