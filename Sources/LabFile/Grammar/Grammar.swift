import Model

/// What a lab file may say. The reader interprets it; the schema, the reference and the lists in messages are printed
/// from it.
public enum Grammar {
  /// The sections, in the order in which they are usually written.
  public static let sections: [Field] = [
    Field("title", .text(atMost: Bounds.text), isRequired: true, "What the file shows, one line"),
    Field(
      "why", .paragraphs, isRequired: true,
      "The reasoning and what it rests on: kernel functions, commits, RFCs"),
    Field("topology", .record(topology), isRequired: true, "The network"),
    Field(
      "clocks", .entries(key: .newName, .number(-Bounds.offset...Bounds.offset, unit: "ms")),
      "Names for offsets of clocks"),
    Field(
      "clients", .entries(key: .newName, .record(client)), isRequired: true,
      "Groups of clients by their names, \(Bounds.clients) clients in all at the most"),
    Field(
      "settings", .entries(key: .name(.node), .entries(key: .name(.setting), .settingValue)),
      "Node (server, hop, router, all, or a client) to sysctls that differ from the baseline"),
    Field(
      "matrix",
      .entries(key: .either([.name(.parameter), .newName]), .list(.scalar, atMost: Bounds.values)),
      "What varies: a parameter (family, topology, servers, server_ports, hop.KEY, CLIENT.KEY, NODE.SETTING), or a name of"
        + " its own that steps and overrides depend on, to its values"),
    Field(
      "controls", .list(.name(.axis), atMost: Bounds.axes), "Axes that must not change any expectation"),
    Field(
      "exclude", .list(.condition(kernel: false), atMost: Bounds.conditions),
      "Points of the matrix that are left out; each entry leaves out one that those before it have not"),
    Field(
      "overrides", .list(.record(override), atMost: Bounds.conditions), "Parameters that depend on axes"),
    Field(
      "workload", .list(.step, atMost: Bounds.conditions), isRequired: true,
      "What happens, one step after the other"),
    Field(
      "expect", .list(.open(rule, key: .name(.label), .expectation), atMost: Bounds.conditions),
      isRequired: true,
      "What is held against it: the first expectation that matches counts. A label (a step's as, or its client) to"
        + " what its attempts do; one that is not named is connected or delivered"),
  ]

  /// The keys of `topology`.
  static let topology: [Field] =
    [Parameter.kind(called: "kind").field]
    + Parameter.ofNetwork.map(\.field)
    + [
      Field("hop", .record(Parameter.ofHop.map(\.field)), "The box in between; a direct topology has none"),
      nodes, links,
    ]

  /// The keys of a client.
  static let client: [Field] = Parameter.ofClients("").map(\.field)

  /// The keys of an entry of `overrides`.
  static let override: [Field] = [
    Field("when", .condition(kernel: false), isRequired: true, "In which cases"),
    Field(
      "set", .entries(key: .name(.parameter), .parameterValue), isRequired: true,
      "Parameters, by the same paths as axes"),
  ]

  /// The keys of an entry of `expect` that are no labels.
  static let rule: [Field] = [
    Field("when", .condition(kernel: true), "In which cases, and on which kernels, it counts"),
    Field("otherwise", .flag, "true: in the rest of them; the last one only"),
    Field(
      "source", .word(Rule.Source.allCases.map(\.rawValue)), "Whose address the servers see, by accept(2)"),
    Field(
      "served", .entries(key: .name(.label), .servedBy),
      "Label to an earlier label by whose server it is served, or is not"),
    Field(
      "time_wait", .word(Rule.TimeWaitLength.allCases.map(\.rawValue)),
      "How long the servers' TIME_WAIT sockets have left in the end: 3.5 RTO, or 60 s"),
    Field(
      "shares", .entries(key: .name(.label), .number(1...99, unit: "percent")),
      "Label that is predicted to how many of its attempts are refused. Asked over all seeds that a case is run from"
        + " (run --seeds), by the 99.9 % interval of what was seen; so is then that both branches occur"),
    Field(
      "counters", .entries(key: .name(.node), .entries(key: .name(.counter), .notation(.amount))),
      "Node to counter to its change over the workload, exactly; then nothing else need explain it"),
    Field(
      "packets", .list(.notation(.packets), atMost: Bounds.values),
      "Packets on the links: of all that fit one of a line's kinds, just these in this order"),
    Field(
      "sockets", .entries(key: .name(.node), .entries(key: .notation(.sockets), .notation(.amount))),
      "Node to sockets and how many it has after the last step; others may be there too"),
    Field(
      "conntrack", .entries(key: .name(.node), .list(.notation(.conntrack), atMost: Bounds.values)),
      "Node to all entries of its conntrack table after the last step"),
    Field(
      "ipvs", .entries(key: .name(.node), .list(.notation(.ipvs), atMost: Bounds.values)),
      "Director to all entries of its connection table after the last step"),
    Field(
      "drops", .entries(key: .name(.node), .entries(key: .notation(.dropReason), .notation(.amount))),
      "Node to the kernel's reason to how many segments were thrown away for it"),
    Field(
      "because", .text(atMost: Bounds.text), isRequired: true, "The reason: kernel function, commit or RFC"),
  ]

  /// The verbs of the workload, by name.
  public static let verbs: [Verb] = Step.verbs.values.map { $0.verb }.sorted { $0.name < $1.name }

  /// Every step may say it.
  static let when = Field("when", .condition(kernel: false), "In which cases the step happens")
}

extension Field {
  /// The same, but it must be there.
  var required: Field {
    var field = self
    field.isRequired = true
    field.byDefault = nil
    return field
  }
}
