import Evidence
import Foundation
import Judging
import Lab
import Model
import Report
import Testing
import Wire

/// How the lab treats a worker that misbehaves: always an error, never a drop, and the others go on.
/// The workers here are shell scripts; what a real one does is tested by running the lab.
@Suite struct RunnerTests {
  static func runner(_ script: String, deadline: Int = 20, jobs: Int = 2) throws -> Runner {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("worker-\(UUID().uuidString)")
      .path
    try ("#!/bin/sh\nread request\n" + script).write(toFile: path, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    return Runner(worker: path, jobs: jobs, deadline: deadline)
  }

  static let host = Machine(name: "host", kernel: PlanTests.kernel(), stored: nil)

  static func outcome(_ script: String, deadline: Int = 20) async throws -> Judgement {
    let results = try await Self.runner(script, deadline: deadline)
      .run([(PlanTests.test(), Self.host)], onEvent: { _ in })
    return try #require(results.first).judgement
  }

  @Test(arguments: [
    ("echo gibberish", "not an event: gibberish (The given data was not valid JSON.)"),
    (
      #"echo '{"observation":{"_0":{"format":9,"caseID":[]}}}'"#,
      "at observation._0.format: of format 9; this program reads \(EvidenceFormat.current))"
    ),
    (#"echo '{"stage":{"_0":7}}'"#, #"not an event: {"stage":{"_0":7}} (at stage._0: "#),
    ("echo oops >&2; exit 7", "ended early"),
    ("echo oops >&2; exit 7", "oops"),
    ("kill -9 $$", "ended early"),
    ("", "ended early"),
    (
      #"echo '{"failure":{"_0":{"stage":"links","object":"hop","cause":"no veth"}}}'"#, "links hop: no veth"
    ),
  ])
  func aBrokenWorkerIsAnError(script: String, reason: String) async throws {
    let judgement = try await Self.outcome(script)
    #expect(judgement.verdict == .error)
    #expect(judgement.reason.contains(reason), "\(judgement.reason)")
  }

  @Test func aWorkerThatHangsIsKilledAndItsStageNamed() async throws {
    let pid = FileManager.default.temporaryDirectory.appendingPathComponent("pid-\(UUID().uuidString)").path
    let judgement = try await Self.outcome(
      #"echo '{"stage":{"_0":"testbed"}}'; echo $$ > \#(pid); exec sleep 100"#, deadline: 5)
    #expect(judgement.verdict == .error)
    #expect(judgement.reason.hasPrefix("testbed pawslab-worker: no answer within 5 s"), "\(judgement.reason)")
    let number = try String(contentsOfFile: pid, encoding: .utf8).trimmingCharacters(
      in: .whitespacesAndNewlines)
    #expect(!FileManager.default.fileExists(atPath: "/proc/\(number)"))
  }

  /// What a worker tells before it breaks is kept, and never judged. Was lost.
  @Test(arguments: [true, false]) func whatWasSeenUntilItBrokeIsKept(tells: Bool) async throws {
    let attempt = Attempt(
      id: 0, step: 0, label: "c", kind: .connect, client: "c", local: "198.18.0.2:40000",
      remote: "198.18.0.1:8000", isn: nil, began: 1, ended: 2, calls: 1, errno: nil)
    var pcapng = Pcapng.Writer()
    pcapng.add(
      Packet(
        node: "c", interface: "eth0", time: 1, outgoing: true, length: 60,
        bytes: Data(repeating: 0, count: 60)))
    var seen = Observation(caseID: "x/y")
    seen.attempts = [attempt]
    seen.rules = "kept"
    var events: [WorkerEvent] = [.stage("workload"), .attempt(attempt), .packets(pcapng.take())]
    if tells {
      events += [.seen(seen), .failure(Failure(stage: "wait", object: "a FIN", cause: "not seen"))]
    }
    let lines = try events.map {
      "echo '\(String(decoding: try JSONEncoder().encode($0), as: UTF8.self))'"
    }
    let runner = try Self.runner(lines.joined(separator: "\n") + "\nexit 3")
    let result = try #require(await runner.run([(PlanTests.test(), Self.host)], onEvent: { _ in }).first)
    #expect(result.judgement.verdict == .error)
    let observation = try #require(result.observation)
    #expect(observation.attempts == [attempt])
    #expect(observation.packets.count == 1)
    #expect(observation.broke == result.judgement.reason)
    #expect(observation.rules == (tells ? "kept" : ""))
    #expect(judge(result.test, on: Self.host.kernel, seen: observation) == result.judgement)
    // As explain --from finds it.
    let path = ReportTests.folder()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let folder = try RunFolder(creating: path)
    try folder.save(result, on: Self.host.kernel)
    try folder.save(Results([result], kernels: ["host": Self.host.kernel], seconds: 0))
    #expect(try folder.loadResults().cases.first?.observation != nil)
    let kept = try folder.load(result.test.id, kernel: "host")
    #expect(kept.observation?.broke == result.judgement.reason)
    #expect(kept.observation?.packets == observation.packets)
  }

  /// An answer of a worker that saw nothing, which is judged: by the words of PlanTests' rule.
  private static func answer() throws -> String {
    String(
      decoding: try JSONEncoder().encode(WorkerEvent.observation(Observation(caseID: "x"))), as: UTF8.self)
  }

  private static func cases(_ count: Int) -> [(test: Case, machine: Machine)] {
    (0..<count).map { index in
      var test = PlanTests.test()
      test.id = "x/\(index)"
      test.rules = [Rule(kernel: [], outcomes: [:], because: "")]
      return (test, host)
    }
  }

  @Test func oneBrokenCaseDoesNotStopTheOthers() async throws {
    let runner = try Self.runner(
      #"case "$request" in *'"x/3"'*) exit 1; esac; echo '\#(try Self.answer())'"#, jobs: 3)
    let results = await runner.run(Self.cases(6), onEvent: { _ in })
    #expect(results.count == 6)
    for result in results {
      #expect(
        result.judgement.verdict == (result.test.id == "x/3" ? .error : .pass), "\(result.test.id)")
    }
  }

  @Test func aCancelledRunKeepsWhatWasJudged() async throws {
    let runner = try Self.runner("exec sleep 100", deadline: 90)
    let skipped = PlanTests.test(settings: ["server": ["tcp_tw_recycle": "1"]])
    let kernel = PlanTests.kernel(without: [.setting("tcp_tw_recycle")])
    let machine = Machine(name: "host", kernel: kernel, stored: nil)
    let (started, tell) = AsyncStream<Void>.makeStream()
    let work = Task {
      await runner.run([skipped, PlanTests.test()].map { ($0, machine) }) { event in
        if case .started = event { tell.yield() }
      }
    }
    // Not before its worker is there to be killed.
    _ = await started.first { true }
    work.cancel()
    #expect(await work.value.map(\.judgement.verdict) == [.skip])
  }

  // MARK: what is scarce

  private actor Lines {
    private(set) var all: [String] = []
    func add(_ line: String) { all.append(line) }
  }

  private static func scarce() throws -> String {
    var failure = Failure(
      stage: "network namespace", object: "hop", cause: "unshare(CLONE_NEWNET): No space left on device")
    failure.isScarcity = true
    return String(decoding: try JSONEncoder().encode(WorkerEvent.failure(failure)), as: UTF8.self)
  }

  /// As many as there is room for at the same time, here one: a folder that only one worker can make.
  @Test func whatLackedSomethingBesideOthersRunsWhenTheyHaveEnded() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("room-\(UUID().uuidString)")
      .path
    let script = """
      if mkdir \(folder) 2>/dev/null
      then while [ ! -e \(folder)-full ]; do :; done; rmdir \(folder); echo '\(try Self.answer())'
      else touch \(folder)-full; echo '\(try Self.scarce())'
      fi
      """
    defer { try? FileManager.default.removeItem(atPath: "\(folder)-full") }
    let lines = Lines()
    var runner = try Self.runner(script, jobs: 4)
    runner.say = { await lines.add($0) }
    let results = await runner.run(Self.cases(6), onEvent: { _ in })
    #expect(
      results.map(\.judgement.verdict) == Array(repeating: .pass, count: 6),
      "\(results.map(\.judgement.reason))")
    #expect(
      await lines.all.first?.contains(" cases at a time from here on: network namespace hop: unshare") == true
    )
  }

