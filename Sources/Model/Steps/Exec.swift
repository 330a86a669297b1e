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
  /// What is to be in what it writes, to either stream; nil for whatever it writes.
  public var says: String?
  /// Seconds after which it is killed; nil is 10.
  public var within: Int?
  /// What expectations call the connections that the node opens meanwhile, as its link shows them; nil for none.
  public var name: String?

  enum CodingKeys: String, CodingKey {
    case node, command, environment, input, exit, says, within, name = "label"
  }

  public init(
    node: String, command: [String], environment: [String: String]? = nil, input: String? = nil,
    exit: Int? = nil, says: String? = nil, within: Int? = nil, label: String? = nil
  ) {
    (self.node, self.command, self.environment, self.input) = (node, command, environment, input)
    self.says = says
    (self.exit, self.within, name) = (exit, within, label)
  }

  public static let verb = Verb(
    "exec",
    "a program runs in a node, never through a shell; only with --allow-exec. A daemon that it leaves goes on until the "
      + "case ends. {NODE} in its arguments and its input is that node's address, as in a URL",
    shell: "ip netns exec NODE PROGRAM ARGUMENTS",
    subject: .list(.text(atMost: Bounds.text), atMost: Bounds.arguments),
    options: [
      Field("in", .name(.node), isRequired: true, "the node in whose network it runs"),
      Field(
        "environment", .entries(key: .text(atMost: Bounds.name), .text(atMost: Bounds.text)),
        "what it has beside PATH and LC_ALL=C"),
      Field("input", .paragraphs, "what it reads from standard input, which is a file: /proc/self/fd/0"),
      Field("exit", .number(0...255), byDefault: "0", "the exit status that it is to end with"),
      Field("says", .text(atMost: Bounds.text), "what is to be in what it writes"),
      Field(
        "within", .number(1...Bounds.exec, unit: "s"), byDefault: "10",
        "how long it may run before it is killed"),
      Field("as", .newName, "what expectations call the connections that the node opens meanwhile"),
    ],
    example: "{exec: [curl, -s, \"http://{server}:8000\"], in: late, exit: 56}")

  public static func read(_ words: StepWords) -> [Exec] {
    guard let node = words["in"]?.text, !words.subject.texts.isEmpty else { return [] }
    let environment = words["environment"]?.entries.map { entries in
      Dictionary(entries.compactMap { key, value in value.text.map { (key, $0) } }) { _, last in last }
    }
    return [
      Exec(
        node: node, command: words.subject.texts, environment: environment, input: words["input"]?.text,
        exit: words["exit"]?.number, says: words["says"]?.text, within: words["within"]?.number,
        label: words["as"]?.text)
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
  /// A program that no lab knows is looked for when it is run.
  public var needs: Step.Needs {
    let program = command.first.flatMap { name in Capability.Feature.programs.first { $0.rawValue == name } }
    return Step.Needs(.netRaw) {
      $0.runsPrograms = true
      $0.features = program.map { [$0] } ?? []
      // It programs the director.
      if program == .keepalived { $0.rights.insert(.netAdmin) }
    }
  }

  /// Its arguments and its input, with the addresses of nodes in place of their names in braces.
  ///
  /// - Parameter addresses: by the node's name, as a URL has them: `[2001:2::2]`.
  public func filled(with addresses: [String: String]) -> Exec {
    func fill(_ text: String) -> String {
      var text = text[...]
      var filled = ""
      while let open = text.firstIndex(of: "{") {
        filled += text[..<open]
        text = text[open...]
        guard let close = text.firstIndex(of: "}"),
          let address = addresses[String(text[text.index(after: open)..<close])]
        else {
          filled += "{"
          text = text.dropFirst()
          continue
        }
        filled += address
        text = text[text.index(after: close)...]
      }
      return filled + text
    }
    var own = self
    own.command = command.map(fill)
    own.input = input.map(fill)
    return own
  }

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
