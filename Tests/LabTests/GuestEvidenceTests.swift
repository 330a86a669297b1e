import Foundation
import Judging
import Lab
import LabFile
import MicroVM
import Model
import Report
import Testing
import TestSupport

/// Evidence that only a guest can give: where the wall clock may be set, and settings that are one per kernel written.
@Suite(
  .serialized,
  .enabled(if: Needs.met(canBoot), "SKIPPED: needs QEMU, debian-12 in the cache, and $PAWSLAB_STATIC_WORKER"),
  .timeLimit(.minutes(5)))
struct GuestEvidenceTests {
  private func machine(tools: [String] = []) async throws -> (Runner, Machine) {
    var additions = Hypervisor.Additions()
    additions.tools = tools
    let worker = staticWorker ?? ""
    let hypervisor = Hypervisor(store: KernelStore(), worker: worker, additions: additions) { _ in }
    let runner = Runner(worker: worker, hypervisor: hypervisor)
    let stored = try #require(KernelStore().entry(Machines.fallback))
    return (runner, Machine(name: stored.name, kernel: try await runner.probe(stored), stored: stored))
  }

  private func test(_ file: String) throws -> Case {
    try #require(try LabFiles.parse(file, file: "here.yaml").cases().first)
  }

  /// After an advance, a byte that was sent had a time ahead of its copies', which were then forgotten (20 s, and an
  /// error), and a clock that was set had not been set yet by the time of what it stamped.
  @Test func afterALeapTimesGoOn() async throws {
    let (runner, machine) = try await machine(tools: ["tcpdump", "nstat"])
    let test = try test(
      """
      title: send after advance
      why: one clock for a case
      topology: {kind: direct}
      clocks: {equal: 0, back: -600000}
      clients: {client: {clock: equal}}
      workload:
        - {connect: client, closes: nobody}
        - {send: client, as: before}
        - {advance: 61}
        - {clock: {client: back}}
        - {send: client, as: after}
      expect: [{otherwise: true, after: lost by established-paws, because: the timestamp is older}]
      """)
    let result = try #require(await runner.run([(test, machine)], onEvent: { _ in }).first)
    #expect(result.judgement.verdict == .pass, "\(told(result, on: machine.kernel))")
    let seen = try #require(result.observation)
    let times = seen.attempts.flatMap { [$0.began, $0.ended] }
    #expect(times == times.sorted())
    // Not 61 s.
    let span = try #require(seen.packets.last).time - (try #require(seen.packets.first).time)
    #expect(span < 30_000_000_000)
    // tcpdump stamps by the wall clock.
    let (own, second) = try await runner.crossCheck(test, on: machine)
    let other = second.replacing(in: own)
    #expect(judge(test, on: machine.kernel, seen: own).verdict == .pass)
    #expect(judge(test, on: machine.kernel, seen: other).verdict == .pass)
    #expect(second.clock.leaps.count == 1)
  }

  /// An ICMP error that found its socket locked was a counter that nothing could claim.
  @Test func refusedByICMP() async throws {
    let (runner, machine) = try await machine()
    let test = try test(
      """
      title: refused by ICMP
      why: ip_vs_leave sends port unreachable where a service has no server
      topology: {kind: ipvs-nat, servers: 1}
      clients: {client: {}}
      workload: [{remove: server}, {connect: client, closes: server}]
      expect: [{otherwise: true, client: refused by icmp, because: ICMP port unreachable}]
      """)
    let results = await runner.run((0..<4).map { _ in (test, machine) }, onEvent: { _ in })
    for result in results {
      #expect(result.judgement.verdict == .pass, "\(told(result, on: machine.kernel))")
    }
  }

  /// A crosscheck wrote no setting that is one per kernel: on 4.9 `tcp_tw_recycle` stayed 0, and both readings of a case
  /// that never took place agreed. `rp_filter` stands in for it: a new namespace has the first one's value
  /// (`devinet_init_net`), so what it is there tells whether it was written.
  @Test func aCrossCheckWritesWhatIsOnePerKernel() async throws {
    let (runner, genuine) = try await machine(tools: ["tcpdump", "nstat"])
    var kernel = genuine.kernel
    kernel.capabilities.remove(.setting("rp_filter"))
    kernel.perKernelSettings.insert("rp_filter")
    let machine = Machine(name: genuine.name, kernel: kernel, stored: genuine.stored)
    let test = try test(
      """
      title: one per kernel
      why: devinet_init_net
      topology: {kind: direct}
      clients: {client: {}}
      settings: {server: {rp_filter: 2}}
      workload: [{connect: client, closes: server}]
      expect: [{otherwise: true, because: it connects}]
      """)
    let result = try #require(await runner.run([(test, machine)], onEvent: { _ in }).first)
    #expect(result.observation?.settings["server"]?["rp_filter"] == "2")
    let (own, _) = try await runner.crossCheck(test, on: machine)
    #expect(own.settings["server"]?["rp_filter"] == "2")
    // And what cannot run is not checked.
    kernel.capabilities.remove(.setting("tcp_sack"))
    let lacking = Machine(name: genuine.name, kernel: kernel, stored: genuine.stored)
    await #expect(throws: Failure.self) { try await runner.crossCheck(test, on: lacking) }
  }
}
