import Foundation
import FoundationXML
import Model
import Report
import Testing

/// Text from files, kernels and saved results is shown by every format and obeyed by none.
///
/// Each string of a run is replaced in turn, keys and values: what a format's parser then finds must be what it finds
/// with a plain word in the same place.
@Suite struct HostileTests {
  static let hostile = [
    "a\u{1b}[31m\u{7}\u{0}\u{9b}2J\u{8}\r\nok 2 forged\nnot ok 3 forged\u{85}\u{2028}::error::x\u{2029}"
      + "\u{202e}\u{2066}\u{200f}\u{feff}\u{e0041}",
    "</pre></td><script>alert(1)</script><!-- ]]> ' onfocus='x' \" onload=\"x\" &lt; &#10; <a href=javascript:x>",
    "\n::error file=x::y\r::set-output name=x::y%0A::error::%0D##[error]x # SKIP none # TODO 1..9 Subtest: x",
    "```\n# h\n| a | b |\n|---|---|\n* `x` **b** [l](javascript:x) ![i](http://e/) <b> ~~~ @all https://e/ \\",
    "javascript:alert(1)//../../x?y#z'; touch /tmp/owned; $(touch y) `touch z` \\' \\",
    "# Subtest: x", "KTAP version 1", "reboot: System halted", "1. one", "::stop-commands::x", "",
  ]

  /// A place in JSON: how to get there.
  private enum Step { case key(String), index(Int) }

  /// Every string in a document, keys of mappings that are no keys of ours among them, each with a way to replace it.
  private static func replacements(in value: Any, _ put: @escaping (Any) -> Any) -> [(String) -> Any] {
    switch value {
    case is String: return [{ put($0) }]
    case let list as [Any]:
      return list.enumerated().flatMap { index, item in
        replacements(in: item) { new in
          var list = list
          list[index] = new
          return put(list)
        }
      }
    case let mapping as [String: Any]:
      return mapping.sorted { $0.key < $1.key }.flatMap { key, item in
        let renamed: (String) -> Any = { name in
          var mapping = mapping
          mapping[key] = nil
          mapping[name] = item
          return put(mapping)
        }
        return [renamed]
          + replacements(in: item) { new in
            var mapping = mapping
            mapping[key] = new
            return put(mapping)
          }
      }
    default: return []
    }
  }

  private static func decoded(_ document: Any) -> Sample? {
    guard let data = try? JSONSerialization.data(withJSONObject: document) else { return nil }
    return try? JSONDecoder().decode(Sample.self, from: data)
  }

  /// What a format's parser finds, without the texts.
  private static func structures(_ sample: Sample) throws -> [String: [String]] {
    let results = sample.results
    let page = HTMLReport(results, title: results.cases.first?.title ?? "", load: sample.load()).text
    let shape = try Markup.shape(of: results.junit(time: Date(timeIntervalSince1970: 0)))
    let text = TextReport(detail: .verbose, colour: true)
    let lines = sample.cases.flatMap { text.lines($0) } + text.saved(results)
    return [
      "html": Markup.tags(of: page), "junit": shape,
      "ktap": once(KTAPShape.of(results.ktap)), "github": GitHubShape.of(results.github()),
      "markdown": MarkdownShape.of(results.markdown),
      "text": once(lines.map { $0.description.contains("\u{1b}[") ? "coloured" : "plain" }),
    ]
  }

  /// A text may have lines: as many diagnostics, one below the other, are one.
  private static func once(_ lines: [String]) -> [String] {
    lines.enumerated().filter { $0 == 0 || lines[$0 - 1] != $1 }.map(\.element)
  }

  /// Whether a text has a character that acts, but for line ends and our own colours.
  private static func acts(_ text: String) -> Bool {
    var plain = text
    for code in [31, 32, 33, 35, 0] { plain = plain.replacingOccurrences(of: "\u{1b}[\(code)m", with: "") }
    return plain.split(separator: "\n", omittingEmptySubsequences: false).contains { Visible.acts($0) }
      || plain.unicodeScalars.contains("\r")
  }

