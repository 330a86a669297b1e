import ArgumentParser
import Foundation
import Fuzz
import Model
import Subprocess

extension Kind: ExpressibleByArgument {}

/// Inputs by the hundred thousand for everything that reads what comes from outside.
struct BenchFuzz: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuzz", abstract: "Feed spoilt inputs to everything that reads what comes from outside.",
    discussion: """
      Kinds: \(Kind.allCases.map(\.rawValue).joined(separator: ", ")). Each input is a genuine one, from the lab's files \
      and recorded runs, with one to six changes; the same seed makes the same inputs. It goes all the way: a lab file \
      to cases, explanations, mutants and plans, a saved run to every format, a capture to packets, ladders and back.

      Found is what ends the process, takes more than a second of processor or 300 MB. It is made small and kept; \
      --input FILE feeds it again. Exit status 1 where something was found.
      """)

  @Option(help: "Only this kind; may be given again.")
  var kind: [Kind] = []

  @Option(help: "Inputs of each kind.")
  var inputs = 100_000

  @Option(help: "Another seed, other inputs.")
  var seed: UInt64 = 1

  @Option(help: "Milliseconds of processor that an input may take.")
  var limit = 1_000

  @Option(
    help: "The folder of genuine inputs: lab files, and recorded below it (default: $PAWSLAB_LAB, else lab).")
  var corpus: String?

  @Option(help: "Keep what was found in this folder.")
  var keep = "fuzz"

  @Option(help: "Feed this file alone, as the one --kind.")
  var input: String?

  func validate() throws {
    guard (1...100_000_000).contains(inputs) else { throw ValidationError("--inputs takes 1 to 100000000") }
    guard (1...600_000).contains(limit) else { throw ValidationError("--limit takes 1 to 600000") }
    guard input == nil || kind.count == 1 else { throw ValidationError("--input needs one --kind") }
  }

  func run() async throws {
    let folder = corpus ?? ProcessInfo.processInfo.environment["PAWSLAB_LAB"] ?? "lab"
    let genuine = try FuzzCorpus(lab: folder)
    // Every input of some kinds is a file once.
    let memory = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : nil
    let scratch = URL(fileURLWithPath: memory ?? FileManager.default.temporaryDirectory.path)
      .appendingPathComponent("pawslab-fuzz-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: scratch) }
    var found = 0
    for kind in kind.isEmpty ? Kind.allCases : kind {
      let corpus = try genuine.inputs(kind)
      guard !corpus.isEmpty else {
        throw Failure(
          stage: "bench fuzz", object: folder, cause: "no genuine \(kind.rawValue) there",
          mend: "--corpus names the lab folder of a clone, with recorded in it")
      }
      let hunt = FuzzHunt(
        generator: Generator(kind, corpus: corpus), seed: seed, limit: limit, lab: folder,
        scratch: scratch.path, keep: keep)
      if let input {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: input)))
        let end = try await hunt.end(of: bytes)
        Console.print(end.map { "\(input): \($0)" } ?? "\(input): nothing found")
        found += end == nil ? 0 : 1
      } else {
        found += try await hunt.run(inputs)
      }
    }
    if found > 0 { throw ExitCode(1) }
  }
}

/// What the process that may die does. Started by ``FuzzHunt``.
struct FuzzChild: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "fuzz-child", shouldDisplay: false)

  @Argument var kind: Kind
  @Argument var batch: String
  @Argument var progress: String
  @Argument var limit: Int
  @Argument var lab: String

  func run() throws {
    let genuine = try FuzzCorpus(lab: lab)
    let targets = FuzzTargets(
      recorded: genuine.recorded, scratch: URL(fileURLWithPath: batch).deletingLastPathComponent().path)
    var limits = Batch.Limits()
    limits.milliseconds = limit
    // Everything is there once before memory is measured.
    for input in try genuine.inputs(kind) { try? targets.feed(kind, input) }
    throw ExitCode(Batch.run(batch, progress: progress, limits: limits) { try targets.feed(kind, $0) })
  }
}

/// Feeds many inputs of one kind to processes that may die of them.
struct FuzzHunt {
  let generator: Generator
  let seed: UInt64
  let limit: Int
  let lab: String
  let scratch: String
  let keep: String

  private var kind: Kind { generator.kind }
  private var batch: String { scratch + "/batch" }
  private var progress: String { scratch + "/progress" }

  private static let batchSize = 1_000
  /// What is found once is mostly found often.
  private static let enough = 10

