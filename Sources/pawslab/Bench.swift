import ArgumentParser
import Evidence
import Foundation
import Judging
import Lab
import LabFile
import MicroVM
import Model
import Report
import Subprocess

struct Bench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the lab itself.",
    subcommands: [
      BenchSetup.self, BenchBoot.self, BenchTime.self, BenchMutate.self, BenchCrossCheck.self, BenchFuzz.self,
      BenchDiagnose.self, BenchAudit.self, BenchFunctions.self,
      BenchPeers.self,
      FuzzChild.self,
    ])
}

/// How long the network takes to build.
struct BenchSetup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "setup",
    abstract: "Time the set-up of 4 nodes and 3 links, beside the same by ip -batch.")

  @Option(help: "How often.")
  var times = 200

  func run() async throws {
    guard (1...10_000).contains(times) else { throw ValidationError("--times takes 1 to 10000") }
    let runner = try Running.fixed().runner()
    let kernel = try await runner.probe()
    let rounds = try await runner.benchmarkSetup(Self.network, on: kernel, times: times)
    Console.print("set-up of 4 nodes and 3 links, ms over \(rounds.count) rounds, Linux \(kernel.release)")
    Console.print("                              median     p95")
    for part in rounds.first?.map(\.part) ?? [] {
      Self.show(part, rounds.compactMap { $0.first { $0.part == part }?.milliseconds })
    }
    Self.show(
      "namespaces + links",
      rounds.map {
        $0.filter { ["namespaces", "links"].contains($0.part) }.reduce(0) { $0 + $1.milliseconds }
      })
    Self.show("all", rounds.map { $0.reduce(0) { $0 + $1.milliseconds } })
    if geteuid() == 0 { Self.show("the same by ip -batch", try await byIP()) }
  }

  static func show(_ name: String, _ values: [Double]) {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return }
    let rank = { (share: Double) in sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))] }
    Console.print(
      name.padding(toLength: 26, withPad: " ", startingAt: 0)
        + String(format: "%10.2f%8.2f", rank(0.5), rank(0.95)))
  }

  private static let network: Case = {
    let clients = ["early", "late"].enumerated().map { index, name in
      Client(name: name, group: name, clock: .offset(milliseconds: index * -600_000), isn: .ahead)
    }
    let hop = Hop(nat: .snat, backend: .auto, ports: 40000...40000, random: .none, dropInvalid: false)
    return Case(
      id: "bench/setup", scenario: "bench", title: "", why: "", axes: [],
      network: Network(topology: .snat, family: .ipv4, clients: clients, hop: hop), settings: [:],
      workload: [], rules: [])
  }()

  /// The same namespaces, links, addresses and routes by iproute2, milliseconds per round. Named namespaces
  /// live in a mount namespace of the script's own, so they are gone with it.
  private func byIP() async throws -> [Double] {
    let script = """
      set -e
      mount -t tmpfs none /run && mkdir /run/netns
      for round in $(seq \(times)); do
        begin=$EPOCHREALTIME
        ip -batch - <<'END'
      netns add a
      netns add b
      netns add h
      netns add s
      link add to0 netns h type veth peer name eth0 netns a
      link add to1 netns h type veth peer name eth0 netns b
      link add srv netns h type veth peer name eth0 netns s
      END
        ip -n h -batch - <<'END'
      link set lo up
      addr add 198.18.0.1/24 dev to0
      addr add 198.18.1.1/24 dev to1
      addr add 198.19.0.1/24 dev srv
      link set to0 up
      link set to1 up
      link set srv up
      END
        while read -r name address gateway; do
          printf 'link set lo up\\naddr add %s/24 dev eth0\\nlink set eth0 up\\nroute add default via %s\\n' \\
            $address $gateway | ip -n $name -batch -
        done <<'END'
      a 198.18.0.2 198.18.0.1
      b 198.18.1.2 198.18.1.1
      s 198.19.0.2 198.19.0.1
      END
        end=$EPOCHREALTIME
        echo $(( (${end/./} - ${begin/./}) ))
        ip -batch - <<'END'
      netns del a
      netns del b
      netns del h
      netns del s
      END
      done
      """
    let result = try await Subprocess.run(
      .name("unshare"), arguments: ["--mount", "--net", "bash", "-c", script],
      output: .string(limit: 1 << 20), error: .string(limit: 1 << 16))
    let microseconds = result.standardOutput.split(separator: "\n").compactMap { Double($0) }
    if microseconds.isEmpty { Console.error("ip -batch: \(result.standardError)") }
    return microseconds.map { $0 / 1000 }
  }
}

