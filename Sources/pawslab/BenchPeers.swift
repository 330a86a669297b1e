import ArgumentParser
import Foundation
import Judging
import Lab
import LabFile
import MicroVM
import Model
import Report
import Subprocess
import SystemPackage

/// What the lab costs beside other ways to the same.
struct BenchPeers: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "peers",
    abstract: "Measure the lab beside a C program, ip -batch, pyroute2, mininet, virtme-ng, nginx and wrk.",
    discussion: """
      Networks of so many clients, a hop and a server, built and taken down by each in turn; boots; connections and \
      cases a second. As root, for the others need that. What is not installed is said and left out: cc, pyroute2 (PyPI; \
      $PYTHON is the python3 that has it), mininet, vng, nginx, wrk. Exit status 1 if something could not be measured.
      """)

  @Option(help: "How many clients, one network after the other.")
  var clients = "1,10,100,1000"

  @Option(help: "How often each network of up to 100 clients is built by each; larger ones a third as often.")
  var times = 9

  @Option(help: "The guests in which cases are run, as --kernel of run takes them.")
  var kernel = Machines.fallback

  @Option(
    help: "A kernel that the lab and virtme-ng boot, by its path (default: the first vmlinuz in /boot).",
    completion: .file())
  var bootKernel: String?

  @Flag(help: "Networks only: no boots, no connections, no cases.")
  var networksOnly = false

  @Option(help: "text, json or markdown.")
  var format: BenchTime.TableFormat = .text

  private var sizes: [Int] { clients.split(separator: ",").compactMap { Int($0) } }

  func validate() throws {
    guard !sizes.isEmpty, sizes.count == clients.split(separator: ",").count,
      sizes.allSatisfy((1...Bounds.clients).contains)
    else { throw ValidationError("--clients takes numbers from 1 to \(Bounds.clients), not \"\(clients)\"") }
    guard (1...1000).contains(times) else { throw ValidationError("--times takes 1 to 1000, not \(times)") }
  }

  func run() async throws {
    let table = try await Interrupt().value(of: Task { try await measure() })
    switch format {
    case .text: for line in table.lines { Console.print(line) }
    case .json: Console.write(try table.json(), to: .standardOutput)
    case .markdown: Console.write(table.markdown, to: .standardOutput)
    }
    if !table.missing.isEmpty { throw ExitCode(1) }
  }

  private func measure() async throws -> PeerTable {
    var table = PeerTable(head: Self.head())
    try await networks(&table)
    if !networksOnly {
      try await boots(&table)
      try await connections(&table)
      try await cases(&table)
    }
    table.head.loads.append(ThisMachine.load)
    return table
  }

  private static func head() -> PeerTable.Head {
    PeerTable.Head(
      date: ThisMachine.date, processor: ThisMachine.processor, processors: ThisMachine.processors,
      release: ThisMachine.release, loads: [ThisMachine.load])
  }

  // MARK: networks

  private func networks(_ table: inout PeerTable) async throws {
    guard geteuid() == 0 else {
      table.missing.append("networks: the others make them as root only")
      return
    }
    var folder = try await ScratchPrograms()
    defer { folder.remove() }
    let runner = try Running.fixed().runner()
    let kernel = try await runner.probe()
    let programs = try await folder.peers()
    table.missing += folder.missing
    guard let gone = folder.gone else { return }
    for size in sizes {
      let worker = try Running.worker()
      var peers = [
        try PeerProgram.worker(
          "pawslab, network", worker, clients: size, on: kernel, parts: ["namespaces", "links", "carrier"]),
        try PeerProgram.worker("pawslab, ready for a case", worker, clients: size, on: kernel),
      ]
      peers += programs.map { program in
        var program = program
        program.command.append("\(size)")
        return program
      }
      var found: [String: [PeerTable.Round?]] = [:]
      let rounds = size <= 100 ? times : max(1, times / 3)
      for round in 0..<rounds {
        for peer in peers {
          try Task.checkCancellation()
          var one: PeerTable.Round?
          // Minutes of a single one tell nothing more.
          if size <= peer.most, round == 0 || found[peer.name]?.contains(where: { $0 != nil }) == true {
            await Console.note("\(size) clients, round \(round + 1) of \(rounds): \(peer.name)")
            do { one = try await peer.round(gone: gone) } catch let error where !(error is CancellationError)
            {
              table.missing.append("\(size) clients by \(peer.name): \(error)")
            }
          } else if round == 0 {
            table.missing.append("\(size) clients by \(peer.name): it takes minutes")
          }
          found[peer.name, default: []].append(one)
        }
      }
      for peer in peers {
        guard let rounds = found[peer.name], rounds.contains(where: { $0 != nil }) else { continue }
        table.networks.append(.init(peer: peer.name, clients: size, rounds: rounds))
      }
    }
  }

  // MARK: boots

  private func boots(_ table: inout PeerTable) async throws {
    let what = "boot to a program (ms)"
    let images = ((try? FileManager.default.contentsOfDirectory(atPath: "/boot")) ?? [])
      .filter { $0.hasPrefix("vmlinuz-") }.sorted()
    guard let path = bootKernel ?? images.first.map({ "/boot/\($0)" }) else {
      table.missing.append("\(what): no kernel in /boot, and no --boot-kernel")
      return
    }
    guard let vng = Self.program("vng") else {
      table.missing.append("\(what): no vng (virtme-ng, of Debian or PyPI)")
      return
    }
    let (hypervisor, _, machines) = try Running.fixed().lab()
    guard let machine = try await machines.atPath(path), let stored = machine.stored, machine.failure == nil
    else {
      table.missing.append("\(what): the lab cannot boot \(path)")
      return
    }
    var own: [Double] = []
    var other: [Double] = []
    for _ in 0..<max(1, times / 2) {
      try Task.checkCancellation()
      var began = ContinuousClock.now
      let guest = try await hypervisor.boot(stored)
      own.append(began.duration(to: .now) / .milliseconds(1))
      let isEmulated = await guest.boot?.accelerator == "tcg"
      await guest.stop()
      // It asks for KVM unless it is told not to.
      let arguments = (isEmulated ? ["--disable-kvm"] : []) + ["--run", path, "--", "true"]
      began = .now
      let result = try await Subprocess.run(
        .path(FilePath(vng)), arguments: .init(arguments), output: .string(limit: 1 << 20),
        error: .string(limit: 1 << 20))
      guard case .exited(0) = result.terminationStatus else {
        let words = result.standardError.split(separator: "\n").last.map { ": \($0)" } ?? ""
        table.missing.append("\(what) by virtme-ng: \(result.terminationStatus)\(words)")
        break
      }
      other.append(began.duration(to: .now) / .milliseconds(1))
    }
    table.rates.append(.init(what, "pawslab, Linux \(stored.release)", own))
    if !other.isEmpty { table.rates.append(.init(what, "virtme-ng", other)) }
  }

  /// Where a program lies; nil where it does not.
  static func program(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  // MARK: connections and cases

  private func connections(_ table: inout PeerTable) async throws {
    let what = "connections a second, one client behind a NAT"
    var running = Running.fixed()
    running.allowExec = true
    let (_, runner, machines) = try running.lab(keepsPackets: false)
    let host = try await machines.host()
    let plans = try [PeerLoad.own, PeerLoad.nginx].map { try ($0, $0.test()) }
    var rates = plans.map { _ in [Double]() }
    for _ in 0..<max(1, times / 3) {
      for (index, plan) in plans.enumerated() {
        try Task.checkCancellation()
        let results = await runner.run([(plan.1, host)]) { _ in }
        guard let result = results.first, let rate = plan.0.rate(of: result) else {
          table.missing.append(
            "\(what) by \(plan.0.name): \(results.first?.judgement.reason ?? "it was not run")")
          continue
        }
        rates[index].append(rate)
      }
    }
    for (plan, rates) in zip(plans, rates) where !rates.isEmpty {
      table.rates.append(.init(what, plan.0.name, rates))
    }
  }

  private func cases(_ table: inout PeerTable) async throws {
    let what = "cases a second, side by side"
    let (_, runner, machines) = try Running.fixed(jobs: nil).lab(keepsPackets: false)
    let folder = try LabFolder.find()
    let all = try LabFiles.load(path: "\(folder)/time-wait-clash.yaml").cases()
    var places: [(name: String, machine: Machine)] = [("pawslab, host", try await machines.host())]
    if Hypervisor.canBoot {
      places.append(("pawslab, \(kernel), boots included", try await machines.named(kernel)))
    } else {
      table.missing.append("\(what) in guests: no QEMU")
    }
    var rates = places.map { _ in [Double]() }
    for _ in 0..<max(1, times / 3) {
      for (index, place) in places.enumerated() {
        try Task.checkCancellation()
        let tests = all.filter { Plan($0, on: place.machine).runs }
        let began = ContinuousClock.now
        let results = await runner.run(tests.map { ($0, place.machine) }) { _ in }
        let seconds = began.duration(to: .now) / .seconds(1)
        let judged = results.count { [.pass, .fail].contains($0.judgement.verdict) }
        guard judged == tests.count, judged > 0 else {
          table.missing.append("\(what), \(place.name): \(judged) of \(tests.count) were judged")
          continue
        }
        rates[index].append(Double(judged) / seconds)
      }
    }
    for (place, rates) in zip(places, rates) where !rates.isEmpty {
      table.rates.append(.init(what, place.name, rates))
    }
  }
}
