import Foundation
import Judging
import Model
import Report
import Testing

/// Other tools' own parsers on what is printed, and their rules for names.
@Suite struct ToolsTests {
  /// Results of every standing, with texts that mean something to each format.
  private static func hostile() throws -> Results {
    var results = try Sample.whole().results
    for index in results.cases.indices {
      results.cases[index].reason =
        "a # SKIP b\nok 9 forged \u{1b}[0m <b> & \"c\" ]]> \u{0} reboot: System halted"
      results.cases[index].title = "# Subtest: t"
    }
    return results
  }

  /// TAP::Parser, perl's own, strict about nothing but what is TAP: each top-level line is a suite.
  @Test func perlReadsTheTAP() throws {
    let results = try Self.hostile()
    let script = """
      use TAP::Parser; my $p = TAP::Parser->new({tap => join('', <STDIN>)});
      while (my $r = $p->next) { printf "%s %s|%s\\n", $r->is_ok ? 'ok' : 'not ok', $r->description, $r->directive
        if $r->is_test }
      printf "%d of %d, %d errors\\n", $p->tests_run, $p->tests_planned, scalar $p->parse_errors;
      """
    let told = try run("perl", ["-e", script], input: results.ktap)
    #expect(told.status == 0, "\(told.output)")
    #expect(
      told.output
        == """
        not ok - host.x|
        ok - host.y|
        not ok - host.z|
        not ok - debian-12.x|
        not ok - debian-12.z|
        5 of 5, 0 errors

        """.replacingOccurrences(of: "ok - ", with: "ok "))
  }

  /// Each suite by itself, as what runs it would see it: its own plan, cases in order, nothing forged.
  @Test func perlReadsTheCasesOfASuite() throws {
    let results = try Self.hostile()
    let lines = results.ktap.split(separator: "\n").prefix { $0 != "not ok 1 host.x" }.dropFirst(2)
    let tap = lines.map { $0.dropFirst(2) + "\n" }.joined()
    let script = """
      use TAP::Parser; my $p = TAP::Parser->new({tap => join('', <STDIN>)});
      while (my $r = $p->next) { printf "%s %s\\n", $r->is_ok ? 'ok' : 'not ok', $r->description if $r->is_test }
      printf "%d of %d, %d errors\\n", $p->tests_run, $p->tests_planned, scalar $p->parse_errors;
      """
    let told = try run("perl", ["-e", script], input: tap).output.split(separator: "\n").map(String.init)
    #expect(told.count == 5)
    #expect(told[0] == "ok x.a_1")
    #expect(told[1] == "not ok x.a_2")
    #expect(told[2].hasPrefix("ok x.a_3 # XFAIL known until 2099-12-31: bug 7"))
    #expect(told[3] == "not ok x.a_4")
    #expect(told[4] == "4 of 4, 0 errors")
  }

  /// kunit.py gives what stands before a result line to that test (parse_diagnostic, kunit_parser.py).
  @Test func diagnosticsComeBeforeTheirResult() throws {
    // It finds the last "# SKIP" of a line: there is only one.
    #expect(try Self.hostile().ktap.contains("  ok 2 y.b_3 # SKIP a \\# SKIP b | ok 9 forged"))
    let lines = try Self.hostile().ktap.split(separator: "\n").map(String.init)
    for (index, line) in lines.enumerated() where line.hasPrefix("  not ok") {
      #expect(lines[index - 1].hasPrefix("  # "), "\(line)")
    }
    for (index, line) in lines.enumerated() where line.hasPrefix("  # ") && !line.hasPrefix("  # Subtest") {
      let next = try #require(lines[index...].first { !$0.hasPrefix("  # ") })
      #expect(next.hasPrefix("  not ok") || next.contains(" # XFAIL "), "\(line)")
    }
    #expect(!lines.contains { $0.contains("reboot: System halted") })
    #expect(lines.count { $0.hasPrefix("  # Subtest: ") } == 5)
  }

  /// The schema of Ant's junitreport, as far as a report of ours goes.
  @Test func aSchemaAcceptsTheJUnit() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let schema = folder.appendingPathComponent("junit.xsd").path
    try JUnitSchema.text.write(toFile: schema, atomically: true, encoding: .utf8)
    let time = Date(timeIntervalSince1970: 0)
    for (name, results) in [("plain", try Sample.whole().results), ("hostile", try Self.hostile())] {
      let told = try run("xmllint", ["--noout", "--schema", schema, "-"], input: results.junit(time: time))
      #expect(told.status == 0, "\(name): \(told.output)")
    }
    // And it does refuse: a failure in a case that has no name, a time with a zone.
    let junit = try Sample.whole().results.junit(time: time)
    for (part, spoilt) in [(" name=\"x.a_2\"", ""), ("00:00:00\"", "00:00:00Z\""), ("<system-out/>", "<b/>")]
    {
      let told = try run(
        "xmllint", ["--noout", "--schema", schema, "-"],
        input: junit.replacingOccurrences(of: part, with: spoilt))
      #expect(told.status != 0, "\(part)")
    }
  }

  /// KCIDB: a test's path (`test_path_re`, kcidb_io/schema/v05_00.py). LAVA: a test case's name has no white space,
  /// and `\\W+` becomes `_` in what a monitor finds (lava_dispatcher/actions/test/monitor.py), so no more than dots
  /// and dashes beside word characters. KTAP: no `#`. JUnit: a name of xs:token.
  @Test func namesKeepEveryToolsRules() throws {
    let kcidb = try Regex("([a-zA-Z0-9_-]+(\\.[a-zA-Z0-9_-]+)*)?")
    let lava = try Regex("[a-zA-Z0-9_.-]+")
    let ids = [
      "x/a=1", "x/a=<1>&\"#", "x/a=a b,c=d/e", "x/ü=\u{1b}", "/", "", "x/\n",
      "x/a=" + String(repeating: "y", count: 999),
    ]
    for kernel in ["host", "linux-4.9", "my kernel/../#1", ""] {
      let cases = ids.map { Sample.result(.fail, id: $0, kernel: kernel) }
      let results = StandingTests.results(cases)
      let entries =
        try #require(
          JSONSerialization.jsonObject(with: Data(results.json().utf8)) as? [String: Any])["cases"]
        as? [[String: Any]]
      let saved = try #require(entries).map { $0["name"] as? String ?? "" }
      #expect(saved == ids.map { CaseName(id: $0).description })
      let attributes = try Markup.shape(of: results.junit(time: Date()))
      #expect(attributes.count { $0 == "testcase classname name time" } == ids.count)
      let junit = results.junit(time: Date())
      let suites = junit.matches(of: /classname="([^"]*)" name="([^"]*)"/).map {
        (String($0.1), String($0.2))
      }
      let ktap = results.ktap.matches(of: /\n  not ok [0-9]+ ([^\n]*)/).map { String($0.1) }
      let parents = results.ktap.matches(of: /\nnot ok [0-9]+ ([^\n]*)/).map { String($0.1) }
      let github = results.github().matches(of: #/title=([^ ]*) on /#).map { String($0.1) }
      #expect(Set(saved) == Set(suites.map(\.1)) && Set(saved) == Set(ktap) && Set(saved) == Set(github))
      for name in saved + suites.map(\.0) + parents {
        #expect(name.wholeMatch(of: kcidb) != nil && name.wholeMatch(of: lava) != nil, "\(name)")
      }
    }
  }

  /// A runner reads `::name key=value,...::message` (ActionCommand.TryParseV2), and counts files from the workspace.
  @Test func annotationsNameTheFileAndLine() throws {
    var results = StandingTests.results([Sample.result(.fail, reason: "100 %\nmore: a,b")])
    func file(_ path: String, _ workspace: String?, _ directory: String?) -> String {
      results.cases[0].source = Place(file: path, line: 7)
      let line = results.github(workspace: workspace, directory: directory)
      return line.firstMatch(of: /file=([^,]*),line=7,/).map { String($0.1) } ?? line
    }
    #expect(file("lab/x.yaml", nil, nil) == "lab/x.yaml")
    #expect(file("/home/w/r/lab/x.yaml", "/home/w/r", "/home/w/r") == "lab/x.yaml")
    #expect(file("../lab/x.yaml", "/home/w/r", "/home/w/r/sub") == "lab/x.yaml")
    #expect(file("x.yaml", "/home/w/r/", "/home/w/r/sub") == "sub/x.yaml")
    #expect(file("/elsewhere/x.yaml", "/home/w/r", "/home/w/r") == "/elsewhere/x.yaml")
    #expect(file("a,b:c.yaml", nil, nil) == "a%2Cb%3Ac.yaml")
    #expect(results.github().contains("::100 %25 | more: a,b%0Alate #1: dropped, expected connected, "))
    // What an older version saved names no file, rather than another.
    results.cases[0].source = nil
    #expect(results.github().hasPrefix("::error title=x.a_1 on host::"))
  }

  @Test func resultsWithoutTheNewKeysAreReadable() throws {
    var document = try #require(
      JSONSerialization.jsonObject(with: Data(Sample.whole().results.json().utf8)) as? [String: Any])
    let entries = try #require(document["cases"] as? [[String: Any]])
    document["cases"] = entries.map { $0.filter { !["name", "source", "unmet", "known"].contains($0.key) } }
    document["remarks"] = nil
    let old = try JSONDecoder().decode(Results.self, from: JSONSerialization.data(withJSONObject: document))
    #expect(old.cases.count == entries.count)
    #expect(old.ktap.contains("x.a_1"))
  }
}

