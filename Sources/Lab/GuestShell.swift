import Foundation
import MicroVM
import Model
import Wire

/// Somebody's terminal, from which a shell in a guest is used.
public struct Terminal: Sendable {
  /// At the beginning.
  public var size: TerminalSize
  /// `NAME=VALUE`: what the shell has in its environment.
  public var environment: [String]
  /// What is typed, and other sizes of the window; ends where nothing more can be typed.
  public var input: AsyncStream<(Frame.Kind, [UInt8])>
  /// Takes what is to be shown, as it is.
  public var show: @Sendable ([UInt8]) -> Void

  /// Makes one.
  public init(
    size: TerminalSize, environment: [String], input: AsyncStream<(Frame.Kind, [UInt8])>,
    show: @escaping @Sendable ([UInt8]) -> Void
  ) {
    (self.size, self.environment, self.input, self.show) = (size, environment, input, show)
  }
}

/// Gives a shell in a node on another terminal, until it ends: its exit status.
public typealias TerminalJoin = @Sendable (_ node: String, _ terminal: Terminal) async throws -> Int32

extension Runner {
  /// Boots a guest, lays out a case's network in it, has its servers answer, and gives a shell in one of its nodes, until
  /// that ends: its exit status. The guest ends with it, and with the task.
  ///
  /// - Parameters:
  ///   - commands: programs that its shells have, path to text.
  ///   - answer: what is told of steps that somebody asks for, and the status that `step` ends with.
  ///   - open: is given the nodes once they are there, where steps are asked for, and what lets other terminals in; makes
  ///     the terminal.
  /// - Throws: `Failure` where the kernel cannot run the case, or the guest or the network breaks.
  public func shell(
    in node: String, of test: Case, on machine: Machine, commands: [String: String],
    answering answer: @escaping @Sendable (StepTold) -> (lines: [String], status: Int),
    _ open: @escaping @Sendable ([HeldNode], StepPipes, @escaping TerminalJoin) async throws -> Terminal
  ) async throws -> Int32 {
    if let failure = machine.failure { throw failure }
    guard let stored = machine.stored else {
      throw Failure(stage: "shell", object: machine.name, cause: "it is no guest")
    }
    let settings: [String: String]
    switch Plan(test, on: machine) {
    case .skip(let reason):
      throw Failure(stage: "shell", object: test.id, cause: "it cannot run on \(machine.name): \(reason)")
    case .run(let values, _): settings = values
    }
    let bundles = Guest.bundles(for: [test], on: machine.kernel)
    return try await inGuest(stored, bundles: bundles) {
      try await GuestWorker.apply(settings, bundles: bundles, on: $0.guest)
      return try await $0.shell(
        in: node, .hold(test, machine.kernel.forWorker, commands: commands), StepLog(answer), open)
    }
  }
}

extension GuestWorker {
  fileprivate func shell(
    in node: String, _ request: WorkerRequest, _ log: StepLog,
    _ open: @escaping @Sendable ([HeldNode], StepPipes, @escaping TerminalJoin) async throws -> Terminal
  ) async throws -> Int32 {
    let (networks, continuation) = AsyncStream<([HeldNode], StepPipes)>.makeStream()
    let (answers, answering) = AsyncStream<[UInt8]>.makeStream()
    let payload =
      Array((bundles.joined(separator: " ") + "\n").utf8) + (try WorkerProtocol.line(request))
    return try await withThrowingTaskGroup(of: Int32.self) { group in
      group.addTask {
        defer { continuation.finish() }
        var lines = EventLines()
        var log = log
        let cause = try await guest.follow(payload, input: answers) { frame in
          guard frame.kind == .output else { return }
          for event in try frame.payload.withUnsafeBytes({ try lines.add($0) }) {
            switch event {
            case .held(let nodes, _, let steps): continuation.yield((nodes, steps))
            case .failure(let failure): throw failure
            default: if let bytes = try log.take(event) { answering.yield(bytes) }
            }
          }
        }
        throw Failure(
          stage: "worker", object: "worker in \(guest.name)", cause: cause ?? "ended, and its network with it"
        )
      }
      group.addTask {
        for await (nodes, steps) in networks {
          let join: TerminalJoin = { [guest] name, terminal in
            guard let held = nodes.first(where: { $0.name == name }) else {
              throw Failure(
                stage: "shell", object: name, cause: "no such node",
                mend: "name one of \(nodes.map(\.name).joined(separator: ", "))", isUsage: true)
            }
            return try await guest.terminal(
              TerminalOrder(
                size: terminal.size, namespace: held.path, environment: terminal.environment),
              input: terminal.input, onOutput: terminal.show)
          }
          guard nodes.contains(where: { $0.name == node }) else { break }
          return try await join(node, try await open(nodes, steps, join))
        }
        // Why there is none, the other task says.
        try await Task.sleep(for: .seconds(10))
        throw Failure(stage: "shell", object: node, cause: "no such node")
      }
      defer { group.cancelAll() }
      guard let status = try await group.next() else { throw CancellationError() }
      return status
    }
  }
}
