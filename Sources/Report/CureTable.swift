import Judging
import Model

/// What ends a loss, what softens it, and what does nothing: every change was run.
public struct CureTable: Codable, Sendable {
  /// The case.
  public var name: String
  /// Name of the kernel that ran all of it.
  public var kernel: String
  /// Label to what its attempts met without any change, where that was not well: `dropped by tw-paws`.
  public var hurt: [String: String]
  /// Changes that were run, in the order in which they were.
  public var trials: [Trial] = []
  /// What could not be run there: a change, and why.
  public var skipped: [Skipped] = []
  /// Pairs of changes that were run, and those that there are of what did something.
  public var pairs = Pairs()
  /// Cases of other lab files in which nobody is hurt as they are; nil where nobody looked.
  public var elsewhere: Int?

  public init(name: String, kernel: String, hurt: [String: String]) {
    (self.name, self.kernel, self.hurt) = (name, kernel, hurt)
  }

  /// One change, or two, and what it came to.
  public struct Trial: Codable, Sendable {
    public var cure: Cure
    public var effect: Cure.Effect
    /// Label to what its attempts met then, where that was not well.
    public var hurt: [String: String]
    /// How often it was run to be sure, and how often it ended it.
    public var confirmed: Confirmed?
    /// What it comes to where it is written on machines that run, right before somebody is hurt; nil where it cannot be.
    public var atOnce: Cure.Effect?
    /// Cases of other lab files in which somebody is hurt with it, and nobody without; nil where nobody looked.
    public var elsewhere: [Elsewhere]?

    public init(_ cure: Cure, _ effect: Cure.Effect, hurt: [String: String]) {
      (self.cure, self.effect, self.hurt) = (cure, effect, hurt)
    }

    /// Whether it ends it, each time.
    public var isCure: Bool { effect == .ends && confirmed.map { $0.ended == $0.times } != false }
  }

  public struct Confirmed: Codable, Sendable {
    public var ended: Int
    public var times: Int
    public init(ended: Int, times: Int) { (self.ended, self.times) = (ended, times) }
  }

  public struct Pairs: Codable, Sendable {
    public var tried = 0
    public var all = 0
    public init() {}
  }

  public struct Skipped: Codable, Sendable {
    public var change: Cure.Change
    public var why: String
    public init(change: Cure.Change, why: String) { (self.change, self.why) = (change, why) }
  }

  public struct Elsewhere: Codable, Sendable {
    /// The case as it is in the library.
    public var name: String
    /// Label to what its attempts met.
    public var hurt: [String: String]
    public init(name: String, hurt: [String: String]) { (self.name, self.hurt) = (name, hurt) }
  }

  /// What ends it, what is smallest first.
  public var cures: [Trial] {
    trials.filter(\.isCure).sorted { $0.cure.changes.count < $1.cure.changes.count }
  }

  // MARK: as text

  /// In lines of at most 80 columns, where names are not longer.
  public var lines: [String] {
    var lines = ["\(name)  on \(kernel)"] + Self.words(hurt).map { "  \($0)" }
    guard !hurt.isEmpty else { return lines + ["  nobody is hurt: there is nothing to end"] }
    let cures = cures
    lines += ["", cures.isEmpty ? "nothing that was tried ends it" : "ends it"]
    for trial in cures { lines += self.lines(of: trial) }
    let unsure = trials.filter { $0.effect == .ends && !$0.isCure }
    if !unsure.isEmpty { lines += ["", "ends it at times"] }
    for trial in unsure { lines += self.lines(of: trial) }
    for (effect, title) in [(Cure.Effect.softens, "softens it"), (.worsens, "makes it worse")] {
      let some = trials.filter { $0.effect == effect && $0.cure.changes.count == 1 }
      if !some.isEmpty { lines += ["", title] }
      for trial in some {
        lines.append("  \(trial.cure.text)")
        lines += Self.words(trial.hurt).map { "      \($0)" }
      }
    }
    let idle = trials.count { $0.effect == .nothing && $0.cure.changes.count == 1 }
    lines += ["", "\(idle) other single changes do nothing for it" + (idle > 0 ? ": --format json" : "")]
    if pairs.all > 0 {
      lines.append(
        "\(pairs.tried) of \(pairs.all) pairs of changes that did something, and end nothing alone, were tried"
      )
    }
    if let first = skipped.first {
      lines.append(
        "\(skipped.count) changes could not be tried here, such as \(first.change.text): \(first.why)")
    }
    return lines
  }

  private func lines(of trial: Trial) -> [String] {
    var lines = ["  \(trial.cure.text)"]
    lines += trial.cure.changes.compactMap(\.command).map { "      \($0)" }
    if let confirmed = trial.confirmed, confirmed.ended < confirmed.times {
      lines.append("      in \(confirmed.ended) of \(confirmed.times) runs")
    }
    switch trial.atOnce {
    case .ends: lines.append("      works at once on machines that run")
    case .softens: lines.append("      on machines that run it softens it at first, and ends it later")
    case .nothing, .worsens: lines.append("      does NOT work at once: what is there already still hurts")
    case nil: break
    }
    if let elsewhere = trial.elsewhere, let all = self.elsewhere {
      lines.append("      elsewhere: \(elsewhere.count) of \(all) cases are hurt by it that were not")
      lines += elsewhere.prefix(Self.most).flatMap { other in
        ["        \(other.name)"] + Self.words(other.hurt).map { "          \($0)" }
      }
      if elsewhere.count > Self.most {
        lines.append("        and \(elsewhere.count - Self.most) more: --format json")
      }
    }
    return lines
  }

  /// Cases elsewhere that are shown.
  private static let most = 9

  private static func words(_ hurt: [String: String]) -> [String] {
    hurt.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
  }
}
