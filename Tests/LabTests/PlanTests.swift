import Lab
import Model
import Testing

/// Where a case runs, by capability alone.
@Suite struct PlanTests {
  static func kernel(without: [Capability] = [], perKernel: Set<String> = []) -> Kernel {
    let all =
      Capability.Feature.allCases.map(Capability.feature) + Setting.all.map { .setting($0.name) }
    return Kernel(
      release: "6.18.0", machine: "x86_64", capabilities: Set(all).subtracting(without),
      perKernelSettings: perKernel, timestampTicksPerSecond: 1000, privilege: .root,
      missing: ["tcp_tw_recycle": "this kernel has no net/ipv4/tcp_tw_recycle"])
  }

  static func test(
    clock: Clock = .offset(milliseconds: 0), isn: SequencePin = .natural, hop: Hop? = nil,
    settings: [String: [String: String]] = [:]
  ) -> Case {
    Case(
      id: "x/y", scenario: "x", title: "", why: "", axes: [],
      network: Network(
        topology: hop == nil ? .direct : .snat, family: .ipv4,
        clients: [Client(name: "c", group: "c", clock: clock, isn: isn)], hop: hop),
      settings: settings, workload: [], rules: [])
  }

  static let hop = Hop(nat: .snat, backend: .auto, ports: 1...2, random: .none, dropInvalid: false)

  static func reason(_ test: Case, _ kernel: Kernel) -> String? {
    if case .skip(let reason) = Plan(test, on: kernel) { reason } else { nil }
  }

