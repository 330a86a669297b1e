import Linux
import Scenario

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The worker: answers one request on standard input with events on standard output, then ends.
///
/// Synchronous and single-threaded from its first instruction: a network namespace belongs to a thread,
/// and a concurrency pool woken inside one would stay there.
public enum Worker {
  /// Reads the request, carries it out, returns the exit status: 0 done, 3 the lab broke, 2 no request.
  public static func main() -> Int32 {
    Stream.ignoreBrokenPipes()
    guard let line = readLine(),
      let request = try? JSONDecoder().decode(WorkerRequest.self, from: Data(line.utf8))
    else {
      emit(
        .failure(
          Failure(
            stage: "worker", object: "standard input", cause: "no request",
            mend: "pawslab-worker is started by pawslab run; it is not meant to be called")))
      return 2
    }
    do {
      try carryOut(request)
      return 0
    } catch {
      emit(.failure(Failure(error, stage: "worker", object: "request")))
      return 3
    }
  }

  private static func carryOut(_ request: WorkerRequest) throws {
    let privilege = try Privilege.gain()
    switch request {
    case .probe:
      emit(.kernel(try Probe.kernel(privilege: privilege)))
    case .run(let test, let kernel):
      emit(.observation(try run(test, on: kernel)))
    case .benchmarkSetup(let test, let kernel, let times):
      for _ in 0..<times { emit(.timings(try Testbed(test, on: kernel).timings)) }
      emit(.done)
    }
  }

  private static func run(_ test: Case, on kernel: Kernel) throws -> Observation {
    let loop = EventLoop()
    // The lab keeps our standard input open for as long as it lives.
    loop.watch(0, Poll.readable) { if Stream.hasEnded(0) { Stream.exitNow(4) } }
    emit(.stage("testbed"))
    let testbed = try Testbed(test, on: kernel)
    let recorder = try Recorder(testbed, loop: loop)
    let workload = try Workload(test, on: testbed, recorder: recorder, loop: loop, emit: emit)
    emit(.stage("workload"))
    try recorder.before()
    var stopwatch = Stopwatch()
    try workload.run()
    let worked = stopwatch.lap("workload")
    emit(.stage("evidence"))
    try loop.drain()
    return try recorder.finish(timings: [worked])
  }

  /// One JSON line, written whole: a killed process loses nothing that it said.
  private static func emit(_ event: WorkerEvent) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard var line = try? encoder.encode(event) else { return }
    line.append(UInt8(ascii: "\n"))
    // A lab that is gone cannot be told; end of file on standard input ends us.
    try? Stream.write(1, [UInt8](line))
  }
}