/// What the schema of Ant's junitreport asks for, in our words: which elements are where, which attributes they must
/// have and of what kind. (The schema of Windy Road Technology, which it follows, says more of what we do not write.)
enum JUnitSchema {
  static let text = """
    <?xml version="1.0"?>
    <xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
      <xs:simpleType name="filled"><xs:restriction base="xs:token"><xs:minLength value="1"/></xs:restriction></xs:simpleType>
      <xs:simpleType name="moment"><xs:restriction base="xs:dateTime">
        <xs:pattern value="\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}"/></xs:restriction></xs:simpleType>
      <xs:complexType name="told"><xs:simpleContent><xs:extension base="xs:string">
        <xs:attribute name="message"/><xs:attribute name="type" use="required"/>
      </xs:extension></xs:simpleContent></xs:complexType>
      <xs:element name="testsuites"><xs:complexType><xs:sequence>
        <xs:element name="testsuite" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
          <xs:element name="properties"><xs:complexType><xs:sequence>
            <xs:element name="property" minOccurs="0" maxOccurs="unbounded"><xs:complexType>
              <xs:attribute name="name" type="filled" use="required"/><xs:attribute name="value" use="required"/>
            </xs:complexType></xs:element>
          </xs:sequence></xs:complexType></xs:element>
          <xs:element name="testcase" minOccurs="0" maxOccurs="unbounded"><xs:complexType>
            <xs:choice minOccurs="0">
              <xs:element name="skipped"><xs:complexType><xs:simpleContent><xs:extension base="xs:string">
                <xs:attribute name="message"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>
              <xs:element name="error" type="told"/><xs:element name="failure" type="told"/>
            </xs:choice>
            <xs:attribute name="name" type="xs:token" use="required"/>
            <xs:attribute name="classname" type="xs:token" use="required"/>
            <xs:attribute name="time" type="xs:decimal" use="required"/>
          </xs:complexType></xs:element>
          <xs:element name="system-out" type="xs:string"/><xs:element name="system-err" type="xs:string"/>
        </xs:sequence>
        <xs:attribute name="id" type="xs:int" use="required"/>
        <xs:attribute name="package" type="xs:token" use="required"/>
        <xs:attribute name="name" type="filled" use="required"/>
        <xs:attribute name="timestamp" type="moment" use="required"/>
        <xs:attribute name="hostname" type="filled" use="required"/>
        <xs:attribute name="tests" type="xs:int" use="required"/>
        <xs:attribute name="failures" type="xs:int" use="required"/>
        <xs:attribute name="errors" type="xs:int" use="required"/>
        <xs:attribute name="skipped" type="xs:int"/>
        <xs:attribute name="time" type="xs:decimal" use="required"/>
        </xs:complexType></xs:element>
      </xs:sequence></xs:complexType></xs:element>
    </xs:schema>
    """
}
