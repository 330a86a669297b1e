import ArgumentParser
import Foundation
import Lab
import LabFile
import MicroVM
import Report
import Scenario

struct Demo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "The LVS incident, told with packets: who is dropped, by which counter, and what each advice does.",
    discussion: """
      Runs on a kernel that still has tcp_tw_recycle, if one is stored (pawslab kernels add); else it shows what was \
      recorded on a genuine 4.9.115, and says so. The last part runs on this machine's own kernel.
      Exit status as of run.
      """)

  @Flag(help: "Wait for the return key between the parts.")
  var pause = false

  @Flag(help: "Show what was recorded, even where such a kernel is stored.")
  var recorded = false

  @Option(help: "Write all that is shown to this file too, as an asciinema cast (version 2).")
  var record: String?

  /// Where the incident's cases come from.
  private enum Source {
    case genuine(Machine)
    case recorded(RunFolder, name: String, Kernel)

    var kernel: Kernel {
      switch self {
      case .genuine(let machine): machine.kernel
      case .recorded(_, _, let kernel): kernel
      }
    }
  }

  func run() async throws {
    let lab = ProcessInfo.processInfo.environment["PAWSLAB_LAB"] ?? "lab"
    let cases = try LabFile.discover(paths: [lab]).flatMap { try LabFile.load(path: $0).cases() }
    let stage = try Stage(recordingTo: record, pausing: pause)
    let running = Running.fixed()
    let hypervisor = try running.hypervisor()
    let runner = try running.runner(hypervisor)
    let machines = Machines(runner: runner, hypervisor: hypervisor, say: Console.note)
    let source = try await source(lab, machines, hypervisor)
    var verdicts: Set<Verdict> = []

    func result(_ id: String) async throws -> CaseResult {
      var result: CaseResult
      switch source {
      case .recorded(let folder, let name, let kernel):
        result = try folder.load(id, kernel: name)
        if let seen = result.observation { result.judgement = judge(result.test, on: kernel, seen: seen) }
      case .genuine(let machine):
        result = try await one(id, on: machine)
      }
      verdicts.insert(result.judgement.verdict)
      return result
    }
    func one(_ id: String, on machine: Machine) async throws -> CaseResult {
      guard let test = cases.first(where: { $0.id == id }) else {
        throw Failure(stage: "demo", object: id, cause: "no such case in \(lab)", mend: "set PAWSLAB_LAB")
      }
      let results = await runner.run([(test, machine)], onEvent: { _ in })
      guard let result = results.first else { throw CancellationError() }
      return result
    }

    let incident =
      "lvs-tw-recycle/topology=ipvs-fullnat,tw_recycle=%,timestamps=1,clock=behind,closer=server,family=ipv4"
    let where_ =
      switch source {
      case .genuine(let machine): "a genuine kernel, running now in a guest (\(machine.name))"
      case .recorded: "recorded on a genuine kernel (lab/recorded); it is not this machine's"
      }
    stage.part(
      "Two clients behind LVS",
      """
      Linux \(source.kernel.release): \(where_)

        early  198.18.0.2 ---+
                             +--- hop: IPVS, VIP 198.19.255.1 ---- server 198.19.0.2
        late   198.18.1.2 ---+    and SNAT to 198.19.0.1           net.ipv4.tcp_tw_recycle=1

      Both clients look the same to the server: 198.19.0.1. late's TCP timestamps are ten minutes behind early's.
      """)

    let dropped = try await result(incident.replacingOccurrences(of: "%", with: "1"))
    stage.part(
      "early is served, then late's SYNs go unanswered",
      ladder(dropped, on: source.kernel) + "\n\n" + story(dropped))

    let moved = dropped.observation?.counters(of: Network.server) ?? [:]
    let shown = ["PAWSPassive", "ListenDrops", "PAWSEstab"].map { name in
      "  TcpExt.\(name.padding(toLength: 12, withPad: " ", startingAt: 0)) +\(moved["TcpExt.\(name)"] ?? 0)"
    }
    stage.part(
      "The counters on the server",
      """
      \(shown[0])   "passive connections rejected because of time stamp"
      \(shown[1])   one for each SYN
      \(shown[2])   "packets rejects in established connections because of timestamp":
                             the one that people look at stands still
      """)

    let served = try await result(incident.replacingOccurrences(of: "%", with: "0"))
    stage.part("One setting: tcp_tw_recycle=0", story(served))

    var lines: [String] = []
    for (advice, words) in Self.advice {
      let result = try await result("tw-mitigations/advice=\(advice)")
      lines.append("  \(words.padding(toLength: 46, withPad: " ", startingAt: 0)) \(outcome(result))")
    }
    let flip = try await result("tw-recycle-flip/topology=ipvs-fullnat,tw_recycle=1,remedy=none")
    lines.append(
      "  \("tcp_timestamps=0, on a server that is up".padding(toLength: 46, withPad: " ", startingAt: 0)) "
        + "every client of the last minute is \(flip.judgement.attempts.last?.outcome.rawValue ?? "?")")
    stage.part("The usual advice, each tried", lines.joined(separator: "\n"))

    try await current(stage, machines, one, &verdicts)
    stage.part(
      "In short",
      """
      pawslab claims                 each claim, what is true of it, and the cases that show it
      pawslab explain --run CASE     any case, packet by packet
      """)
    try stage.end()
    if verdicts.contains(.error) { throw ExitCode(3) }
    if verdicts.contains(.fail) { throw ExitCode(1) }
  }

  /// The same failure without tcp_tw_recycle, on the host or in a guest.
  private func current(
    _ stage: Stage, _ machines: Machines, _ one: (String, Machine) async throws -> CaseResult,
    _ verdicts: inout Set<Verdict>
  ) async throws {
    let clash =
      "time-wait-clash/rfc1337=%,clock=behind,isn=ahead,timestamps=1,conntrack=flushed,family=ipv4,topology=snat"
    let machine: Machine
    if let host = try? await machines.host() {
      machine = host
    } else {
      machine = try await machines.named(Machines.fallback)
    }
    let bad = try await one(clash.replacingOccurrences(of: "%", with: "1"), machine)
    let good = try await one(clash.replacingOccurrences(of: "%", with: "0"), machine)
    for result in [bad, good] { verdicts.insert(result.judgement.verdict) }
    stage.part(
      "A current kernel, without tcp_tw_recycle: Linux \(machine.kernel.release)",
      """
      The NAT gives late the port that early has just used; the server's tcp_rfc1337=1.

      \(ladder(bad, on: machine.kernel))

      \(story(bad))
      with tcp_rfc1337=0: \(story(good))
      """)
  }

  private static let advice = [
    ("none", "(as it is)"), ("recycle-off", "tcp_tw_recycle=0"),
    ("reuse-instead", "tcp_tw_recycle=0, tcp_tw_reuse=1"),
    ("server-timestamps-off", "tcp_timestamps=0 on the server, from the start"),
    ("client-timestamps-off", "tcp_timestamps=0 on the client"),
  ]

  private func source(_ lab: String, _ machines: Machines, _ hypervisor: Hypervisor) async throws -> Source {
    if !recorded, Hypervisor.canBoot {
      for stored in hypervisor.store.all() {
        guard let known = hypervisor.probed(stored), known.perKernelSettings.contains("tcp_tw_recycle") else {
          continue
        }
        return .genuine(Machine(name: stored.name, kernel: known, stored: stored))
      }
    }
    let folder = try RunFolder(reading: lab + "/recorded/linux-4.9.115")
    guard let (name, kernel) = try folder.loadResults().kernels.first else {
      throw Failure(stage: "demo", object: lab + "/recorded", cause: "no kernel in it")
    }
    return .recorded(folder, name: name, kernel)
  }

  private func ladder(_ result: CaseResult, on kernel: Kernel) -> String {
    guard let observation = result.observation else { return "  " + result.judgement.reason }
    let remarks = remarks(on: result.judgement, of: result.test, on: kernel, seen: observation)
    return Ladder(observation, hop: true, limit: 40, remarks: remarks).lines.map { "  " + $0 }.joined(
      separator: "\n")
  }

  private func story(_ result: CaseResult) -> String {
    guard let late = result.judgement.attempts.last(where: { $0.attempt.label == "late" }) else {
      return result.judgement.reason
    }
    let time = String(format: "%.1f ms", late.milliseconds)
    let end = late.attempt.errno.map { "\($0) after \(time)" } ?? "in \(time)"
    return
      "late: \(late.outcome.rawValue), \(late.syns) SYNs sent, \(late.synsAtServer) at the server, \(end). "
      + "Why: \(result.judgement.reason)"
  }

  private func outcome(_ result: CaseResult) -> String {
    let late = result.judgement.attempts.last { $0.attempt.label == "late" }?.outcome.rawValue ?? "?"
    let length = result.test.rules.first?.timeWait
    return "late \(late.padding(toLength: 10, withPad: " ", startingAt: 0)) TIME_WAIT "
      + (length == .recycled ? "3.5 RTO" : "60 s")
  }
}

