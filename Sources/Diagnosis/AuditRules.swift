/// Alert rules for Prometheus, of what `node_exporter` counts: one for each counter that a mechanism moves.
public enum AuditRules {
  /// One alert.
  struct Alert {
    var name: String
    var expression: String
    var level: AuditLevel
    var exposure: AuditExposure
    var unless: String?
  }

  /// What `node_exporter` returns of netstat by itself (collector/netstat_linux.go), without its anchors.
  private static let usual =
    "(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)"
    + "|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)"
    + "|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)"
    + "|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))"

  /// Counters of TcpExt that an alert asks for.
  static var counters: [String] {
    var seen: Set<String> = []
    return AuditExposure.counted.flatMap(\.counters).filter { !$0.contains(".") && seen.insert($0).inserted }
  }

  /// What `--collector.netstat.fields` has to be: the default leaves all of PAWS out.
  public static var fields: String {
    "^(" + usual + "|TcpExt_(" + counters.filter { !isUsual($0) }.joined(separator: "|") + "))$"
  }

  private static func isUsual(_ counter: String) -> Bool {
    counter.hasPrefix("Listen") || counter.hasPrefix("Syncookies")
  }

  private static func metric(_ counter: String) -> String {
    counter.hasPrefix("conntrack.")
      ? "node_nf_conntrack_stat_" + counter.dropFirst("conntrack.".count) : "node_netstat_TcpExt_" + counter
  }

  static var alerts: [Alert] {
    var alerts: [Alert] = []
    for exposure in AuditExposure.counted {
      for counter in exposure.counters {
        let own = counter.split(separator: ".").last.map(String.init) ?? counter
        let name =
          "Pawslab" + (counter.contains(".") ? "Conntrack" : "")
          + own.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        var expression = "increase(\(metric(counter))[5m]) > 0"
        // Every clash is counted as a drop too (__nf_conntrack_confirm).
        if counter == "conntrack.drop" {
          expression =
            "increase(\(metric(counter))[5m]) - increase(\(metric("conntrack.insert_failed"))[5m]) > 0"
        }
        alerts.append(Alert(name: name, expression: expression, level: exposure.level, exposure: exposure))
      }
    }
    if let full = AuditExposure.named("conntrack-max") {
      alerts.append(
        Alert(
          name: "PawslabConntrackAlmostFull",
          expression: "node_nf_conntrack_entries / node_nf_conntrack_entries_limit > 0.9", level: .warning,
          exposure: full))
    }
    return alerts
  }

  /// The file of rules.
  public static var prometheus: String {
    var lines = [
      "# Alert rules of pawslab audit --rules prometheus: one for each counter that a mechanism of the lab moves.",
      "# node_exporter leaves most of them out by itself. It has to run with",
      "#   --collector.netstat.fields='\(fields)'",
      "# A kernel has some of them only: PAWSPassive until 4.11, PAWSTimewait since 6.16.",
      "groups:", "  - name: pawslab", "    rules:",
    ]
    for alert in alerts {
      let mechanisms = alert.exposure.shown.map(\.mechanism)
        .reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
      let severity = alert.level == .error ? "critical" : alert.level == .warning ? "warning" : "info"
      lines += [
        "      - alert: \(alert.name)",
        "        expr: \(quoted(alert.expression))",
        // What means several things, or costs a retransmission, is said when it goes on.
        "        for: \(alert.level == .note ? "10m" : "0m")",
        "        labels:",
        "          severity: \(severity)",
        "          mechanism: \(quoted(mechanisms.joined(separator: ",")))",
        "        annotations:",
        "          summary: \(quoted("{{ $labels.instance }}: \(alert.exposure.title)"))",
        "          description: "
          + quoted("by \(mechanisms.joined(separator: " or ")); what ends it: \(alert.exposure.change)"),
        "          see: " + quoted(alert.exposure.shown.first.map { "pawslab run '\($0.test)'" } ?? ""),
      ]
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// A plain scalar of YAML in single quotes.
  private static func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }
}
