import Diagnosis
import Evidence
import Foundation
import Fuzz
import LabFile
import Model
import Report
import Wire

/// Genuine inputs of every kind: the lab's own files and what it keeps of runs.
struct FuzzCorpus {
  let recorded: [FuzzTargets.Recorded]
  private let lab: String
  private let results: Data?

  /// The same bytes in every process, so that a seed makes the same inputs.
  private static var encoder: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return encoder
  }

  /// - Parameter lab: the folder of lab files, with `recorded` in it.
  init(lab: String) throws {
    self.lab = lab
    let runs = (try? FileManager.default.contentsOfDirectory(atPath: lab + "/recorded"))?.sorted() ?? []
    var recorded: [FuzzTargets.Recorded] = []
    var results: Data?
    for run in runs {
      let folder = try RunFolder(reading: "\(lab)/recorded/\(run)")
      let loaded = try folder.loadResults()
      var few = loaded
      few.cases = Array(loaded.cases.filter { $0.observation != nil }.prefix(2))
      if results == nil { results = try Self.encoder.encode(few) }
      // Each lab file's first and last.
      let scenarios = Dictionary(grouping: loaded.cases.filter { $0.observation != nil }, by: \.scenario)
      for entry in scenarios.values.flatMap({ [$0.first, $0.last].compactMap(\.self) }).sorted(by: {
        $0.id < $1.id
      }) {
        guard let kernel = loaded.kernels[entry.kernel] else { continue }
        let result = try folder.load(entry.place)
        var writer = Pcapng.Writer(Pcapng.Header(comment: entry.id, system: "Linux \(kernel.release)"))
        for packet in result.observation?.packets ?? [] { writer.add(packet, comment: "a remark") }
        recorded.append(
          FuzzTargets.Recorded(
            result: result, json: try Self.encoder.encode(result), capture: writer.take(), kernel: kernel))
      }
    }
    (self.recorded, self.results) = (recorded, results)
  }

  /// What inputs of a kind begin as.
  func inputs(_ kind: Kind) throws -> [[UInt8]] {
    switch kind {
    case .lab:
      return try LabFiles.discover(paths: [lab]).map {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: $0)))
      }
    case .results: return results.map { [[UInt8]($0)] } ?? []
    case .observations: return recorded.enumerated().map { [UInt8($0 % 256)] + [UInt8]($1.json) }
    case .events: return try recorded.prefix(4).flatMap { [try worker($0), try guest($0), try request($0)] }
    case .pcapng: return recorded.map { [UInt8]($0.capture) }
    case .captures: return captures
    case .texts: return FuzzSamples.texts
    case .images: return [FuzzSamples.bzImage, FuzzSamples.elf]
    case .packages:
      return [FuzzSamples.module, FuzzSamples.archive] + FuzzSamples.indexes + FuzzSamples.repositories
    case .netlink: return FuzzSamples.netlink
    }
  }

  /// As other programs would have captured them, and as the lab did.
  private var captures: [[UInt8]] {
    recorded.flatMap { genuine -> [[UInt8]] in
      guard let observation = genuine.result.observation, let last = observation.attempts.last else {
        return []
      }
      let network = genuine.result.test.network
      let servers = Set(network.nodes.filter(network.isServer))
      return [Vantage.client, .hop, .short].map {
        $0.capture(observation.packets, client: last.client, servers: servers)
      } + [[UInt8](genuine.capture)]
    }
  }

  /// A worker's lines about a case.
  private func lines(_ genuine: FuzzTargets.Recorded) throws -> [UInt8] {
    guard let observation = genuine.result.observation else { return [] }
    var kernel = genuine.kernel
    kernel.missing = ["x": "y"]
    var events: [WorkerEvent] = [.stage("testbed"), .step(0), .packets(genuine.capture)]
    events += observation.attempts.prefix(2).map(WorkerEvent.attempt)
    events += [
      .timings(observation.timings),
      .held(
        [HeldNode(name: "hop", path: "/proc/1/fd/3")], keeper: 1,
        steps: StepPipes(ask: "/proc/1/fd/4", answer: "/proc/1/fd/5")),
      .asked(Stepped(asker: "7", words: ["step"], began: 0, next: 1, failure: nil)),
      .failure(Failure(stage: "a", object: "b", cause: "c")), .kernel(kernel.forWorker),
      .observation(observation),
    ]
    return try events.flatMap { [UInt8](try Self.encoder.encode($0)) + [UInt8(ascii: "\n")] }
  }

  private func worker(_ genuine: FuzzTargets.Recorded) throws -> [UInt8] { [0] + (try lines(genuine)) }

  private func guest(_ genuine: FuzzTargets.Recorded) throws -> [UInt8] {
    let lines = try lines(genuine)
    return [1] + Frame(id: 0, kind: .hello, payload: Array("6.1.0".utf8)).bytes
      + Frame(id: 1, kind: .output, payload: lines).bytes + Frame(id: 1, kind: .end, payload: []).bytes
  }

  private func request(_ genuine: FuzzTargets.Recorded) throws -> [UInt8] {
    [2] + [UInt8](try Self.encoder.encode(WorkerRequest.run(genuine.result.test, genuine.kernel.forWorker)))
  }
}
