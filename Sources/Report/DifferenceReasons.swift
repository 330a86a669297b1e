import Judging
import Model

extension Difference {
  /// Why the kernels differ, a line each; none where nothing tells.
  ///
  /// Told by what the lab file says of each kernel, where that is not the same (another rule's `because`, or why the case is
  /// skipped), else by a counter that moved on one kernel and that another does not have, else by a change of the kernel's
  /// that is known.
  ///
  /// - Parameter kernels: what each kernel has, by the names of ``behaviours``.
  public func reasons(_ kernels: [String: Kernel]) -> [String] {
    let told = grouped { _, behaviour in behaviour.because.map { "because \($0)" } }
    if told.count > 1 { return told.map { "\($0.kernels.joined(separator: ", ")): \($0.words)" } }
    let counters = Set(behaviours.flatMap(\.behaviour.counters))
    let lacking = grouped { kernel, behaviour in
      // Of a kernel whose counters nobody asked for, nothing is known.
      guard let has = kernels[kernel]?.capabilities, has.contains(where: \.isCounter) else { return nil }
      let own = counters.subtracting(behaviour.counters).filter { counter in
        !Self.names(of: counter).contains { has.contains(.counter($0)) }
      }
      let names = Set(own.compactMap { $0.split(separator: " ").last }).sorted()
      return names.isEmpty ? nil : "has no counter \(names.joined(separator: ", "))"
    }
    let lines = lacking.map { "\($0.kernels.joined(separator: ", ")) \($0.words)" }
    return lines.isEmpty ? changes : lines
  }

  /// What was changed between the first kernel and each that is unlike it; none unless that is known of all of them.
  private var changes: [String] {
    guard let first = behaviours.first?.behaviour else { return [] }
    var words: [String] = []
    for other in behaviours.map(\.behaviour) where other != first {
      let one = Set(first.counters.subtracting(other.counters).map(Self.name(of:)))
      let two = Set(other.counters.subtracting(first.counters).map(Self.name(of:)))
      let changes = KernelChange.explaining(one, two, outcomes: first.outcomes.values)
      guard other.verdict == first.verdict, other.outcomes == first.outcomes, !changes.isEmpty else {
        return []
      }
      words += changes.map(\.words).filter { !words.contains($0) }
    }
    return words
  }

  /// What neither the lab files nor what the kernels count explains, in a line; none where nothing differs.
  static func unexplained(_ differences: [Difference], _ kernels: [String: Kernel]) -> [String] {
    guard !differences.isEmpty else { return [] }
    let cases = differences.filter { $0.reasons(kernels).isEmpty }.flatMap(\.cases)
    guard let first = cases.first else { return ["each of them is explained"] }
    return [
      cases.count == 1
        ? "nothing explains \(first)"
        : "nothing explains \(cases.count) of them: \(first) and \(cases.count - 1) more"
    ]
  }

  /// What a counter of ``Behaviour/counters`` may be called in full.
  private static func names(of counter: String) -> [String] {
    let name = counter.drop { $0 != " " }.dropFirst()
    return ["\(name)", "TcpExt.\(name)", "conntrack.\(name)"]
  }

  /// What it is called in full.
  private static func name(of counter: String) -> String {
    names(of: counter).first(where: KnownCounters.ofKernels.contains) ?? counter
  }

  /// Kernels of which the same is to be said, in their order.
  func grouped(_ words: (String, Behaviour) -> String?) -> [(words: String, kernels: [String])] {
    var groups: [(words: String, kernels: [String])] = []
    for (kernel, behaviour) in behaviours {
      guard let words = words(kernel, behaviour) else { continue }
      if let index = groups.firstIndex(where: { $0.words == words }) {
        groups[index].kernels.append(kernel)
      } else {
        groups.append((words, [kernel]))
      }
    }
    return groups
  }
}