/// Takes the cause away and expects the case to fail.
struct BenchMutate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mutate",
    abstract: "Take away each case's cause; a case that still passes proves nothing.",
    discussion: """
      Mutations: skew (all clocks equal), isn (pinned on the other side), ports (a wide range), listener (none), \
      and for each axis the world of the neighbouring case that expects something else. Exit status 1 if a mutant \
      survives, or if a lab file that could run has none that fails.
      """)

  @OptionGroup var selection: Selection
  @OptionGroup var running: Running

  @Option(help: "Mutants per lab file and kind of change; 0 takes all.")
  var sample = 2

  @Option(help: Emulation.help)
  var emulate: Emulation?

  func run() async throws {
    let cases = try selection.cases()
    try running.check(cases)
    let (_, runner, machines) = try running.lab()
    // Where time passes in a case it passes in a guest of its own, as where cases are run.
    let virtual: GuestTime? = Hypervisor.canBoot ? .virtual(seed: 0) : nil
    let assigned = try await machines.assign(
      cases, host: try await machines.host(), emulate: emulate, own: virtual)
    var mutants: [(mutant: Mutant, machine: Machine)] = []
    var runnable: Set<String> = []
    for (scenario, own) in Dictionary(grouping: assigned, by: \.test.scenario).sorted(by: { $0.key < $1.key })
    {
      // One kernel for all of a file: a neighbour's world may need what only the guest has.
      let richest =
        own.first { $0.machine.kernel.emulation != nil } ?? own.first { $0.machine.stored != nil }
        ?? own.first
      guard let machine = richest?.machine else { continue }
      func refusal(of test: Case) -> String? {
        runner.consent.refusal(of: test, in: machine.inTime(virtual ?? .real).time)
      }
      let canRun = { (test: Case) in refusal(of: test) == nil && Plan(test, on: machine).runs }
      let cases = own.map(\.test).filter(canRun)
      guard !cases.isEmpty else {
        let refusal = own.lazy.compactMap { refusal(of: $0.test) }.first
        Console.print("skip  \(scenario): \(refusal ?? "no case runs on any kernel here")")
        continue
      }
      runnable.insert(scenario)
      let all = Mutant.all(of: cases, on: machine.kernel).filter { canRun($0.test) }
      for (_, kind) in Dictionary(grouping: all, by: \.change).sorted(by: { $0.key < $1.key }) {
        // What a mutant waits for is its own: that of the neighbour whose world it has.
        mutants += (sample == 0 ? kind : spread(kind)).map { mutant in
          (mutant, machine.inTime(runner.consent.time(of: mutant.test, own: virtual)))
        }
      }
    }
    let results = await runner.run(mutants.map { ($0.mutant.test, $0.machine) }) { event in
      if case .finished(let result) = event, result.judgement.verdict != .fail {
        Console.print(
          "\(result.judgement.verdict == .pass ? "ALIVE" : "error") \(result.test.id): \(result.judgement.reason)"
        )
      }
    }
    let change = Dictionary(mutants.map { ($0.mutant.test.id, $0.mutant.change) }) { first, _ in first }
    for (scenario, own) in Dictionary(grouping: results, by: \.test.scenario).sorted(by: { $0.key < $1.key })
    {
      Console.print(
        "\(scenario): \(own.count { $0.judgement.verdict == .fail }) of \(own.count) mutants fail")
      for (kind, group) in Dictionary(grouping: own, by: { change[$0.test.id] ?? "" }).sorted(by: {
        $0.key < $1.key
      }) {
        Console.print("  \(kind): \(group.count { $0.judgement.verdict == .fail }) of \(group.count)")
      }
    }
    if results.contains(where: { $0.judgement.verdict == .error }) { throw ExitCode(3) }
    let standing = runnable.subtracting(results.filter { $0.judgement.verdict == .fail }.map(\.test.scenario))
    for scenario in standing.sorted() {
      Console.error("no mutant of \(scenario) fails: its cases prove nothing")
    }
    if !standing.isEmpty || results.contains(where: { $0.judgement.verdict == .pass }) { throw ExitCode(1) }
  }

  /// The first and the last, and others evenly between.
  private func spread(_ mutants: [Mutant]) -> [Mutant] {
    guard mutants.count > sample else { return mutants }
    return (0..<sample).map { mutants[$0 * (mutants.count - 1) / max(1, sample - 1)] }
  }
}

/// How long guests take to boot, phase by phase.
struct BenchBoot: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "boot", abstract: "Boot kernels again and again: phases, and whether one fails.")

  @Argument(help: "Kernels, as --kernel takes them.")
  var names: [String] = ["debian-12"]

  @Option(help: "How often each.")
  var times = 10

  func run() async throws {
    guard (1...10_000).contains(times) else { throw ValidationError("--times takes 1 to 10000") }
    let running = Running.fixed()
    let failures = Failures()
    let hypervisor = try running.hypervisor { event in
      if case .retry(let kernel, let failure) = event { await failures.add("\(kernel): \(failure)") }
    }
    let runner = try running.runner(hypervisor)
    let machines = Machines(runner: runner, hypervisor: hypervisor, say: Console.note)
    for name in names {
      let stored = try await machines.stored(name)
      let before = await failures.count
      var boots: [[Timing]] = []
      for _ in 0..<times {
        do {
          let guest = try await hypervisor.boot(stored)
          if let boot = await guest.boot { boots.append(boot.phases) }
          await guest.stop()
        } catch let failure as Failure {
          await failures.add("\(name), twice in a row: \(failure)")
        }
      }
      let failed = await failures.count - before
      Console.print("\(name), Linux \(stored.release): \(boots.count) boots, \(failed) failed at first; ms")
      Console.print("                              median     p95")
      for part in boots.first?.map(\.part) ?? [] {
        BenchSetup.show(part, boots.compactMap { $0.first { $0.part == part }?.milliseconds })
      }
      BenchSetup.show("all", boots.map { $0.reduce(0) { $0 + $1.milliseconds } })
    }
    if await failures.count > 0 { throw ExitCode(1) }
  }

  private actor Failures {
    private(set) var count = 0
    func add(_ text: String) {
      count += 1
      Console.print("failed: \(text)")
    }
  }
}
