import Lab
import Model
import Testing

/// Where a case runs, by capability alone.
@Suite struct PlanTests {
  static func kernel(without: [Capability] = [], perKernel: Set<String> = []) -> Kernel {
    let all =
      Capability.Feature.allCases.map(Capability.feature) + Setting.all.map { .setting($0.name) }
      + Network.Scheduler.allCases.map(Capability.scheduler)
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

  /// A guest in its own time sees the same wherever its lab file lies, and whatever that says to people.
  @Test func aWorkerIsToldNoWords() {
    var one = Self.test()
    one.rules = [Rule(kernel: [], outcomes: ["c": Expectation(.dropped, by: "witnesses")], because: "so")]
    var other = one
    (other.title, other.why, other.source) = ("a title", "why", Place(file: "elsewhere/x.yaml", line: 3))
    (other.rules[0].because, other.rules[0].line, other.rules[0].shares) = ("otherwise", 9, ["c": 50])
    #expect(one.forWorker == other.forWorker)
    other.rules[0].outcomes = [:]
    #expect(one.forWorker != other.forWorker)
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

  /// Only what needs it, only where it was asked for, and only where the kernel lacks it.
  @Test func whatIsEmulatedIsWhatACaseNeeds() {
    let lacks = Machine(
      name: "lacks", kernel: Self.kernel(without: [.setting("tcp_tw_recycle")]), stored: nil)
    let has = Machine(name: "has", kernel: Self.kernel(), stored: nil)
    let needs = Self.test(settings: ["server": ["tcp_tw_recycle": "1"]])
    let emulation = TimeWaitRecycling.emulation
    #expect(lacks.emulating(emulation, for: needs).kernel.emulation == emulation)
    #expect(lacks.emulating(emulation, for: Self.test()).kernel.emulation == nil)
    #expect(lacks.emulating(nil, for: needs).name == "lacks")
    #expect(has.emulating(emulation, for: needs).name == "has")
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

/// What a case needs is one value, and every reader of it says the same.
@Suite struct NeedsTests {
  private static func balanced(_ scheduler: Network.Scheduler) -> Case {
    var test = PlanTests.test(hop: PlanTests.hop)
    test.network = Network(topology: .ipvsNAT, family: .ipv4, clients: test.network.clients)
    for index in test.network.hosts.indices {
      for service in test.network.hosts[index].services.indices {
        test.network.hosts[index].services[service].scheduler = scheduler
      }
    }
    return test
  }

  /// It was an error of `ipvsadm -A`: ENOENT.
  @Test(arguments: Network.Scheduler.allCases)
  func aSchedulerThatTheKernelLacksIsNamed(scheduler: Network.Scheduler) {
    let test = Self.balanced(scheduler)
    #expect(Plan(test, on: PlanTests.kernel()).runs)
    var kernel = PlanTests.kernel(without: [.scheduler(scheduler)])
    kernel.missing["ip_vs_\(scheduler)"] = "ENOENT"
    #expect(
      PlanTests.reason(test, kernel)
        == "no ip_vs_\(scheduler): ENOENT; modprobe ip_vs_\(scheduler), or --kernel debian-12")
    guard case .skip(let reason) = Plan(test, on: kernel, guest: true) else {
      Issue.record("it runs without its scheduler")
      return
    }
    #expect(
      reason == "no ip_vs_\(scheduler): ENOENT; it was stored without (ip_vs_\(scheduler)): "
        + "pawslab kernels remove, and fetch it again")
    #expect(test.needs.names.contains("ip_vs_\(scheduler)"))
    // Every other one may be missing.
    let others = Network.Scheduler.allCases.filter { $0 != scheduler }.map(Capability.scheduler)
    #expect(Plan(test, on: PlanTests.kernel(without: others)).runs)
    #expect(Capability(name: "ip_vs_\(scheduler)") == .scheduler(scheduler))
  }

  /// Rules that are taken and do nothing were told by words in the probe's cause.
  @Test func noToolIsInstalledForRulesThatAreTakenAndDoNothing() {
    let test = PlanTests.test(hop: PlanTests.hop)
    let backends = [Capability.Feature.iptablesNft, .iptablesLegacy, .nft].map(Capability.feature)
    var kernel = PlanTests.kernel(without: backends)
    #expect(
      PlanTests.reason(test, kernel)
        == "no iptables-nft: not found by probing, nor iptables-legacy, nft; "
        + "apt-get install iptables nftables, or modprobe -a nft_compat xt_nat, or --kernel debian-12")
    kernel.withoutEffect = [.feature(.iptablesNft)]
    #expect(
      PlanTests.reason(test, kernel)
        == "no iptables-nft: not found by probing, nor iptables-legacy, nft; --kernel debian-12 has its own")
  }

