import Evidence
import Linux
import Model
import Wire

/// The steps of a case, done when somebody asks for them from a shell in its network, by what does them in a run.
final class Stepping {
  /// Where they are asked for.
  let pipes: StepPipes
  /// Whether a step is being done.
  private(set) var isBusy = false
  private let ask: (read: Int32, write: Int32)
  private let answer: (read: Int32, write: Int32)
  private let workload: Workload
  private let emit: (WorkerEvent) -> Void
  private var heard: [UInt8] = []
  private var waiting: [String] = []
  private var next = 0
  private var broke = false

  init(_ workload: Workload, emit: @escaping (WorkerEvent) -> Void) throws {
    self.workload = workload
    self.emit = emit
    ask = try Stream.pipe("asking for steps")
    answer = try Stream.pipe("answers to that")
    // Whoever has asked may have gone meanwhile.
    Stream.neverWait(answer.read)
    Stream.neverWait(answer.write)
    let own = "/proc/\(System.processID)/fd"
    pipes = StepPipes(ask: "\(own)/\(ask.write)", answer: "\(own)/\(answer.read)")
    workload.loop.watch(ask.read, Poll.readable) { [unowned self] in try hear() }
  }

  /// Whether somebody has asked for something that is not done yet.
  var isAsked: Bool { !waiting.isEmpty }

  /// Passes on what the lab says to whoever asked.
  func pass(_ bytes: [UInt8]) { try? Stream.write(answer.write, bytes) }

  private func hear() throws {
    heard += try Guest.readAvailable(ask.read)
    while let end = heard.firstIndex(of: UInt8(ascii: "\n")) {
      waiting.append(String(decoding: heard[..<end], as: UTF8.self))
      heard.removeFirst(end + 1)
    }
    // A line has an end.
    if heard.count > 4096 { heard = [] }
  }

  /// Does the first of what was asked for, and tells it.
  func serve() {
    guard !waiting.isEmpty else { return }
    let words = waiting.removeFirst().split(separator: " ").map(String.init)
    guard words.count > 1 else { return }
    // What nobody has read of an answer before is nobody's any more.
    while let rest = try? Guest.readAvailable(answer.read), !rest.isEmpty {}
    isBusy = true
    defer { isBusy = false }
    let began = next
    var failure: Failure?
    do {
      if words[1] == "step" { try step(words.dropFirst(2).first) }
      try workload.recorder.tellAll()
    } catch {
      failure = Failure(error, stage: "step", object: workload.test.id)
    }
    emit(
      .asked(
        Stepped(
          asker: words[0], words: Array(words.dropFirst()), began: began, next: next, failure: failure)))
  }

  /// - Parameter count: how many, or `all`; nil is one.
  private func step(_ count: String?) throws {
    let test = workload.test
    func refused(_ cause: String, _ mend: String? = nil) -> Failure {
      Failure(stage: "step", object: test.id, cause: cause, mend: mend)
    }
    guard !broke else { throw refused("a step before has broken", "leave this shell, and begin again") }
    guard !test.needs.runsPrograms else {
      throw refused("its steps run programs", "pawslab run --allow-exec")
    }
    let left = test.workload.count - next
    guard left > 0 else { return }
    guard let number = count == nil ? 1 : count == "all" ? left : count.flatMap({ Int($0) }), number > 0
    else {
      throw refused("\(count ?? "") is no number of steps", "step, step 2, step all")
    }
    // Until it is done.
    broke = true
    if next == 0 {
      try workload.recorder.tellAll()
      try workload.recorder.before()
    }
    for _ in 0..<min(number, left) {
      try workload.perform(next)
      next += 1
    }
    broke = false
    guard next == test.workload.count else { return }
    workload.conclude()
    try workload.loop.drain()
    var stopwatch = Stopwatch()
    emit(.observation(try workload.recorder.finish(timings: [], &stopwatch)))
  }
}