  /// Returns how many inputs were found.
  func run(_ inputs: Int) async throws -> Int {
    let began = ContinuousClock.now
    var (done, found) = (0, 0)
    var (slowest, slowestIndex, peak, taken) = (0, 0, 0, 0)
    while done < inputs, found < Self.enough {
      let count = min(Self.batchSize, inputs - done)
      let batch = (done..<done + count).map { generator.input(seed: seed, index: $0) }
      let (end, progress) = try await feed(batch)
      if progress.slowest > slowest {
        (slowest, slowestIndex) = (progress.slowest, done + progress.slowestIndex)
      }
      peak = max(peak, progress.peak)
      taken += progress.taken
      if let end {
        found += 1
        let index = done + min(progress.index, count - 1)
        try await report(batch[min(progress.index, count - 1)], index, end)
        done = index + 1
      } else {
        done += count
      }
    }
    let seconds = began.duration(to: .now) / .seconds(1)
    let rate = String(format: "%7.1f s %7.0f/s", seconds, Double(done) / max(seconds, 0.001))
    let most = String(format: "slowest %4d ms (%d)  peak %3d MB", slowest / 1000, slowestIndex, peak >> 20)
    Console.print(
      kind.rawValue.padding(toLength: 13, withPad: " ", startingAt: 0)
        + String(format: "%7d inputs %7d taken %3d found ", done, taken, found) + rate + "  " + most)
    return found
  }

  /// How one input ends the process; nil where it does not.
  func end(of input: [UInt8]) async throws -> String? { try await feed([input]).end }

  private func feed(_ inputs: [[UInt8]]) async throws -> (end: String?, progress: Batch.Progress) {
    try Batch.write(inputs, to: batch)
    try? FileManager.default.removeItem(atPath: progress)
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let (program, arguments) =
      kind == .netlink
      ? (try Running.worker(), ["fuzz", batch, progress, "\(limit)"])
      : (own, ["bench", "fuzz-child", kind.rawValue, batch, progress, "\(limit)", lab])
    let result = try await Subprocess.run(
      .path(.init(program)), arguments: Arguments(arguments),
      environment: .inherit.updating(["SWIFT_BACKTRACE": "enable=no"]), output: .discarded,
      error: .string(limit: 1 << 20))
    let state = Batch.progress(progress)
    switch result.terminationStatus {
    case .exited(0): return (nil, state)
    case .exited(let code):
      throw Failure(
        stage: "bench fuzz", object: kind.rawValue,
        cause: "the process that is fed ended with \(code): \(result.standardError.suffix(300))")
    case .signaled(let signal):
      let last = result.standardError.split(separator: "\n").first ?? ""
      let cause =
        switch signal {
        case SIGPROF: "more than \(limit) ms of processor"
        case SIGALRM: "waited for \(limit * Batch.patience) ms"
        default: "ended by signal \(signal)"
        }
      return (cause + (last.isEmpty ? "" : ": \(last.prefix(300))"), state)
    }
  }

  /// Makes it small, keeps it, says it.
  private func report(_ input: [UInt8], _ index: Int, _ end: String) async throws {
    guard try await self.end(of: input) != nil else {
      Console.print("\(kind.rawValue) seed \(seed) input \(index): \(end); and not when it is fed alone")
      return
    }
    let small = try await smaller(input)
    try FileManager.default.createDirectory(atPath: keep, withIntermediateDirectories: true)
    let file = "\(keep)/\(kind.rawValue)-\(seed)-\(index)"
    try Data(small).write(to: URL(fileURLWithPath: file))
    Console.print(
      "\(kind.rawValue) seed \(seed) input \(index): \(end)\n  pawslab bench fuzz --kind \(kind.rawValue) --input \(file) "
        + "(\(small.count) of \(input.count) bytes)")
  }

  /// Without what is not needed for its end, as far as sixty tries and half a minute go.
  private func smaller(_ input: [UInt8]) async throws -> [UInt8] {
    var input = input
    var (size, tries) = (input.count / 2, 0)
    let limit = ContinuousClock.now + .seconds(30)
    while size > 0, tries < 60, ContinuousClock.now < limit {
      var at = 0
      while at < input.count, tries < 60, ContinuousClock.now < limit {
        var candidate = input
        candidate.removeSubrange(at..<min(at + size, input.count))
        tries += 1
        if try await end(of: candidate) != nil { input = candidate } else { at += size }
      }
      size /= 2
    }
    return input
  }
}
