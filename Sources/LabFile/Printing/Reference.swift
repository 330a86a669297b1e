import Model

/// The grammar in words, for a reader: topics, each of entries. What prints it decides only how it looks.
public struct Reference: Sendable {
  public var topics: [Topic]

  /// One kind of words.
  public struct Topic: Sendable {
    /// As it is asked for: `steps`.
    public var name: String
    /// What it has, in one sentence without a full stop.
    public var summary: String
    public var entries: [Entry]
  }

  /// One word.
  public struct Entry: Sendable {
    public var name: String
    /// In one sentence without a full stop.
    public var summary: String
    /// What else there is to say: a term and its words.
    public var facts: [(term: String, words: String)] = []
    /// What may stand in it.
    public var rows: [Row] = []
    /// As it is written in a lab file.
    public var example: String?
  }

  /// A key of an entry.
  public struct Row: Sendable {
    public var name: String
    /// What its value is, and what counts without it.
    public var kind: String
    public var summary: String

    init(_ field: Field, _ name: String? = nil) {
      self.name = name ?? field.name
      let without = field.byDefault.map { "; \($0) if not said" } ?? ""
      kind = field.kind.words + (field.isRequired ? "; required" : without)
      summary = sentence(field.summary)
    }
  }

  /// All that there is.
  public static var all: Reference {
    Reference(topics: [sections, steps, settings, mechanisms, outcomes, counters, kinds, capabilities])
  }

  // MARK: topics

  private static var sections: Topic {
    Topic(
      name: "sections", summary: "The sections of a lab file",
      entries: Grammar.sections.map { field in
        var entry = Entry(name: field.name, summary: sentence(field.summary))
        entry.facts.append(("value", field.kind.words))
        if field.isRequired { entry.facts.append(("required", "yes")) }
        entry.rows = rows(of: field.kind)
        return entry
      })
  }

  /// The keys below a section.
  private static func rows(of kind: FieldKind) -> [Row] {
    switch kind {
    case .record(let fields):
      fields.flatMap { field in
        if case .record(let inner) = field.kind {
          [Row(field)] + inner.map { Row($0, "\(field.name).\($0.name)") }
        } else {
          [Row(field)]
        }
      }
    case .open(let fields, _, let kind):
      fields.map { Row($0) } + [Row(Field("LABEL", kind, "What the attempts of a step do"))]
    case .entries(_, let kind), .list(let kind, _): rows(of: kind)
    default: []
    }
  }

  private static var steps: Topic {
    Topic(
      name: "steps", summary: "What can happen in a workload; each step may say when",
      entries: Grammar.verbs.map { verb in
        var entry = Entry(name: verb.name, summary: sentence(verb.summary))
        if let shell = verb.shell { entry.facts.append(("in a shell", shell)) }
        entry.rows = [Row(Field(verb.name, verb.subject, isRequired: true, "The step itself"))]
        entry.rows += verb.options.map { Row($0) }
        for options in verb.apart { entry.facts.append(("apart", alternatives(options, "or"))) }
        entry.example = "- \(verb.example)"
        return entry
      })
  }

  private static var settings: Topic {
    Topic(
      name: "settings",
      summary: "The sysctls that a lab file may set, with the value that they have if it does not",
      entries: Setting.all.map { setting in
        var entry = Entry(name: setting.name, summary: setting.summary)
        entry.facts = [
          ("value", setting.values.kind.words),
          ("if not said", setting.baseline ?? "the kernel's"),
          ("on", setting.scope.words), ("file", "/proc/sys/\(setting.path)"),
        ]
        if setting.optional {
          entry.facts.append(("kernels", "some lack it: a case that sets it is skipped there"))
        }
        if let emulation = Emulation.giving(setting.name) {
          entry.facts.append(
            ("emulated", "by \(emulation.option), on a kernel of \(emulation.removedIn) or later"))
          entry.facts.append(("the emulation", emulation.limits.joined(separator: "; ")))
        }
        return entry
      })
  }

  private static var kinds: Topic {
    Topic(
      name: "kinds", summary: "How the nodes can be joined: topology's kind",
      entries: Network.Topology.allCases.map {
        Entry(name: $0.rawValue, summary: sentence($0.preset?.summary ?? ""))
      })
  }

  private static var capabilities: Topic {
    Topic(
      name: "capabilities",
      summary: "What an expectation may ask of the kernel (when: kernel), beside settings and counters",
      entries: Capability.Feature.allCases.sorted().map { Entry(name: $0.rawValue, summary: $0.summary) }
        + Network.Scheduler.allCases.sorted().map {
          Entry(name: Capability.scheduler($0).description, summary: "IPVS balances by the scheduler \($0)")
        })
  }

  private static var counters: Topic {
    Topic(
      name: "counters", summary: "The counters that some kernel has, by nstat and conntrack -S",
      entries: KnownCounters.all.sorted().map { name in
        Entry(name: name, summary: KnownCounters.summaries[name] ?? "")
      })
  }
}
