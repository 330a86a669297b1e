import LabFile
import Model
import Testing

/// What the library expects where a kernel lacks what later ones have.
@Suite struct OldKernelTests {
  /// A kernel with everything but this.
  private func kernel(without: Capability.Feature?...) -> Kernel {
    let features = Set(Capability.Feature.allCases).subtracting(without.compactMap(\.self))
    return Kernel(
      release: "4.9.154", machine: "x86_64",
      capabilities: Set(features.map(Capability.feature) + Setting.all.map { .setting($0.name) }),
      perKernelSettings: [], timestampTicksPerSecond: 250, privilege: .root, missing: [:])
  }

  private func expected(_ pattern: String, _ label: String, on kernel: Kernel) throws -> Set<String> {
    let glob = CasePattern(pattern)
    let cases = try LabFilesTests.cases().filter { glob.matches($0) }
    try #require(!cases.isEmpty, "\(pattern)")
    return Set(cases.map { $0.rule(on: kernel)?.outcomes[label]?.description ?? "connected" })
  }

  @Test(arguments: [
    (
      "ipvs-conn-reuse/conn_reuse_mode=0,server=removed,expire_nodest_conn=1,*", "again",
      Capability.Feature.ipvsFlush,
      "delayed by ipvs", "connected"
    ),
    (
      "ipvs-drained/conn_reuse_mode=0,expire_nodest_conn=1,drained=all,*", "again", .ipvsLeavesQuiesced,
      "connected by ipvs-quiesced", "refused by ipvs-quiesced"
    ),
    (
      "time-wait-clash/rfc1337=0,clock=behind,*,timestamps=1,*,topology=ipvs-fullnat", "late",
      .ipvsReschedulesTracked, "dropped by tw-paws", "delayed by tw-paws"
    ),
    (
      "time-wait-clash/rfc1337=0,clock=off,isn=behind,*,topology=ipvs-fullnat", "late",
      .ipvsReschedulesTracked, "dropped by tw-seq", "delayed by tw-seq"
    ),
    (
      "ipvs-source/topology=ipvs-dr,*,family=ipv6", "one", .ipvsKeepsFirstPacket,
      "delayed by ipvs-first-packet", "connected"
    ),
    (
      "direct-routing-reuse/topology=ipvs-dr,*,family=ipv6", "first", .ipvsKeepsFirstPacket,
      "delayed by ipvs-first-packet", "connected"
    ),
  ])
  func anotherEnd(
    pattern: String, label: String, lacking: Capability.Feature, there: String, elsewhere: String
  ) throws {
    #expect(try expected(pattern, label, on: kernel(without: lacking)) == [there])
    #expect(try expected(pattern, label, on: kernel(without: nil)) == [elsewhere])
  }

  /// The director drops what conntrack knows, and without rules that is nothing from 4.10 on.
  @Test func aDirectorWithoutRulesDropsWhereAllIsTracked() throws {
    let pattern = "ipvs-conn-reuse/conn_reuse_mode=1,*,conntrack=1,*"
    let four = kernel(without: .ipvsReschedulesTracked, .conntrackByNeed)
    #expect(try expected(pattern, "again", on: four) == ["delayed by ipvs"])
    #expect(try expected(pattern, "again", on: kernel(without: .ipvsReschedulesTracked)) == ["connected"])
  }

  /// The same end, by other counters.
  @Test(arguments: [
    (
      "rst-eaten/clock=behind,*", Capability.Feature.promptSYN, "server", "TcpExt.TCPACKSkippedTimeWait",
      0...0, 1...1
    ),
    ("syn-timeout/syn_retries=6,*", .keepsSYNRetries, "client", "TcpExt.TCPSynRetrans", 4...4, 6...6),
    ("snat-clash/*random=random,*held*", .natDrawsPorts, "hop", "conntrack.drop", 15...15, 1...14),
  ])
  func otherCounters(
    pattern: String, lacking: Capability.Feature, node: String, counter: String, there: ClosedRange<Int>,
    elsewhere: ClosedRange<Int>
  ) throws {
    let glob = CasePattern(pattern)
    let cases = try LabFilesTests.cases().filter { glob.matches($0) }
    try #require(!cases.isEmpty)
    for test in cases {
      for (kernel, range) in [(kernel(without: lacking), there), (kernel(without: nil), elsewhere)] {
        let claimed = test.rule(on: kernel)?.witnesses?.counters[node]?[counter]
        #expect(claimed?.range == range, "\(test.id)")
      }
    }
  }

  /// Whoever wants a NAT's only port after its entry's time: where that is not asked for, the collector decides.
  @Test func whoComesWhenTheOnlyPortIsOverNeedsMore() throws {
    let needing = try LabFilesTests.cases().filter { $0.needs.names.contains("nat-frees-expired") }.map(\.id)
    #expect(
      Set(needing.map { $0.prefix { $0 != "," } }) == [
        "conntrack-short/nf_conntrack_tcp_timeout_time_wait=30", "linger-rst/age=12", "nat-time-wait/age=121",
      ])
  }

  /// An end whose peer has closed is closing itself when it vanishes.
  @Test func whatVanishesWhenItsPeerHasClosedNeedsMore() throws {
    let needing = Set(
      try LabFilesTests.cases().filter { $0.needs.names.contains("repair-closing") }.map(\.scenario))
    #expect(needing == ["fin-wait-2"])
  }
}
