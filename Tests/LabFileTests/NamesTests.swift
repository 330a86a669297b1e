import LabFile
import Model
import Testing

/// Every name is held against what there is when the file is read: what passes and is never true is a mistake.
@Suite struct NamesTests {
  static let good = MistakeTests.good

  static func mistakes(_ right: String, _ wrong: String) -> [String] {
    let text = good.replacing(right, with: wrong, maxReplacements: 1)
    #expect(text != good)
    return MistakeTests.mistakes(text)
  }

  // MARK: capabilities

  @Test(arguments: [
    (">= 6.16", "\">= 6.16\" is a version"), ("6.16", "\"6.16\" is a version"),
    ("no v5.10", "\"no v5.10\" is a version"), ("< 5", "\"< 5\" is a version"),
    (
      "TcpExt.PAWSTimewaitt",
      "no kernel has a capability \"TcpExt.PAWSTimewaitt\"; did you mean \"TcpExt.PAWSTimewait\"?"
    ),
    ("PAWSTimewait", "no kernel has a capability \"PAWSTimewait\"; did you mean \"TcpExt.PAWSTimewait\"?"),
    ("tc-pbf", "no kernel has a capability \"tc-pbf\"; did you mean \"tc-bpf\"?"),
    ("no conntrack.insertfailed", "did you mean \"conntrack.insert_failed\"?"),
    ("rule.FORWARD", "no kernel has a capability \"rule.FORWARD\"; it is a setting, a counter as"),
    ("[tc-bpf, no tc-bpf]", "no kernel has it and lacks it"),
  ])
  func aCapabilityIsOneThatSomeKernelHas(text: String, message: String) {
    let quoted = text.hasPrefix("[") ? text : "\"\(text)\""
    let seen = Self.mistakes(
      "conntrack: flushed}\n    late", "conntrack: flushed, kernel: \(quoted)}\n    late")
    #expect(seen.contains { $0.hasPrefix("lab/x.yaml:22:") && $0.contains(message) }, "\(seen)")
  }

