import Model
import Testing

/// Deadlines follow from the settings, so that what the kernel takes its time for is not taken for a broken lab.
@Suite struct DeadlinesTests {
  static func test(_ settings: [String: String] = [:], _ workload: [Step]) -> Case {
    let client = Client(name: "client", group: "client", clock: .off, isn: .natural)
    return Case(
      id: "made/by=hand", scenario: "made", title: "", why: "", axes: [],
      network: Network(topology: .direct, family: .ipv4, clients: [client], hop: nil),
      settings: ["client": settings], workload: workload, rules: [])
  }

  static func connect(times: Int = 1, again: Int = 0, closes: Step.Closer = .client) -> Step {
    .connect(.init(client: "client", label: "client", closes: closes, times: times, again: again))
  }

  static func churn(_ connections: Int, rate: Int? = nil, flush: Step.Table? = nil) -> Step {
    .churn(
      .init(
        clients: ["client"], label: "churn", connections: connections, rate: rate, closes: .client,
        flush: flush))
  }

  /// What tcp(7) and Documentation/networking/ip-sysctl.rst say: 1 is 3 s, 6 is 127 s; with
  /// tcp_syn_linear_timeouts 4, 1+1+1+1+1+2+... (RFC 6298's doubling after the fifth).
  @Test(arguments: [
    (0, 0, 1), (1, 0, 3), (2, 0, 7), (5, 0, 63), (6, 0, 127), (7, 0, 247), (8, 0, 367),
    (1, 4, 7), (6, 4, 131), (127, 0, 127 + 121 * 120),
  ])
  func theKernelTriesForSoLong(retries: Int, linear: Int, seconds: Int) {
    #expect(Deadlines.synTimeout(retries: retries, linear: linear) == seconds * 1000)
  }

  @Test func extremesAreBounded() {
    #expect(
      Deadlines.synTimeout(retries: .max, linear: .max) == Deadlines.synTimeout(retries: 127, linear: 127))
    #expect(Deadlines.synTimeout(retries: .min, linear: .min) == 1_000)
    let test = Self.test([:], [Self.connect(times: .max, again: .max), Self.connect(times: .max)])
    #expect(test.longestStep == .max)
    #expect(test.longestWorkload == .max)
    #expect(test.limit(ofStep: 2) == 0)
  }

  @Test func aStepMayTakeWhatItsSettingsMakeIt() {
    #expect(Self.test([:], [Self.connect()]).attemptLimit(ofStep: 0) == 33_000)
    let patient = Self.test(["tcp_syn_retries": "6"], [Self.connect(), Self.connect(times: 3, again: 500)])
    #expect(patient.attemptLimit(ofStep: 0) == 157_000)
    #expect(patient.limit(ofStep: 1) == 3 * (157_500 + Deadlines.settling))
    #expect(patient.longestStep == patient.limit(ofStep: 1))
    #expect(patient.longestWorkload == patient.limit(ofStep: 0) + patient.limit(ofStep: 1))
  }

  /// A value that is set on the way counts too.
  @Test func aSettingOnTheWayCounts() {
    let test = Self.test(
      [:], [.set(node: "client", setting: "tcp_syn_retries", value: "6"), Self.connect()])
    #expect(test.attemptLimit(ofStep: 1) == 157_000)
    let other = Self.test(
      [:], [.set(node: "server", setting: "tcp_syn_retries", value: "6"), Self.connect()])
    #expect(other.attemptLimit(ofStep: 1) == 33_000)
  }

  /// Each of a churn's connections may be one that is dropped.
  @Test func aChurnMayLoseEachConnection() {
    let test = Self.test(
      [:], [Self.churn(100), Self.churn(100, rate: 10), Self.churn(100, flush: .conntrack)])
    #expect(test.limit(ofStep: 0) == 30_000 + 100 * 3_020 + 10_000)
    #expect(test.limit(ofStep: 1) == 30_000 + 100 * 3_121 + 10_000)
    #expect(test.limit(ofStep: 2) == 100 * (33_000 + 10_000))
    #expect(test.longestSilence == 33_000 + 10_000 + 30_000)
  }

  @Test func everyOpenConnectionMayTakeAByte() {
    let send = Step.send(.init(client: "client", label: "later", from: .client))
    let test = Self.test([:], [Self.connect(times: 3, closes: .nobody), send])
    #expect(test.limit(ofStep: 1) == 3 * Deadlines.byte)
  }
}