  /// net/netfilter/nf_conntrack_standalone.c: each namespace shows it, and only the first one may write it.
  @Test func theSizeOfConntrackIsOnePerKernel() {
    let kernel = PlanTests.kernel(without: [.setting("nf_conntrack_max")], perKernel: ["nf_conntrack_max"])
    // Whatever a host has, its cases run.
    #expect(Plan(PlanTests.test(hop: PlanTests.hop), on: kernel).runs)
    let full = PlanTests.test(hop: PlanTests.hop, settings: ["hop": ["nf_conntrack_max": "1"]])
    #expect(
      PlanTests.reason(full, kernel)
        == "nf_conntrack_max is one per kernel here, and nothing on the host is changed; --kernel debian-12 has its own"
    )
    #expect(
      Plan(full, on: kernel, guest: true) == .run(settings: ["nf_conntrack_max": "1"], alone: false))
    #expect(full.needs.names.contains("guest"))
    // A guest's other cases get it back, where they have a table.
    #expect(
      Plan(PlanTests.test(hop: PlanTests.hop), on: kernel, guest: true)
        == .run(settings: ["nf_conntrack_max": "65536"], alone: false))
    #expect(Plan(PlanTests.test(), on: kernel, guest: true) == .run(settings: [:], alone: false))
    // A step that writes it would write the host's.
    var later = PlanTests.test(hop: PlanTests.hop)
    later.workload = [.set(node: "hop", setting: "nf_conntrack_max", value: "1")]
    #expect(PlanTests.reason(later, kernel)?.hasPrefix("nf_conntrack_max is one per kernel here") == true)
    #expect(
      Plan(later, on: kernel, guest: true) == .run(settings: ["nf_conntrack_max": "65536"], alone: true))
  }

  @Test func whatBringsEachCapabilityIsSaidForASkipAndByTheDoctor() {
    let all =
      Capability.Feature.allCases.map(Capability.feature)
      + Network.Scheduler.allCases.map(Capability.scheduler)
    for capability in all {
      guard let remedy = capability.remedy else { continue }
      #expect(!remedy.words(inGuest: false).isEmpty, "\(capability)")
      #expect(!remedy.cost.isEmpty, "\(capability)")
    }
    // What cases ask for has one.
    for need in Self.balanced(.mh).needs.kernel {
      if case .oneOf(let means) = need { #expect(means.allSatisfy { $0.remedy != nil }, "\(means)") }
    }
  }

  /// A give-up of 127 s was no slow case.
  @Test(arguments: [("1", 0), ("2", 0), ("5", 63_000), ("6", 127_000)])
  func aLongGiveUpIsTimeThatPasses(retries: String, passes: Int) {
    var test = PlanTests.test(settings: ["c": ["tcp_syn_retries": retries]])
    test.workload = [Step(Connect(client: "c", label: "c", closes: .client, times: 1, again: 0))]
    #expect(test.needs.passes == 0)
    test.rules = [Rule(kernel: [], outcomes: ["c": Expectation(.dropped, by: "witnesses")], because: "")]
    #expect(test.needs.passes == passes)
    #expect(test.needs.isSlow == (passes > 0))
    #expect((Consent().refusal(of: test) == nil) == (passes == 0))
  }

  /// SYNs that must not be sent again are held in time that nobody else takes away: on an emulated processor they came
  /// a second time.
  @Test func whatHurriesHasAGuestsOwnTime() {
    var test = PlanTests.test(hop: PlanTests.hop)
    let own = GuestTime.virtual(seed: 7)
    let patient = {
      var consent = Consent()
      consent.waiting = true
      return consent
    }()
    func burst(held: String?) -> Step {
      Step(Burst(clients: ["c"], label: "c", closes: .nobody, connections: 1, held: held))
    }
    test.workload = [burst(held: nil)]
    #expect(!test.needs.hurries)
    #expect(Consent().time(of: test, own: own) == .real)
    test.workload = [burst(held: "hop")]
    #expect(test.needs.hurries)
    for consent in [Consent(), patient] {
      #expect(consent.time(of: test, own: own) == own)
      #expect(consent.time(of: test, own: nil) == .real)
    }
    test.workload = [Step(Wait(milliseconds: 60_000))]
    #expect(Consent().time(of: test, own: own) == own)
    #expect(patient.time(of: test, own: own) == .real)
  }

  @Test func whatANetworkOrAStepDoesIsThere() {
    var test = PlanTests.test(hop: PlanTests.hop)
    #expect(!test.needs.losesPackets)
    test.network.hosts[0].rules = [.init(.drop, .rst)]
    #expect(test.needs.losesPackets)
    #expect(test.needs.hasRules)
    test.network.hosts[0].rules = [.dropInvalid]
    #expect(!test.needs.hasRules)
    test.workload = [Step(Advance(seconds: 1))]
    #expect(test.needs.rights == [.sysTime])
    #expect(test.needs.names.contains("guest"))
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
