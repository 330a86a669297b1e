import Foundation
import Model
import Testing

@testable import MicroVM

@Suite struct XMLScannerTests {
  private struct Words: XMLScanner.Sink {
    var said: [String] = []
    var wantsText = true
    mutating func open(_ name: String, depth: Int, _ attributes: XMLScanner.Attributes) throws {
      let value = try attributes.value("a")
      said.append("\(depth)<\(name)" + (value.map { " \($0)" } ?? ""))
    }
    mutating func close(_ name: String, depth: Int, text: String) { said.append("\(depth)>\(name) \(text)") }
  }

  private func read(_ text: String, by size: Int = .max, atMost limit: Int = 1 << 20) throws -> [String] {
    var words = Words()
    var scanner = XMLScanner(name: "x", atMost: limit)
    let bytes = Array(text.utf8)
    let size = max(1, min(size, bytes.count))
    for start in stride(from: 0, to: bytes.count, by: size) {
      try bytes[start..<min(bytes.count, start + size)].withUnsafeBytes {
        try scanner.read($0, into: &words)
      }
    }
    try scanner.end()
    return words.said
  }

  private func refusal(_ text: String) -> String? {
    do {
      _ = try read(text)
      return nil
    } catch { return (error as? Failure)?.cause ?? "\(error)" }
  }

  @Test func elementsComeWithTheirAttributesAndText() throws {
    let text = """
      <?xml version="1.0" encoding="UTF-8"?>
      <!-- a <comment> - -- with ' a quote -->
      <r x='1' a = "1 > 0 &amp; &#50;&lt;&#x33;">
        <![CDATA[ <no/> ]] ]]>
        <e a='"'/><name a="">l &lt; m</name
        ><e b="a"/>
      </r>

      """
    let expected = ["1<r 1 > 0 & 2<3", "2<e \"", "2>e ", "2<name ", "2>name l < m", "2<e", "2>e ", "1>r \n"]
    for size in [1, 2, 3, 7, 64, .max] { #expect(try read(text, by: size) == expected, "\(size)") }
  }

  @Test(arguments: [
    ("<!DOCTYPE r [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><r>&b;</r>", "document type"),
    ("<!ENTITY a SYSTEM \"file:///etc/passwd\"><r/>", "document type"), ("<r>&a;</r>", "entity"),
    ("<r>&nbsp;</r>", "entity"), ("<r>& </r>", "entity"), ("<r>&#xD800;</r>", "entity"),
    ("<r></e></r>", "closes"),
    ("</r>", "closes"), ("<r/><r/>", "second root"), ("<r>", "cut short"), ("<r", "cut short"),
    ("", "cut short"), ("text", "cut short"), ("<!-- ", "cut short"), ("<r a/>", "without a value"),
    ("<r b=1 a=2/>", "not quoted"), ("<>", "without a name"), ("<r <e/>", "within a tag"),
    ("<r>\u{0}<e a='</r>", "cut short"),
  ])
  func whatIsNoneIsRefused(_ text: String, _ cause: String) {
    #expect(refusal(text)?.contains(cause) == true, "\(refusal(text) ?? "read")")
  }

  @Test func nothingGrowsWithoutEnd() {
    #expect(refusal("<r " + String(repeating: "a", count: 70_000))?.contains("a tag without end") == true)
    #expect(refusal("<r>" + String(repeating: "a", count: 5_000))?.contains("a text without end") == true)
    #expect(refusal(String(repeating: "<r>", count: 33))?.contains("32 elements") == true)
    #expect(throws: Failure.self) {
      try read("<r>" + String(repeating: " <e/>", count: 300), atMost: 1 << 10)
    }
    // Bytes that are no UTF-8.
    var scanner = XMLScanner(name: "x", atMost: 100)
    var words = Words()
    #expect(throws: Failure.self) {
      try [0x3c, 0xff, 0x3e].map { UInt8($0) }.withUnsafeBytes { try scanner.read($0, into: &words) }
    }
  }
}

@Suite struct RepositoryIndexTests {
  private func package(_ more: String, name: String = "kernel-core") -> String {
    let digest = String(repeating: "ab", count: 32)
    return """
      <package type="rpm"><name>\(name)</name><arch>x86_64</arch><version epoch="1" ver="6.8" rel="2"/>
      <checksum type="sha256">\(digest)</checksum><size package="10"/><location href="a/b.rpm"/>\(more)
      <format><name>no</name><arch>no</arch><location href="no"/></format></package>
      """
  }

  private func read(_ text: String) throws -> [RpmRepository.Package] {
    try RepositoryIndex(bytes: Data("<metadata>\(text)</metadata>".utf8), names: ["kernel-core"]).packages
  }

  @Test func onlyThePackagesThatWereAskedForAreKept() throws {
    let found = try read(package("") + package("", name: "other") + package("<arch>aarch64</arch>"))
    #expect(found.count == 1)
    let one = try #require(found.first)
    #expect(
      one.name == "kernel-core" && "\(one.version)" == "1:6.8-2" && one.path == "a/b.rpm" && one.size == 10)
    #expect(one.checksum.tool == "sha256sum")
  }

  @Test(arguments: [
    ("<location href=\"../b.rpm\"/>", "leaves the mirror"),
    ("<location href=\"/b.rpm\"/>", "leaves the mirror"),
    ("<location href=\"http://h/b.rpm\"/>", "leaves the mirror"),
    ("<location href=\"a/%2e%2e/b.rpm\"/>", "leaves the mirror"),
    ("<location href=\"a\\b.rpm\"/>", "leaves the mirror"), ("<location href=\"\"/>", "leaves the mirror"),
    ("<location href=\"b.rpm\" xml:base=\"http://h/\"/>", "elsewhere"),
    ("<size package=\"x\"/>", "how large"),
    ("<size package=\"-1\"/>", "how large"),
    ("<checksum type=\"md5\">\(String(repeating: "ab", count: 16))</checksum>", "SHA-2"),
    ("<checksum type=\"sha\">\(String(repeating: "ab", count: 20))</checksum>", "SHA-2"),
    ("<checksum type=\"sha256\">ab</checksum>", "SHA-2"),
  ])
  func whatLeadsElsewhereOrSaysTooLittleIsRefused(_ more: String, _ cause: String) {
    let failure = #expect(throws: Failure.self) { try read(package(more)) }
    #expect(failure?.cause.contains(cause) == true, "\(failure?.description ?? "")")
    #expect(failure?.mend != nil)
  }

  @Test func aSummaryNamesOneIndex() throws {
    let digest = String(repeating: "ab", count: 64)
    func summary(_ location: String) throws -> RepositorySummary {
      try RepositorySummary(
        Data(
          """
          <repomd><data type="other"><location href="no"/></data><data type="primary">
          <checksum type="sha512">\(digest)</checksum><open-checksum type="sha256">no</open-checksum>
          \(location)<size>12</size></data></repomd>
          """.utf8), of: "repomd.xml")
    }
    let found = try summary("<location href=\"repodata/p.xml.gz\"/>")
    #expect(found.path == "repodata/p.xml.gz" && found.size == 12 && found.checksum.text == digest)
    for location in ["<location href=\"../p\"/>", "<location href=\"p\" xml:base=\"http://h\"/>", ""] {
      #expect(throws: Failure.self) { try summary(location) }
    }
  }
}