  @Test func whatTheKernelHasRunsHere() {
    #expect(
      Plan(Self.test(clock: .offset(milliseconds: 5), isn: .ahead, hop: Self.hop), on: Self.kernel())
        == .run(settings: [:], alone: false)
    )
  }

  @Test func aSkipNamesWhatIsMissing() throws {
    let recycle = Self.test(settings: ["server": ["tcp_tw_recycle": "1"]])
    #expect(
      Self.reason(recycle, Self.kernel(without: [.setting("tcp_tw_recycle")]))
        == "no tcp_tw_recycle: this kernel has no net/ipv4/tcp_tw_recycle; "
        + "a kernel below 4.12 has it (pawslab kernels add), --emulate tw_recycle brings its rule back")
    let all: [(Case, [Capability], String)] = [
      (Self.test(hop: Self.hop), [.feature(.conntrack)], "no conntrack"),
      (
        Self.test(hop: Self.hop), [.feature(.iptablesNft), .feature(.iptablesLegacy), .feature(.nft)],
        "no iptables-nft"
      ),
      (
        Self.test(clock: .offset(milliseconds: 5)),
        [.feature(.tcBPF), .feature(.socketClocks), .feature(.nftTimestamps)], "no tc-bpf"
      ),
      (Self.test(clock: .natural), [.feature(.randomTimestamps)], "no random-timestamps"),
      (Self.test(isn: .behind), [.feature(.tcpRepair)], "no tcp-repair"),
    ]
    for (test, without, start) in all {
      #expect(Self.reason(test, Self.kernel()) == nil)
      #expect(Self.reason(test, Self.kernel(without: without))?.hasPrefix(start) == true, "\(start)")
    }
  }

  /// debian-12 has IPVS, a clock and settings of its own, but no tcp_tw_recycle.
  @Test func aSkippedCaseOfTheRemovedSettingIsSentWhereItIs() throws {
    var test = Self.test(hop: Self.hop, settings: ["server": ["tcp_tw_recycle": "1"]])
    test.network = Network(topology: .ipvsFullNAT, family: .ipv4, clients: test.network.clients)
    let reasons = [
      Self.reason(test, Self.kernel(without: [.feature(.ipvs)])),
      Self.reason(test, Self.kernel(without: [.setting("tcp_tw_recycle")], perKernel: ["tcp_tw_recycle"])),
    ]
    for reason in reasons {
      #expect(
        reason?.contains(
          "pawslab kernels add a kernel below 4.12, or --kernel debian-12 --emulate tw_recycle")
          == true, "\(reason ?? "it runs")")
    }
    test.settings = [:]
    #expect(
      Self.reason(test, Self.kernel(without: [.feature(.ipvs)]))?.hasSuffix(
        "modprobe ip_vs, or --kernel debian-12")
        == true)
  }

  @Test func whatIsEmulatedCarriesThatWordAndRunsWhereTheKernelLacksIt() throws {
    let recycle = Self.test(settings: ["server": ["tcp_tw_recycle": "1"]])
    let lacks = Machine(
      name: "debian-12", kernel: Self.kernel(without: [.setting("tcp_tw_recycle")]), stored: nil)
    #expect(!Plan(recycle, on: lacks).runs)
    let emulated = try #require(lacks.emulating(TimeWaitRecycling.emulation))
    #expect(emulated.name == "debian-12-emulated")
    #expect(emulated.kernel.emulates("tcp_tw_recycle"))
    #expect(Plan(recycle, on: emulated).runs)
    // Never in place of the kernel's own, and not without the means.
    #expect(
      Machine(name: "has", kernel: Self.kernel(), stored: nil).emulating(TimeWaitRecycling.emulation) == nil)
    let without = Self.kernel(without: [.setting("tcp_tw_recycle"), .feature(.recycleEmulation)])
    #expect(Machine(name: "x", kernel: without, stored: nil).emulating(TimeWaitRecycling.emulation) == nil)
  }

  @Test func aSettingThatIsOnePerKernelIsNotWrittenOnAHost() {
    let test = Self.test(settings: ["server": ["tcp_rfc1337": "1"]])
    let kernel = Self.kernel(without: [.setting("tcp_rfc1337")], perKernel: ["tcp_rfc1337"])
    #expect(Self.reason(test, kernel)?.hasPrefix("tcp_rfc1337 is one per kernel here") == true)
    // A case that leaves it at the baseline needs it just so.
    #expect(Self.reason(Self.test(), kernel)?.hasPrefix("tcp_rfc1337 is one per kernel here") == true)
  }

  @Test func withoutRootTheOtherMechanismIsEnough() {
    let kernel = Self.kernel(without: [.feature(.tcBPF)])
    #expect(Plan(Self.test(clock: .offset(milliseconds: 5)), on: kernel) == .run(settings: [:], alone: false))
  }

  @Test func aGuestTakesSettingsThatAreOnePerKernelWhereAllNodesAgree() {
    let kernel = Self.kernel(
      without: [.setting("tcp_rfc1337"), .setting("tcp_timestamps"), .feature(.randomTimestamps)],
      perKernel: ["tcp_rfc1337", "tcp_timestamps"])
    let all = Self.test(settings: [
      "server": ["tcp_rfc1337": "1"], "c": ["tcp_rfc1337": "1", "tcp_timestamps": "2"],
    ])
    // Without random offsets a clock that is the kernel's own (2) and the baseline (1) are the same.
    #expect(
      Plan(all, on: kernel, guest: true)
        == .run(settings: ["tcp_rfc1337": "1", "tcp_timestamps": "1"], alone: false))
    #expect(!Plan(all, on: kernel).runs)
    // What a node says nothing of it shares with the others; what two want to differ cannot be.
    var one = Self.test(settings: ["server": ["tcp_rfc1337": "1"]])
    #expect(
      Plan(one, on: kernel, guest: true)
        == .run(settings: ["tcp_rfc1337": "1", "tcp_timestamps": "1"], alone: false))
    one.workload = [.set(node: "server", setting: "tcp_rfc1337", value: "0")]
    #expect(
      Plan(one, on: kernel, guest: true)
        == .run(settings: ["tcp_rfc1337": "1", "tcp_timestamps": "1"], alone: true))
    let two = Self.test(settings: ["server": ["tcp_rfc1337": "1"], "c": ["tcp_rfc1337": "0"]])
    guard case .skip(let reason) = Plan(two, on: kernel, guest: true) else {
      Issue.record("it cannot be 1 on one node and 0 on another")
      return
    }
    #expect(reason == "tcp_rfc1337 is one per kernel there, and this case wants 0 and 1")
  }

  @Test func aDirectorNeedsIPVSAndALANABridge() {
    var test = Self.test(hop: Self.hop)
    test.network = Network(topology: .ipvsTun, family: .ipv4, clients: test.network.clients)
    #expect(Plan(test, on: Self.kernel(), guest: true).runs)
    for feature in [Capability.Feature.ipvs, .bridge, .ipip] {
      let without = Self.kernel(without: [.feature(feature)])
      guard case .skip(let reason) = Plan(test, on: without, guest: true) else {
        Issue.record("it needs \(feature)")
        continue
      }
      #expect(reason.hasPrefix("no \(feature.rawValue): "))
    }
  }
}

/// What is not run unless somebody has agreed.
@Suite struct ConsentTests {
  @Test func programsAndWaitingAreRefusedUnlessAskedFor() {
    var test = PlanTests.test()
    test.workload = [Step(Exec(node: "client", command: ["true"]))]
    var consent = Consent()
    #expect(consent.refusal(of: test)?.contains("--allow-exec") == true)
    consent.programs = true
    #expect(consent.refusal(of: test) == nil)
    test.workload = [Step(Wait(milliseconds: 61_000))]
    #expect(consent.refusal(of: test) == "61 s really pass in it; --slow runs it")
    consent.waiting = true
    #expect(consent.refusal(of: test) == nil)
  }
}
