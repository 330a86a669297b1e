import Evidence
import MicroVM
import Model
import Wire

/// Cases that run once while something else looks on, under the same settings as ``Runner/run(_:onEvent:)`` would give them.
extension Runner {
  /// Runs one case beside `tcpdump` and `nstat`: what the lab saw, and what they saw.
  ///
  /// - Throws: where the machine cannot run the case, too.
  public func crossCheck(_ test: Case, on machine: Machine) async throws -> (Observation, SecondReading) {
    let request = WorkerRequest.crossCheck(test.forWorker, machine.kernel.forWorker)
    return try await answer(to: request, as: "crosscheck", test, on: machine) { event, told in
      guard case .crossChecked(let own, let second) = event else { return nil }
      return (try told.complete(own), second)
    }
  }

  /// Runs one case and counts how often its steps have the kernel call functions, by kprobes.
  ///
  /// They count for the whole kernel: in a guest of the case's own nobody else calls them.
  /// - Throws: where the machine cannot run the case, or its kernel has no such events (before 4.17), too.
  public func countCalls(
    of functions: [String], in test: Case, on machine: Machine
  ) async throws -> (Observation, FunctionReading) {
    let request = WorkerRequest.countCalls(test.forWorker, machine.kernel.forWorker, functions: functions)
    return try await answer(to: request, as: "functions", test, on: machine) { event, told in
      guard case .counted(let observation, let reading) = event else { return nil }
      return (try told.complete(observation), reading)
    }
  }

  /// - Parameter read: what of an event is the answer; nil where it is that of another question.
  private func answer<Answer: Sendable>(
    to request: WorkerRequest, as stage: String, _ test: Case, on machine: Machine,
    _ read: @escaping @Sendable (WorkerEvent, Told) throws -> Answer?
  ) async throws -> Answer {
    if let failure = machine.failure { throw failure }
    let settings: [String: String]
    switch consent.plan(test, on: machine) {
    case .skip(let reason): throw Failure(stage: stage, object: test.id, cause: reason)
    case .run(let values, _): settings = values
    }
    let patience = patience(test, inGuest: true)
    @Sendable func ask(_ host: some WorkerHost) async throws -> Answer {
      let told = Told()
      let event = try await host.ask(request, within: patience, onEvent: told.add)
      guard let answer = try read(event, told) else {
        throw Failure(stage: "worker", object: test.id, cause: "an answer to another question")
      }
      return answer
    }
    guard let stored = machine.stored else { return try await ask(worker) }
    let bundles = Guest.bundles(for: [test], on: machine.kernel)
    if let seed = machine.time.seed {
      let guest = try await needHypervisor(stored.name).saved(stored)
      return try await ask(VirtualWorker(guest: guest, bundles: bundles, settings: settings, seed: seed))
    }
    return try await inGuest(stored, bundles: bundles) {
      try await GuestWorker.apply(settings, bundles: bundles, on: $0.guest)
      return try await ask($0)
    }
  }
}
