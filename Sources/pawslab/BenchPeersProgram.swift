import Foundation
import Lab
import Model
import Report
import Subprocess
import SystemPackage
import Wire

/// A way to a network of so many clients, a hop and a server: a program that says when it stands, keeps it until its
/// standard input ends, and ends with it.
struct PeerProgram: Sendable {
  var name: String
  var command: [String]
  /// What is said to it first.
  var request: [UInt8] = []
  /// No network of more clients is asked of it: it would take minutes.
  var most = Int.max
  /// Milliseconds of the set-up that a line of it tells; nil for any other line.
  var ready: @Sendable (String) throws -> Double? = Self.ready

  /// `ready 12.345`
  @Sendable static func ready(_ line: String) -> Double? {
    let words = line.split(separator: " ")
    return words.count >= 2 && words[0] == "ready" ? Double(words[1]) : nil
  }

  /// Has it build its network once and take it down again.
  ///
  /// - Parameter gone: the program that waits until the kernel has freed what was given up.
  func round(gone: String) async throws -> PeerTable.Round {
    let before = (memory: Self.kernelBytes(), processor: Self.processorMilliseconds())
    let began = ContinuousClock.now
    let result = try await Subprocess.run(
      .path(FilePath(command[0])), arguments: .init(Array(command.dropFirst())), input: .inputWriter,
      output: .sequence, error: .string(limit: 64 << 10)
    ) { execution -> Stood? in
      let writer = execution.standardInputWriter
      if !request.isEmpty { _ = try await writer.write(request) }
      var found: Stood?
      var rest = Data()
      for try await buffer in execution.standardOutput {
        buffer.withUnsafeBytes { rest.append(contentsOf: $0) }
        while found == nil, let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
          let line = String(decoding: rest[..<end], as: UTF8.self)
          rest = Data(rest[(end + 1)...])
          guard let setup = try ready(line) else { continue }
          let start = began.duration(to: .now) / .milliseconds(1)
          found = Stood(
            setup: setup, start: start, kernel: Self.kernelBytes() - before.memory,
            program: Self.residentBytes(execution.processIdentifier.value), word: .now)
          try await writer.finish()
        }
      }
      if found == nil { try? await writer.finish() }
      return found
    }
    let processor = Self.processorMilliseconds() - before.processor
    guard let found = result.closureResult, case .exited(0) = result.terminationStatus else {
      let words = result.standardError.split(separator: "\n").last.map { ": \($0)" } ?? ""
      throw Failure(
        stage: name, object: command.joined(separator: " "), cause: "\(result.terminationStatus)\(words)")
    }
    _ = try await Subprocess.run(
      .path(FilePath(gone)), input: .string("\n"), output: .string(limit: 4096), error: .string(limit: 4096))
    return PeerTable.Round(
      setup: found.setup, start: found.start, teardown: found.word.duration(to: .now) / .milliseconds(1),
      processor: processor, kernelBytes: found.kernel, programBytes: found.program)
  }

  /// A network that stands, and when it was told to end.
  private struct Stood: Sendable {
    var setup: Double
    var start: Double
    var kernel: Int
    var program: Int
    var word: ContinuousClock.Instant
  }

  /// Of the whole kernel: what networks take is not all on the account of who makes them (percpu counters, FIB tables).
  private static func kernelBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
    let counted: Set = ["Slab:", "Percpu:", "KernelStack:", "PageTables:"]
    return text.split(separator: "\n").reduce(0) { sum, line in
      let words = line.split(separator: " ")
      return words.count > 1 && counted.contains(String(words[0])) ? sum + (Int(words[1]) ?? 0) * 1024 : sum
    }
  }

  private static func residentBytes(_ process: Int32) -> Int {
    let text = (try? String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8)) ?? ""
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// Of everything that was started from here and has ended: getrusage(2).
  private static func processorMilliseconds() -> Double {
    var usage = rusage()
    getrusage(RUSAGE_CHILDREN.rawValue, &usage)
    let time = { (time: timeval) in Double(time.tv_sec) * 1000 + Double(time.tv_usec) / 1000 }
    return time(usage.ru_utime) + time(usage.ru_stime)
  }
}

extension PeerProgram {
  /// The lab's own worker with a network of so many clients, whose clocks are of two kinds.
  ///
  /// - Parameter parts: of the set-up that count; nil is all.
  static func worker(
    _ name: String, _ program: String, clients: Int, on kernel: Kernel, parts: Set<String>? = nil
  ) throws -> PeerProgram {
    let test = network(clients: clients)
    let request = try WorkerProtocol.line(.benchmarkSetup(test, kernel, times: 1))
    return PeerProgram(name: name, command: [program], request: request) { line in
      let event = try JSONDecoder().decode(WorkerEvent.self, from: Data(line.utf8))
      switch event {
      case .timings(let timings):
        return timings.filter { parts?.contains($0.part) ?? true }.reduce(0) { $0 + $1.milliseconds }
      case .failure(let failure): throw failure
      default: return nil
      }
    }
  }

  /// Clients of two clocks behind one NAT.
  static func network(clients: Int) -> Case {
    let clients = (0..<clients).map { index in
      Client(
        name: "client.\(index + 1)", group: "client",
        clock: .offset(milliseconds: index % 2 == 0 ? 0 : -600_000), isn: .ahead)
    }
    let hop = Hop(nat: .snat, backend: .auto, ports: 32768...60999, random: .none, dropInvalid: false)
    return Case(
      id: "bench/peers", scenario: "bench", title: "", why: "", axes: [],
      network: Network(topology: .snat, family: .ipv4, clients: clients, hop: hop), settings: [:],
      workload: [], rules: [])
  }
}