  @Test func noStringOfARunChangesWhatAFormatSays() throws {
    var sample = try Sample.whole()
    // One of each standing, and what one of them gave: what is left is more of the same.
    sample.results.cases = sample.results.cases.filter {
      $0.id != "y/b=3" && $0.id != "y/b=2" && $0.kernel == "host"
    }
    sample.cases = sample.cases.filter { $0.test.id == "x/a=2" }
    let whole = try JSONSerialization.jsonObject(with: JSONEncoder().encode(sample))
    let places = Self.replacements(in: whole) { $0 }
    var tried = 0
    for (number, place) in places.enumerated() {
      guard let plain = Self.decoded(place("zz")), let first = try? Self.structures(plain) else { continue }
      let hostile = Self.hostile[number % Self.hostile.count]
      guard let sample = Self.decoded(place(hostile)) else { continue }
      tried += 1
      let results = sample.results
      let found = try Self.structures(sample)
      // An empty text is no line, no attribute's value and no axis.
      for (format, structure) in first.sorted(by: { $0.key < $1.key }) where !hostile.isEmpty {
        // A file whose path has an empty part is not linked to.
        let unlinked = format == "html" && hostile.contains("//") ? ["a href", "/a"] : []
        #expect(
          found[format]?.filter { !unlinked.contains($0) } == structure.filter { !unlinked.contains($0) },
          "\(format), place \(number), \(hostile.debugDescription)")
      }
      let text = TextReport(detail: .verbose, colour: true)
      var plan = PlannedRun([(test: Case, kernel: String)](), kernels: [:])
      (plan.command, plan.program) = ([hostile, hostile], hostile)
      let texts =
        [
          results.junit(time: Date(timeIntervalSince1970: 0)), results.ktap, results.github(),
          results.markdown,
          HTMLReport(results, title: hostile, origin: .init(plan), load: sample.load(node: hostile)).text,
          try results.json(),
        ] + (sample.cases.flatMap { text.lines($0) } + text.saved(results)).map(\.description)
      for text in texts {
        #expect(!Self.commands(text), "place \(number), \(hostile.debugDescription): \(text.prefix(300))")
        #expect(!Self.acts(text), "place \(number), \(hostile.debugDescription): \(text.prefix(300))")
      }
    }
    #expect(tried > 200, "\(tried)")
  }

  /// Whether a CI would find a command in it that is not of the three kinds that are told on purpose.
  private static func commands(_ text: String) -> Bool {
    Lines.of(text).contains { line in
      let line = line.drop { $0 == " " }
      let own = ["::error ", "::warning ", "::notice "].contains {
        line.hasPrefix($0) && text.hasPrefix("::")
      }
      return !own && line.prefixMatch(of: /::[A-Za-z].*::/) != nil
        || !text.hasPrefix("{") && line.firstMatch(of: /##[a-z]*\[/) != nil
    }
  }

  @Test func twiceIsAsOnce() {
    for text in Self.hostile {
      let once = Visible.line(text)
      #expect(Visible.line(once) == once)
      #expect(Terminal.escaped(Terminal.escaped(text)) == Terminal.escaped(text))
    }
  }

  @Test func whatIsNoControlStays() {
    for text in ["Zürich, 東京, שלום, नमस्ते क्‍ष", "naïve e\u{301}", "👩‍🔬 #1: +2 % < > & |", "a\\b"] {
      #expect(Visible.line(text) == text)
    }
    #expect(Visible.line("a\tb") == "a b")
    // A CI's own commands.
    #expect(Visible.line("x ##[error]y ##vso[z] ## [w]") == "x ##\\u{5b}error]y ##vso\\u{5b}z] ## [w]")
    #expect(Visible.line("  ::error file=x::y") == "  \\u{3a}:error file=x::y")
    #expect(Visible.line("::1") == "::1" && Visible.line("::ffff:192.0.2.1") == "::ffff:192.0.2.1")
    #expect(Visible.line("a\nb\u{1b}[0m\u{202e}") == "a\\nb\\u{1b}[0m\\u{202e}")
  }

  /// A shell takes a quoted word as that text and as nothing else.
  @Test func aShellTakesAWordAsItIs() throws {
    let texts =
      Self.hostile.filter { !$0.contains("\u{0}") } + [
        "x/a=1,b=*", "it's", "'", "''", "\\", "a b", "-x", "~root", "!!", "$HOME", "=ls", "a\nb", "\u{1b}'\\",
        "ü", "#x",
      ]
    for text in texts {
      let told = try run("bash", ["-c", "printf '%s|' \(ShellWord.quoted(text)) end"])
      #expect(told.output == text + "|end|", "\(ShellWord.quoted(text))")
      #expect(Visible.line(ShellWord.quoted(text)) == ShellWord.quoted(text))
    }
    #expect(ShellWord.quoted("x/a=1,b=2") == "x/a=1,b=2")
    #expect(ShellWord.quoted("x'; touch y; '") == #"'x'\''; touch y; '\'''"#)
  }

  /// Only a file below the page is a link.
  @Test(arguments: [
    ("captures/host/x_a=1.pcapng", "captures/host/x_a%3D1.pcapng"), ("a b#c?d/é", "a%20b%23c%3Fd/%C3%A9"),
    ("javascript:alert(1)", "javascript%3Aalert%281%29"), ("/etc/passwd", nil), ("../x", nil),
    ("a/../b", nil),
    ("//host/x", nil), ("a//b", nil), ("./x", nil), ("", nil),
  ])
  func aCaptureIsALinkOnlyBelowThePage(path: String, link: String?) throws {
    var sample = try Sample.whole()
    sample.results.cases[0].capture = path
    let page = HTMLReport(sample.results, title: "x", load: sample.load()).text
    // Places on the page itself, and its icon.
    let links = Markup.values(of: "href", in: page).filter { !$0.hasPrefix("#") && !$0.hasPrefix("data:") }
    let others = Set(sample.results.cases.dropFirst().compactMap(\.capture))
    let own = links.filter { !others.contains($0.removingPercentEncoding ?? "") }
    #expect(own == [link].compactMap { $0 })
  }
}
