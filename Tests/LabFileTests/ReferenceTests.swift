import Judging
import LabFile
import Model
import Testing

/// The reference says the same words as the messages and the schema.
@Suite struct ReferenceTests {
  static let reference = Reference.all

  static func names(_ topic: String) -> [String] {
    reference.topic(topic)?.entries.map(\.name) ?? []
  }

  @Test func everyTopicHasWhatTheModelHas() {
    #expect(Self.names("sections") == Grammar.sections.map(\.name))
    #expect(Self.names("steps") == Step.verbs.keys.sorted())
    #expect(Self.names("settings") == Setting.all.map(\.name))
    #expect(Self.names("mechanisms") == Mechanism.all.map(\.name.rawValue))
    #expect(Self.names("outcomes") == Outcome.allCases.map(\.rawValue))
    #expect(Self.names("kinds") == Network.Topology.allCases.map(\.rawValue))
    #expect(
      Self.names("capabilities") == Capability.Feature.allCases.map(\.rawValue).sorted()
        + Network.Scheduler.allCases.map { "ip_vs_\($0)" }.sorted())
    #expect(Self.names("counters").contains("TcpExt.PAWSTimewait"))
    #expect(Set(Self.reference.topics.map(\.name)).count == Self.reference.topics.count)
  }

  @Test func everythingHasWords() {
    for topic in Self.reference.topics {
      for entry in topic.entries {
        #expect(topic.name == "counters" || !entry.summary.isEmpty, "\(topic.name) \(entry.name)")
        #expect(!entry.summary.hasSuffix("."), "\(topic.name) \(entry.name)")
        for row in entry.rows {
          #expect(!row.summary.isEmpty && !row.kind.isEmpty, "\(entry.name) \(row.name)")
        }
      }
    }
  }

  /// What is said of a counter is said of one that there is.
  @Test func wordsOfCountersAreOfCounters() {
    #expect(Set(KnownCounters.summaries.keys).subtracting(KnownCounters.all) == [])
    #expect(Self.reference.topic("counters")?.entries.contains { !$0.summary.isEmpty } == true)
  }

  /// An example is a step that the reader takes, of the verb that it is of.
  @Test(arguments: Grammar.verbs.map(\.name))
  func anExampleIsTaken(verb: String) throws {
    let known = try #require(Grammar.verbs.first { $0.name == verb })
    let text = """
      title: Examples
      why: They are printed
      topology: {kind: ipvs-fullnat, servers: 2}
      clients: {early: {}, late: {}}
      workload:
        - {connect: early, closes: nobody, as: opened-early}
        - {connect: late, closes: nobody, as: opened-late}
        - \(known.example)
      expect:
        - {otherwise: true, because: nothing is judged here}

      """
    #expect(MistakeTests.mistakes(text) == [], "\(known.example)")
  }

  @Test(
    arguments: [
      ("connect", ["steps"], ["connect"]), ("PAWSTimewait", ["counters"], ["TcpExt.PAWSTimewait"]),
      ("net.ipv4.tcp_rfc1337", ["settings"], ["tcp_rfc1337"]), ("closes", ["steps"], ["churn", "connect"]),
      ("dropped by tw-paws", ["mechanisms", "outcomes"], ["tw-paws", "dropped"]),
      ("TW-PAWS", ["mechanisms"], ["tw-paws"]),
    ] as [(String, [String], [String])])
  func aWordIsFound(word: String, topics: [String], entries: [String]) {
    let found = Self.reference.topics(with: word)
    #expect(found.map(\.name) == topics)
    #expect(Set(found.flatMap { $0.entries.map(\.name) }).isSuperset(of: entries), "\(found)")
  }

  @Test(arguments: [
    ("conect", "connect"), ("setings", "settings"), ("conntrak", "conntrack"), ("tw-pavs", "tw-paws"),
  ])
  func whatIsNearIsSaid(word: String, near: String) {
    #expect(Self.reference.topics(with: word).isEmpty)
    #expect(Self.reference.near(word).contains(near), "\(Self.reference.near(word))")
    #expect(Self.reference.near("qqqqqq") == [])
  }
}
