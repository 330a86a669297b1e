import ArgumentParser
import Foundation
import Lab
import Report
import Scenario

struct Run: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Run cases and judge them (the default).")

  @OptionGroup var selection: Selection
  @OptionGroup var running: Running

  @Option(help: "Keep results.json and everything that was seen in this folder.")
  var out: String?

  @Option(help: "A case that matches (by name or scenario) and is not judged counts as a failure.")
  var require: [String] = []

  @Flag(help: "Say only what failed, and the last line.")
  var quiet = false

  @Flag(help: "Show every witness.")
  var verbose = false

  func run() async throws {
    let cases = try selection.cases()
    let folder = try out.map { try RunFolder(creating: $0) }
    let runner = try running.runner()
    let kernel = try await runner.probe()
    let screen = Screen(
      total: cases.count,
      report: TextReport(detail: quiet ? .quiet : verbose ? .verbose : .normal, colour: Console.colour),
      live: Console.isTerminal && !quiet)

    let began = ContinuousClock.now
    let interrupt = Interrupt()
    let work = Task {
      await runner.run(cases, on: kernel) { event in
        await screen.show(event)
        if case .finished(let result) = event {
          do { try folder?.save(result) } catch { await screen.complain("\(error)") }
        }
      }
    }
    interrupt.onSignal { work.cancel() }
    let finished = await work.value
    await screen.end()
    let seconds = began.duration(to: .now) / .seconds(1)

    let order = Dictionary(cases.enumerated().map { ($1.id, $0) }) { first, _ in first }
    let results = finished.sorted { order[$0.test.id] ?? 0 < order[$1.test.id] ?? 0 }
    for line in screen.report.summary(results, seconds: seconds, kernel: kernel) { Console.print(line) }
    try folder?.save(Results(results, kernel: kernel, seconds: seconds))

    if let signal = interrupt.received {
      Console.error(
        "pawslab: interrupted; \(cases.count - results.count) of \(cases.count) cases were not judged")
      throw ExitCode(128 + signal)
    }
    let unjudged = results.filter { result in
      result.judgement.verdict == .skip
        && require.contains { Glob($0).matches(result.test.id) || Glob($0).matches(result.test.scenario) }
    }
    for result in unjudged {
      Console.error("required, but skipped: \(result.test.id): \(result.judgement.reason)")
    }
    let verdicts = Set(results.map(\.judgement.verdict))
    if verdicts.contains(.error) { throw ExitCode(3) }
    if verdicts.contains(.fail) || !unjudged.isEmpty { throw ExitCode(1) }
  }
}

/// Shows what happens while cases run: a line per case, and on a terminal what runs now.
actor Screen {
  nonisolated let report: TextReport
  private let total: Int
  private let live: Bool
  private var done = 0
  private var running: [String] = []

  init(total: Int, report: TextReport, live: Bool) {
    self.total = total
    self.report = report
    self.live = live
  }

  func show(_ event: Runner.Event) {
    clear()
    switch event {
    case .started(let test):
      running.append(test.id)
    case .finished(let result):
      done += 1
      running.removeAll { $0 == result.test.id }
      for line in report.lines(result) { Console.print(line) }
    }
    guard live else { return }
    let text = "\(done)/\(total) judged, \(running.count) running: \(running.first ?? "")"
    Console.write(text.prefix(width - 1), to: .standardOutput)
  }

  func complain(_ text: String) {
    clear()
    Console.error("pawslab: \(text)")
  }

  func end() { clear() }

  private func clear() {
    if live { Console.write("\r\u{1b}[K", to: .standardOutput) }
  }

  private var width: Int {
    var size = winsize()
    return ioctl(1, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20 ? Int(size.ws_col) : 80
  }
}
