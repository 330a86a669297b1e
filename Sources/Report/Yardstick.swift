import Judging
import Model

/// By what two results of one case are told apart: the first of these in which the two ends differ.
public enum Yardstick: String, Sendable, CaseIterable {
  /// The verdict, and what each attempt did by which mechanism.
  case outcome
  /// That, and which counters moved of those that only move when something is refused, dropped or skipped.
  case counters

  /// Whether two results are the same by it.
  public func same(_ left: Difference.Behaviour, _ right: Difference.Behaviour) -> Bool {
    left.verdict == right.verdict && left.outcomes == right.outcomes
      && (self == .outcome || left.counters == right.counters)
  }

  /// The first by which two results differ; nil where they do not.
  public static func first(between left: Difference.Behaviour, _ right: Difference.Behaviour) -> Yardstick? {
    allCases.first { !$0.same(left, right) }
  }

  /// What a result is by it, in words: `pass: early connected, late dropped by tw-paws`.
  public func words(_ behaviour: Difference.Behaviour) -> String {
    var parts = behaviour.outcomes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    if self == .counters {
      parts.append(
        behaviour.counters.isEmpty ? "no such counter" : behaviour.counters.sorted().joined(separator: ", "))
    }
    return behaviour.verdict.rawValue + (parts.isEmpty ? "" : ": " + parts.joined(separator: "; "))
  }
}

extension Difference.Behaviour {
  init(verdict: Verdict, outcomes: [String: String], counters: Set<String>, because: String? = nil) {
    (self.verdict, self.outcomes, self.counters, self.because) = (verdict, outcomes, counters, because)
  }

  /// What a case did on a kernel.
  public init(_ result: CaseResult, on kernel: Kernel) { self.init(Results.Entry(result, on: kernel)) }
}

extension Comparison {
  /// The same case on two kernels, by the names of these.
  public init(_ first: (result: CaseResult, on: Kernel), _ second: (result: CaseResult, on: Kernel)) {
    func side(_ one: (result: CaseResult, on: Kernel)) -> Side {
      var entry = Results.Entry(one.result, on: one.on)
      // From the same seed, if from any.
      entry.seed = nil
      return Side(name: one.result.kernel, entries: [entry], on: one.on)
    }
    self.init(side(first), side(second))
  }
}

/// What two kernels have of which the other has nothing, as their probes found it.
public struct KernelDifference: Sendable, Equatable {
  /// Name of the kernel to what it alone has, in order.
  public var own: [(kernel: String, capabilities: [String])]

  public static func == (left: Self, right: Self) -> Bool {
    left.own.elementsEqual(right.own) { $0.kernel == $1.kernel && $0.capabilities == $1.capabilities }
  }

  /// Compares what probing found.
  public init(_ first: (name: String, kernel: Kernel), _ second: (name: String, kernel: Kernel)) {
    func alone(_ one: Kernel, _ other: Kernel) -> [String] {
      var words = one.capabilities.subtracting(other.capabilities).sorted().map(\.description)
      words += one.perKernelSettings.subtracting(other.perKernelSettings).sorted().map {
        "\($0) once per kernel"
      }
      if one.timestampTicksPerSecond != other.timestampTicksPerSecond {
        words.append("\(one.timestampTicksPerSecond) timestamp ticks a second")
      }
      return words
    }
    own = [
      (first.name, alone(first.kernel, second.kernel)), (second.name, alone(second.kernel, first.kernel)),
    ]
  }

  /// `only debian-13: TcpExt.PAWSOldAck backlog-zero`, a line each; a line that says so where there is nothing.
  public var lines: [String] {
    let lines = own.filter { !$0.capabilities.isEmpty }.map {
      "only \($0.kernel) has \($0.capabilities.joined(separator: ", "))"
    }
    return lines.isEmpty ? ["probing finds nothing that one has and the other lacks"] : lines
  }
}
