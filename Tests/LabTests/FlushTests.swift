import LabFile
import Model
import Report
import Testing

/// What a churn empties before each connection is what its file says: reader, explanation and worker know both tables.
@Suite struct FlushTests {
  static func text(_ table: String, kind: String = "snat") -> String {
    """
    title: A title
    why: A reason
    topology: {kind: \(kind)}
    clients: {client: {}}
    workload:
      - churn: client
        connections: 2
        flush: \(table)
    expect:
      - otherwise: true
        because: it is so

    """
  }

  @Test(arguments: [Step.Table.conntrack, .tcpMetrics, .neighbours]) func aChurnEmptiesWhatItsFileSays(
    table: Step.Table
  ) throws {
    let test = try #require(try LabFiles.parse(Self.text(table.rawValue), file: "x.yaml").cases().first)
    guard let churn = test.workload.first?.action as? Churn else {
      Issue.record("no churn: \(test.workload)")
      return
    }
    #expect(churn.flush == table)
    #expect(Explanation(test).lines.contains { $0.contains("\(table.rawValue) emptied before each") })
  }

  @Test func aDirectTopologyHasNoConntrack() throws {
    #expect(throws: LabFileError.self) {
      try LabFiles.parse(Self.text("conntrack", kind: "direct"), file: "x.yaml")
    }
    #expect(try LabFiles.parse(Self.text("tcp_metrics", kind: "direct"), file: "x.yaml").cases().count == 1)
  }
}