  @Test(arguments: [
    "TcpExt.PAWSTimewait", "no conntrack.clash_resolve", "Ip6.InDiscards", "tcp_tw_recycle", "no tc-bpf",
  ])
  func whatSomeKernelHasIsTaken(text: String) {
    #expect(
      Self.mistakes("conntrack: flushed}\n    late", "conntrack: flushed, kernel: \(text)}\n    late") == [])
  }

  // MARK: conditions

  @Test func anEmptyListIsNoCondition() {
    #expect(
      Self.mistakes("when: {conntrack: kept}", "when: {conntrack: []}").contains(
        "lab/x.yaml:25:23: conntrack is an empty list: leave it out, or name one"))
  }

  @Test func anExcludeThatExcludesNothingIsAMistake() {
    let text =
      Self.good
      + "exclude:\n  - {family: ipv6, conntrack: kept}\n  - {family: ipv6, server.tcp_rfc1337: 0, conntrack: kept}\n"
    #expect(
      MistakeTests.mistakes(text) == [
        "lab/x.yaml:33:5: this excludes nothing that those before it have not excluded"
      ])
  }

  @Test func stepsAndOverridesThatNoCaseHasAreMistakes() {
    let text =
      Self.good.replacing(
        "  - connect: late\n",
        with:
          "  - connect: late\n  - connect: late\n    as: never\n    when: {conntrack: kept, family: ipv6}\n")
      + "exclude:\n  - {family: ipv6, conntrack: kept}\noverrides:\n  - {when: {conntrack: kept, family: ipv6}, set: {late.clock: 5}}\n"
    let seen = MistakeTests.mistakes(text)
    #expect(seen.contains("lab/x.yaml:21:5: no case has what this step depends on"), "\(seen)")
    #expect(seen.contains("lab/x.yaml:37:5: no case has what this override depends on"), "\(seen)")
  }

  // MARK: labels

  @Test func aRuleNamesLabelsOfItsOwnCases() {
    let text = Self.good.replacing(
      "  - connect: late\n",
      with: "  - connect: late\n  - connect: late\n    as: more\n    when: {conntrack: kept}\n"
    )
    .replacing("late: dropped by tw-paws", with: "late: dropped by tw-paws\n    more: connected")
    #expect(
      MistakeTests.mistakes(text).contains {
        $0.hasPrefix("lab/x.yaml:25:5: no step has the label \"more\" in x/rfc1337=1,conntrack=flushed")
      }, "\(MistakeTests.mistakes(text))")
  }

  @Test func connectionsAndBytesHaveTheirOwnOutcomes() {
    let seen = Self.mistakes("late: dropped by tw-paws", "late: lost by established-paws")
    #expect(
      seen.contains {
        $0.contains(
          "late is the label of connections, of which none is lost by established-paws"
        )
      }, "\(seen)")
  }

  @Test(arguments: [
    ("served: {late: same as erly}", "no step has the label \"erly\"; did you mean \"early\"?"),
    ("served: {lat: same as early}", "no step has the label \"lat\"; did you mean \"late\"?"),
    ("served: {late: same as late}", "served compares two labels of connections"),
    ("served: {late: like early}", "\"like early\" is neither \"same as LABEL\" nor \"other than LABEL\""),
    ("time_wait: recycled", ""),
    ("time_wait: short", "time_wait is recycled or full, not \"short\""),
    ("source: hopp", "source is client or hop, not \"hopp\"; did you mean \"hop\"?"),
  ])
  func whatARuleComparesIsThere(line: String, message: String) {
    let seen = Self.mistakes("late: dropped by hop\n", "late: dropped by hop\n    \(line)\n")
    #expect(message.isEmpty ? seen == [] : seen.contains { $0.contains(message) }, "\(seen)")
  }

  /// It held where no server had a TIME_WAIT at all.
  @Test func timeWaitNeedsAServerThatCloses() {
    let text = Self.good.replacing("closes: server", with: "closes: client")
      .replacing("late: dropped by hop\n", with: "late: dropped by hop\n    time_wait: recycled\n")
    #expect(
      MistakeTests.mistakes(text).contains {
        $0.contains("time_wait is the servers', and none closes first in x/")
      })
  }

  // MARK: nodes and settings

  @Test(arguments: [
    (
      "{nf_conntrack_buckets: 1}",
      "unknown sysctl \"nf_conntrack_buckets\"; pawslab reference settings has those that the lab knows"
    ),
    (
      "{net.ipv4.tcp_rfc1337: 1}",
      "unknown sysctl \"net.ipv4.tcp_rfc1337\"; here it is called \"tcp_rfc1337\""
    ),
    ("{tcp_rfc1337: on}", "tcp_rfc1337 is 0 or 1, not \"on\"; write 1"),
    ("{tcp_timestamps: 3}", "tcp_timestamps is a number from 0 to 2, not \"3\""),
    (
      "{tcp_fin_timeout: 20s}",
      "tcp_fin_timeout is a number of seconds from 0 to 2147483, not \"20s\"; write 20"
    ),
    ("{tcp_rfc1337: 0, vs.conntrack: 1}", "vs.conntrack is a setting of the hop, not of server"),
  ])
  func settingsAreKnown(settings: String, message: String) {
    let seen = Self.mistakes("{tcp_rfc1337: 0}", settings)
    #expect(seen.contains { $0.hasSuffix(message) }, "\(seen)")
  }

  @Test func aServerCannotBeSetAlone() {
    let text =
      Self.good + "overrides:\n  - {when: {conntrack: kept}, set: {server.1.weight: 2, early.1.clock: 5}}\n"
    let end = "can be set alone; what is set on"
    #expect(
      MistakeTests.mistakes(text) == [
        "lab/x.yaml:32:37: no node \"server.1\" \(end) server is set on each that there is",
        "lab/x.yaml:32:57: no node \"early.1\" \(end) early is set on each that there is",
      ])
  }

  /// A director's setting where there is no director was read, and written nowhere.
  @Test func aSettingThatNoCaseHasIsAMistake() {
    let text = Self.good.replacing(
      "  server: {tcp_rfc1337: 0}", with: "  server: {tcp_rfc1337: 0}\n  hop: {vs.conntrack: 1}")
    #expect(
      MistakeTests.mistakes(text) == [
        "lab/x.yaml:10:9: no case has a node that has vs.conntrack, hop or other"
      ])
  }

  /// In these the worker did nothing, and said nothing.
  @Test func aStepThatDoesNothingIsAMistake() {
    let direct = Self.good.replacing(
      "  family: [ipv4, ipv6]", with: "  family: [ipv4, ipv6]\n  topology: [snat, direct]")
    #expect(
      MistakeTests.mistakes(direct).contains {
        $0.hasPrefix("lab/x.yaml:19:12: there is no hop whose conntrack could be flushed in x/")
      }, "\(MistakeTests.mistakes(direct))")
    let clock = Self.good.replacing("  - connect: late", with: "  - connect: late\n  - clock: {late: 5}")
      .replacing("clock: behind", with: "clock: natural")
    #expect(
      MistakeTests.mistakes(clock).contains { $0.contains("late's clock is no offset, so it cannot step") })
  }

  // MARK: suggestions

  @Test(
    arguments: [
      ("to", ["as", "when", "times"], nil), ("mh", ["rr", "wrr", "lc", "sh"], nil),
      ("nf_conntrack_buckets", Setting.all.map(\.name), nil), ("titel", ["title", "why"], "title"),
      ("flsh", ["flush", "set"], "flush"), ("tcp_tw_reuze", Setting.all.map(\.name), "tcp_tw_reuse"),
      ("early", [], nil), ("", ["a", "b"], nil),
    ] as [(String, [String], String?)])
  func onlyWhatIsNearIsSuggested(word: String, names: [String], nearest: String?) {
    #expect(Nearest.to(word, among: names) == nearest)
  }

  @Test func aShortListIsAlwaysTold() {
    #expect(
      Self.mistakes("closes: server", "closes: srver").contains {
        $0.hasSuffix("closes is client or server or both or nobody, not \"srver\"; did you mean \"server\"?")
      })
    #expect(
      Self.mistakes("    closes: server", "    into: 5").contains(
        "lab/x.yaml:17:5: unknown key \"into\" in connect; it is one of connect, as, closes, times, again, port, to, abort, keepalive, when"
      ))
    let none = Self.good.replacing(
      "matrix:\n  server.tcp_rfc1337: [0, 1]\n  conntrack: [kept, flushed]\n  family: [ipv4, ipv6]\n",
      with: "")
    #expect(MistakeTests.mistakes(none).contains("lab/x.yaml:10:12: no axis \"family\"; there is none"))
  }

  // MARK: text

  /// ESC, BEL, NUL, DEL, C1, line and paragraph separators, embeddings, overrides and isolates.
  @Test(arguments: [
    "1b", "07", "00", "7f", "9b", "85", "2028", "2029", "202e", "202a", "2066", "2069", "200f", "feff",
  ])
  func textHasNoControlCharacters(code: String) {
    let escape = code.count == 2 ? "\\x\(code)" : "\\u\(code)"
    let name = "U+" + String(repeating: "0", count: 4 - code.count) + code.uppercased()
    for (right, wrong, place) in [
      ("title: A title", "title: \"a\(escape)b\"", "1:8"), ("why: A reason", "why: \"a\(escape)b\"", "2:6"),
      ("[kept, flushed]", "[kept, flushed, \"a\(escape)b\"]", "12:30"),
      ("  late: {clock", "  \"la\(escape)te\": {clock", "7:3"),
      ("because: it is so", "because: \"a\(escape)b\"", "24:14"),
    ] {
      #expect(
        Self.mistakes(right, wrong).contains(
          "lab/x.yaml:\(place): \(name) in a text: no control characters, no marks of direction"),
        "\(wrong)")
    }
  }

  @Test func aTitleIsOneLineAndWhyIsMany() {
    #expect(
      Self.mistakes("title: A title", "title: \"A\\nok 2 forged\"")
        == ["lab/x.yaml:1:8: title is one line of text, without U+000A"])
    #expect(
      Self.mistakes("because: it is so", "because: \"it\\tis\"")
        == ["lab/x.yaml:24:14: because is one line of text, without U+0009"])
    #expect(Self.mistakes("why: A reason", "why: |\n  A reason\n\n  and\tanother\n") == [])
    // YAML's blocks end in a line end.
    #expect(Self.mistakes("because: it is so\n", "because: |\n      it is so\n") == [])
  }

  @Test(arguments: [
    ("early: {}", "ea rly: {}", "\"ea rly\" cannot be a client's name"),
    ("early: {}", "'x''; touch y': {}", "\"x'; touch y\" cannot be a client's name"),
    ("early: {}", "../x: {}", "\"../x\" cannot be a client's name"),
    ("early: {}", "because: {}", "\"because\" cannot be a client's name"),
    ("early: {}", "-x: {}", "\"-x\" cannot be a client's name"),
    ("conntrack: [kept", "con/track: [kept", "\"con/track\" cannot be an axis's name"),
    ("conntrack: [kept", "kernel: [kept", "\"kernel\" cannot be an axis' name"),
    ("- connect: late", "- connect: late\n    as: a=b", "\"a=b\" cannot be a label's name"),
    ("- connect: late", "- connect: late\n    as: otherwise", "\"otherwise\" cannot be a label"),
    ("behind: -600000", "be;hind: -600000", "\"be;hind\" cannot be a clock's name"),
  ])
  func namesHaveAnAlphabet(right: String, wrong: String, message: String) {
    let seen = Self.mistakes(right, wrong)
    #expect(seen.contains { $0.contains(message) }, "\(seen)")
  }

  @Test(arguments: ["lab/a b.yaml", "lab/-x.yaml", "lab/x\u{1b}.yaml", "lab/.yaml", "lab/x,y.yaml"])
  func aFilesNameIsAName(file: String) {
    do {
      _ = try LabFiles.parse(Self.good, file: file)
      Issue.record("\(file) was taken")
    } catch { #expect(error.mistakes.first?.message.contains("is no name: letters, digits") == true) }
  }

  /// Values are free: what makes two names one is not.
  @Test func twoCasesHaveTwoNames() {
    let text = Self.good.replacing(
      "  conntrack: [kept, flushed]\n  family: [ipv4, ipv6]\n",
      with:
        "  conntrack: [kept, flushed, \"kept,extra=b\"]\n  extra: [a, \"b,family=ipv4\", \"b,family=ipv4,x\"]\n  family: [ipv4, ipv6]\n"
    )
    let seen = MistakeTests.mistakes(text)
    #expect(!seen.contains { $0.contains("two cases are called") }, "\(seen)")
    let twice = Self.good.replacing(
      "  conntrack: [kept, flushed]\n  family: [ipv4, ipv6]\n",
      with: "  conntrack: [kept, flushed, \"kept,z=b\"]\n  z: [b, \"b,z=b\"]\n  family: [ipv4, ipv6]\n")
    #expect(
      MistakeTests.mistakes(twice).contains {
        $0.contains("two cases are called x/rfc1337=0,conntrack=kept,z=b,z=b")
      },
      "\(MistakeTests.mistakes(twice))")
  }

  // MARK: the command line

  @Test(
    arguments: [
      ([], ["tw-reus/*"], "--case tw-reus/*: no case is called so; did you mean tw-reuse/*?"),
      (["rfc1337=2"], [], "--set rfc1337=2: rfc1337 is one of 0, 1"),
      (["rfc1337=1", "random=fully"], [], "no case has all of --set rfc1337=1, --set random=fully"),
      (["rfc1337=1"], ["tw-reuse/*"], "no case matches --case tw-reuse/*, --set rfc1337=1 together"),
    ] as [([String], [String], String)])
  func aFilterThatMatchesNothingIsAMistake(settings: [String], patterns: [String], message: String) throws {
    let scenarios = try LabFiles.discover(paths: [LabFilesTests.folder]).map { try LabFiles.load(path: $0) }
    do {
      _ = try Scenario.select(from: scenarios, settings: settings, patterns: patterns)
      Issue.record("it matched")
    } catch { #expect(error.description == message) }
  }

  /// One that matches does not hide one that does not.
  @Test func everyPatternMatches() throws {
    let scenarios = try LabFiles.discover(paths: [LabFilesTests.folder]).map { try LabFiles.load(path: $0) }
    #expect(throws: SelectionError.self) {
      try Scenario.select(from: scenarios, settings: [], patterns: ["tw-reuse/*", "direct/*ipv7*"])
    }
  }
}