  /// It lacked what the other held until just before: to hear of it when that one has ended does not make it alone.
  @Test func whatLackedSomethingBesideOneThatHasEndedMeanwhileRunsAgain() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("room-\(UUID().uuidString)")
      .path
    let script = """
      if mkdir \(folder) 2>/dev/null
      then echo $$ >\(folder)/first; while [ ! -e \(folder)-full ]; do :; done; echo '\(try Self.answer())'
      elif [ ! -e \(folder)-full ]
      then touch \(folder)-full
        while [ ! -s \(folder)/first ] || kill -0 "$(cat \(folder)/first)" 2>/dev/null; do :; done
        echo '\(try Self.scarce())'
      else echo '\(try Self.answer())'
      fi
      """
    defer {
      for path in [folder, "\(folder)-full"] { try? FileManager.default.removeItem(atPath: path) }
    }
    let results = await (try Self.runner(script, jobs: 2)).run(Self.cases(2), onEvent: { _ in })
    #expect(
      results.map(\.judgement.verdict) == [.pass, .pass], "\(results.map(\.judgement.reason))")
  }

  @Test func whatLacksSomethingAloneIsAnError() async throws {
    let runner = try Self.runner("echo '\(try Self.scarce())'", jobs: 3)
    let results = await runner.run(Self.cases(4), onEvent: { _ in })
    #expect(results.count == 4)
    #expect(
      results.allSatisfy {
        $0.judgement.verdict == .error && $0.judgement.reason.hasSuffix("No space left on device")
      })
  }

  @Test func aProgramThatIsNotThereIsAnErrorOfItsCases() async throws {
    let results = await Runner(worker: "/no/such/worker", jobs: 2, deadline: 20)
      .run(Self.cases(2), onEvent: { _ in })
    #expect(results.map(\.judgement.verdict) == [.error, .error])
    #expect(
      results.allSatisfy { $0.judgement.reason.hasPrefix("start /no/such/worker: ") },
      "\(results[0].judgement.reason)")
  }

  // MARK: versions

  @Test func aRequestThatCannotBeReadIsSaidInTheDecodersWords() throws {
    func refused(_ line: String) -> String {
      do {
        _ = try WorkerProtocol.request(in: Data(line.utf8))
        return "it was taken"
      } catch { return "\(error)" }
    }
    #expect(refused("").hasPrefix("worker standard input: no request; "))
    #expect(refused("{").hasPrefix("worker standard input: not a request: "))
    #expect(
      refused(#"{"version":1,"request":{"probe":{}}}"#).hasPrefix(
        "worker protocol: the request is of version 1, this is version \(WorkerProtocol.version); "))
    #expect(
      refused(#"{"request":{"probe":{}}}"#).hasPrefix("worker standard input: not a request: no version; "))
    #expect(
      refused(#"{"version":\#(WorkerProtocol.version),"request":{"hold":{"_0":{}}}}"#)
        .hasPrefix("worker standard input: not a request: at request.hold._0: no "))
    var line =
      (try? WorkerProtocol.line(.run(PlanTests.test(), PlanTests.kernel())))
      .map { String(decoding: $0, as: UTF8.self) } ?? ""
    line = line.replacingOccurrences(of: #""tc-bpf""#, with: #""tc-bqf""#)
    #expect(refused(line).contains("no capability is called tc-bqf"), "\(refused(line))")
  }
}
