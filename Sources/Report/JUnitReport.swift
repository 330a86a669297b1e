import Foundation
import Model

extension Results {
  /// JUnit XML: a suite for each lab file and kernel, by the schema of Ant's junitreport.
  ///
  /// `classname` is the suite's name, `name` the case's dotted one (``CaseName``). A failure that is known is
  /// `skipped`, as pytest writes its xfail, and a property of its suite: the schema has none for a case.
  public func junit(time: Date) -> String {
    var lines: [XMLText] = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites>"]
    // UTC, without a zone: so the schema wants it.
    let stamp = time.formatted(.iso8601).prefix(19)
    for (number, suite) in suites.enumerated() {
      let seconds = suite.cases.reduce(0) { $0 + $1.seconds }
      lines.append(
        """
          <testsuite id="\(number)" package="pawslab" name="\(suite.name)" timestamp="\(stamp)" \
        hostname="\(suite.kernel.isEmpty ? "-" : suite.kernel)" tests="\(suite.cases.count)" \
        failures="\(suite.count(.failed))" errors="\(suite.count(.broken))" \
        skipped="\(suite.count(.skipped, .known))" time="\(fixed(seconds))">
        """)
      lines.append(
        "    <properties><property name=\"kernel\" value=\"\(kernels[suite.kernel]?.release ?? "?")\"/>")
      for entry in suite.cases {
        guard let known = entry.known else { continue }
        lines.append(
          "      <property name=\"known-failure\" value=\"\(entry.machineName): \(known.text)\"/>")
      }
      lines.append("    </properties>")
      lines += suite.cases.map { testCase($0, in: suite) }
      lines += ["    <system-out/>", "    <system-err/>", "  </testsuite>"]
    }
    lines.append("</testsuites>\n")
    return lines.joined(separator: "\n").description
  }

  private func testCase(_ entry: Entry, in suite: Suite) -> XMLText {
    let open: XMLText =
      """
          <testcase classname="\(suite.name)" name="\(entry.machineName)" time="\(fixed(entry.seconds))"
      """
    switch entry.standing {
    case .passed: return open + "/>"
    case .skipped, .known: return open + "><skipped message=\"\(entry.why)\"/></testcase>"
    case .failed:
      return open
        + "><failure type=\"\(entry.label)\" message=\"\(entry.why)\">\(lines: entry.evidence)</failure></testcase>"
    case .broken:
      return open
        + "><error type=\"\(entry.label)\" message=\"\(entry.why)\">\(lines: entry.reasons)</error></testcase>"
    }
  }
}