/// Where the demonstration is told: standard output, and perhaps a cast.
private final class Stage {
  private let cast: FileHandle?
  private let pausing: Bool
  private let began = ContinuousClock.now
  private var parts = 0

  init(recordingTo path: String?, pausing: Bool) throws {
    self.pausing = pausing
    guard let path else {
      cast = nil
      return
    }
    guard FileManager.default.createFile(atPath: path, contents: nil),
      let file = FileHandle(forWritingAtPath: path)
    else { throw Failure(stage: "--record", object: path, cause: "cannot be written") }
    cast = file
    try file.write(contentsOf: Data("{\"version\": 2, \"width\": 120, \"height\": 40}\n".utf8))
  }

  func part(_ title: String, _ text: String) {
    if pausing, parts > 0 {
      Console.write("\n[return] ", to: .standardOutput)
      _ = readLine()
    }
    parts += 1
    say("\n\(parts). \(title)\n\n\(text)\n")
  }

  func end() throws { try cast?.close() }

  private func say(_ text: String) {
    Console.print(text)
    guard let cast else { return }
    let time = began.duration(to: .now) / .seconds(1)
    let line = [time, "o", text.replacingOccurrences(of: "\n", with: "\r\n") + "\r\n"] as [Any]
    if let data = try? JSONSerialization.data(withJSONObject: line) {
      try? cast.write(contentsOf: data + Data("\n".utf8))
    }
  }
}
