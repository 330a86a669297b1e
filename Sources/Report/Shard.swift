import Model

/// One of several parts that a run is cut into: what `--shard i/n` names.
public struct Shard: Codable, Sendable, Hashable, CustomStringConvertible {
  /// From 1.
  public let index: Int
  /// How many there are.
  public let count: Int

  /// Parts that a run is cut into at most.
  public static let most = 10_000

  /// The part `index` of `count`.
  ///
  /// - Throws: `Failure` of usage where there is none.
  public init(_ index: Int, of count: Int) throws(Failure) {
    guard (1...Self.most).contains(count), (1...count).contains(index) else {
      throw Failure(
        stage: "--shard", object: "\(index)/\(count)",
        cause: (1...Self.most).contains(count)
          ? "of \(count) shards there is none of that number"
          : "a run is cut into 1 to \(Self.most) shards",
        mend: "i/n, i from 1 to n: --shard 1/4", isUsage: true)
    }
    (self.index, self.count) = (index, count)
  }

  /// Reads `2/4`.
  public init(_ text: String) throws(Failure) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Self.number($0) }
    guard parts.count == 2, let index = parts[0], let count = parts[1] else {
      throw Failure(
        stage: "--shard", object: text.isEmpty ? "\"\"" : text, cause: "no shard is called so",
        mend: "i/n, i from 1 to n: --shard 1/4", isUsage: true)
    }
    try self.init(index, of: count)
  }

  /// `2/4`
  public var description: String { "\(index)/\(count)" }

  /// Digits and nothing else.
  static func number(_ text: some StringProtocol) -> Int? {
    (1...9).contains(text.utf8.count) && text.utf8.allSatisfy { (48...57).contains($0) } ? Int(text) : nil
  }
}

extension Shard {
  /// How an engine that hands out machines tells a job which of several it is.
  private struct Engine {
    /// What people call it.
    var name: String
    /// The variable that says which.
    var index: String
    /// What the first is called; nil where a variable says it.
    var base: Int
    /// The variable that says how many.
    var count: String
    /// Where the engine sets the count itself, whether or not there are several.
    var alwaysCounts = false
    /// Variables that say the first's number and the step from one to the next.
    var first: String?
    var step: String?
  }

  /// Read from each engine's own documentation:
  ///
  /// - Slurm: sbatch(1), OUTPUT ENVIRONMENT VARIABLES: `SLURM_ARRAY_TASK_ID`, `_COUNT`, `_MIN`, `_STEP`.
  /// - Kubernetes: Indexed Jobs, `JOB_COMPLETION_INDEX` from 0. It says nowhere how many there are: the manifest does,
  ///   as `JOB_COMPLETIONS`, beside `.spec.completions`.
  /// - GitLab: predefined variables, `CI_NODE_INDEX` from 1 and only with `parallel`, `CI_NODE_TOTAL` always.
  /// - Test definitions of Linaro (LAVA): parameters `SHARD_INDEX` from 1, `SHARD_NUMBER` how many.
  /// - CircleCI: `CIRCLE_NODE_INDEX` from 0, `CIRCLE_NODE_TOTAL`.
  /// - Buildkite: `BUILDKITE_PARALLEL_JOB` from 0, `BUILDKITE_PARALLEL_JOB_COUNT`.
  private static let engines = [
    Engine(
      name: "Slurm", index: "SLURM_ARRAY_TASK_ID", base: 0, count: "SLURM_ARRAY_TASK_COUNT",
      first: "SLURM_ARRAY_TASK_MIN", step: "SLURM_ARRAY_TASK_STEP"),
    Engine(name: "Kubernetes", index: "JOB_COMPLETION_INDEX", base: 0, count: "JOB_COMPLETIONS"),
    Engine(name: "GitLab", index: "CI_NODE_INDEX", base: 1, count: "CI_NODE_TOTAL", alwaysCounts: true),
    Engine(name: "test definitions", index: "SHARD_INDEX", base: 1, count: "SHARD_NUMBER"),
    Engine(
      name: "CircleCI", index: "CIRCLE_NODE_INDEX", base: 0, count: "CIRCLE_NODE_TOTAL", alwaysCounts: true),
    Engine(
      name: "Buildkite", index: "BUILDKITE_PARALLEL_JOB", base: 0, count: "BUILDKITE_PARALLEL_JOB_COUNT"),
  ]

  /// Which part an engine has said that this is.
  public struct Told: Sendable, Equatable {
    public var shard: Shard
    /// The variables that say it: `SLURM_ARRAY_TASK_ID=2 of SLURM_ARRAY_TASK_COUNT=4`.
    public var words: String
  }

  /// What the variables that engines set say; nil where none is set.
  ///
  /// - Throws: `Failure` of usage that names the variable: where one is no number or out of its range, where how many
  ///   there are is not said, or where two engines say different things.
  public static func told(by environment: [String: String]) throws(Failure) -> Told? {
    var found: [Told] = []
    for engine in engines {
      if let told = try told(by: engine, environment) { found.append(told) }
    }
    if let first = found.first, let other = found.first(where: { $0.shard != first.shard }) {
      throw Failure(
        stage: "--shard", object: "\(first.words); \(other.words)",
        cause: "these are two different shards, \(first.shard) and \(other.shard)",
        mend: "--shard i/n says which is meant", isUsage: true)
    }
    return found.first
  }

  private static func told(by engine: Engine, _ environment: [String: String]) throws(Failure) -> Told? {
    func failure(_ object: String, _ cause: String, _ mend: String = "--shard i/n says it instead") -> Failure
    {
      Failure(stage: "--shard", object: object, cause: cause, mend: mend, isUsage: true)
    }
    func value(_ name: String?) throws(Failure) -> Int? {
      guard let name, let text = environment[name], !text.isEmpty else { return nil }
      guard let number = number(text) else { throw failure("\(name)=\(quoted(text))", "no number") }
      return number
    }
    let index = try value(engine.index)
    let count = try value(engine.count)
    guard let index else {
      guard let count, count > 1, !engine.alwaysCounts else { return nil }
      throw failure(
        "\(engine.count)=\(count)", "\(engine.index) is not set, so nothing says which of them this is")
    }
    guard let count else {
      throw failure(
        "\(engine.index)=\(index)", "\(engine.count) is not set, so nothing says how many there are",
        "set \(engine.count), or --shard i/n says it")
    }
    guard (1...most).contains(count) else {
      throw failure("\(engine.count)=\(count)", "a run is cut into 1 to \(most) shards")
    }
    let first = try value(engine.first) ?? engine.base
    let step = try value(engine.step) ?? 1
    var name = ""
    if let variable = engine.first, environment[variable] != nil { name = " from \(variable)=\(first)" }
    if let variable = engine.step, step != 1 { name += " by \(variable)=\(step)" }
    let words = "\(engine.index)=\(index) of \(engine.count)=\(count)\(name)"
    guard step > 0 else { throw failure("\(engine.step ?? "")=\(step)", "no step") }
    let place = (index - first) / step
    guard index >= first, (index - first) % step == 0, place < count else {
      throw failure(
        words,
        "\(engine.name) counts from \(first)"
          + (step > 1 ? " by \(step)" : "") + " to \(first + (count - 1) * step)")
    }
    return Told(shard: try Shard(place + 1, of: count), words: words)
  }
}
