/// Runs a program in a node, never through a shell. What it says and how it ends are evidence.
public struct Exec: StepAction {
  /// The node in whose network it runs.
  public var node: String
  /// The program, found on PATH, and its arguments.
  public var command: [String]
  /// What it has beside PATH and LC_ALL=C.
  public var environment: [String: String]?
  /// What it reads; nil is nothing.
  public var input: String?
  /// The exit status that it is to end with; nil is 0.
  public var exit: Int?
  /// Seconds after which it is killed; nil is 10.
  public var within: Int?
  /// What expectations call the connections that the node opens meanwhile, as its link shows them; nil for none.
  public var name: String?

  enum CodingKeys: String, CodingKey {
    case node, command, environment, input, exit, within, name = "label"
  }

  public init(
    node: String, command: [String], environment: [String: String]? = nil, input: String? = nil,
    exit: Int? = nil, within: Int? = nil, label: String? = nil
  ) {
    (self.node, self.command, self.environment, self.input) = (node, command, environment, input)
    (self.exit, self.within, name) = (exit, within, label)
  }

  public static let verb = Verb(
    "exec", "a program runs in a node, never through a shell; only with --allow-exec",
    shell: "ip netns exec NODE PROGRAM ARGUMENTS",
    subject: .list(.text(atMost: Bounds.text), atMost: Bounds.arguments),
    options: [
      Field("in", .name(.node), isRequired: true, "the node in whose network it runs"),
      Field(
        "environment", .entries(key: .text(atMost: Bounds.name), .text(atMost: Bounds.text)),
        "what it has beside PATH and LC_ALL=C"),
      Field("input", .paragraphs, "what it reads from standard input"),
      Field("exit", .number(0...255), byDefault: "0", "the exit status that it is to end with"),
      Field(
        "within", .number(1...Bounds.exec, unit: "s"), byDefault: "10",
        "how long it may run before it is killed"),
      Field("as", .newName, "what expectations call the connections that the node opens meanwhile"),
    ],
    example: "{exec: [curl, -s, \"http://198.18.0.1:8000\"], in: late, exit: 56}")

  public static func read(_ words: StepWords) -> [Exec] {
    guard let node = words["in"]?.text, !words.subject.texts.isEmpty else { return [] }
    let environment = words["environment"]?.entries.map { entries in
      Dictionary(entries.compactMap { key, value in value.text.map { (key, $0) } }) { _, last in last }
    }
    return [
      Exec(
        node: node, command: words.subject.texts, environment: environment, input: words["input"]?.text,
        exit: words["exit"]?.number, within: words["within"]?.number, label: words["as"]?.text)
    ]
  }

  public var label: String? { name }
  public var makes: Step.Makes { name == nil ? .nothing : .connections }
  public var words: String {
    "\(node) runs \(command.joined(separator: " "))" + (name.map { " (\($0))" } ?? "")
      + ((exit ?? 0) == 0 ? "" : ", which ends with \(exit ?? 0)")
  }

  public var groups: [String] { [] }
  public var names: [String] { [node] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { nil }
  public var needs: Step.Needs { Step.Needs(.netRaw) { $0.runsPrograms = true } }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    let limit = (within ?? 10).multiplied(by: 1000).adding(Deadlines.slack)
    return Step.Limits(attempt: limit, whole: limit)
  }
  public var excess: String? {
    outside("arguments", command.count, 1...Bounds.arguments) ?? outside("exit", exit, 0...255)
      ?? outside("within", within, 1...Bounds.exec)
  }
  public func mistake(in test: Case) -> StepMistake? {
    test.network.nodes.contains(node) || test.network.clients.contains { $0.group == node }
      ? nil : StepMistake("there is no node \(node)", at: "in")
  }
  public func perNode(_ members: (String) -> [String]) -> [Exec] {
    let nodes = members(node)
    return (nodes.isEmpty ? [node] : nodes).map {
      var own = self
      own.node = $0
      return own
    }
  }
}