/// Steps read by their verbs.
@Suite struct StepReadingTests {
  static func mistakes(_ step: String) -> [String] {
    MistakeTests.mistakes(
      MistakeTests.good.replacing("  - connect: late\n", with: "  - connect: late\n  - \(step)\n"))
  }

  @Test(arguments: [
    (
      "{vanish: client, on: lat}",
      "21:26: on is a client or a label, not \"lat\"; did you mean \"late\"? It is one of early, late"
    ),
    (
      "{forge: R, from: hop, like: late, as: sever}",
      "21:43: as is client or server, not \"sever\"; did you mean \"server\"?"
    ),
    ("{wait: soon}", "21:12: wait is a number of seconds from 0.001 to "),
    ("{exec: [true]}", "21:6: exec needs \"in\": the node in whose network it runs"),
    ("{link: {late: off}}", "21:19: late is up or down, not \"off\""),
    ("{set: {server: 1}}", "21:12: \"server\" is no setting of a node: NODE.SYSCTL"),
    ("{set: {late.clock: 5}}", "21:12: set changes settings only: NODE.SYSCTL"),
    ("{set: {server.tcp_rfc1337: on}}", "21:32: tcp_rfc1337 is 0 or 1, not \"on\"; write 1"),
    ("{churn: [late, late], connections: 2}", "21:20: \"late\" stands twice in churn"),
  ])
  func aMistakeIsAtItsPlace(step: String, message: String) {
    let seen = Self.mistakes(step)
    #expect(seen.contains { $0.hasPrefix("lab/x.yaml:\(message)") }, "\(seen)")
  }
}
