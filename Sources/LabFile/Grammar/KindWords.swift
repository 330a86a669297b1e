import Model

extension FieldKind {
  /// What it is, in a few words: `a number from 1 to 8`, `client, server or nobody`.
  public var words: String {
    switch self {
    case .number(let range, let unit): Self.number("\(range.lowerBound)", "\(range.upperBound)", unit)
    case .decimal(let range, let unit):
      Self.number(Self.text(range.lowerBound), Self.text(range.upperBound), unit, fraction: true)
    case .flag: "true or false"
    case .word(let words): alternatives(words)
    case .text: "one line of text"
    case .paragraphs: "lines of text"
    case .newName: "a new name"
    case .name(let named): named.words
    case .clock(let onlyOffsets):
      "an offset in ms or a name from clocks" + (onlyOffsets ? "" : ", natural, usec or off")
    case .ports: "FIRST-LAST or one port"
    case .address: "an IPv4 or IPv6 address"
    case .list(let kind, _): "one or several: \(kind.words)"
    case .entries(let key, let value): "a mapping of \(key.words) to \(value.words)"
    case .record(let fields): "a mapping with \(alternatives(fields.map(\.name)))"
    case .open(let fields, let key, _): "a mapping with \(alternatives(fields.map(\.name))), and \(key.words)"
    case .either(let kinds): alternatives(kinds.map(\.words))
    case .scalar: "any single value"
    case .settingValue: "what the setting takes"
    case .parameterValue: "what the parameter takes"
    case .condition(let kernel):
      "a mapping of axes to one or several of their values" + (kernel ? ", and kernel to capabilities" : "")
    case .capability: "a capability, or \"no\" and one"
    case .expectation: "an outcome, or OUTCOME by MECHANISM"
    case .servedBy: "same as LABEL or other than LABEL"
    case .notation(let notated): notated.words
    case .step: "a step"
    }
  }

  private static func number(
    _ least: String, _ most: String, _ unit: String?, fraction: Bool = false
  ) -> String {
    if !fraction, unit == nil, least == "0", most == "1" { return "0 or 1" }
    let units = ["s": "seconds", "ms": "milliseconds", "bit/s": "bits per second"]
    let of = unit.map { $0.hasPrefix("per ") ? " \($0)" : " of \(units[$0] ?? $0)" } ?? ""
    return "a number\(of) from \(least) to \(most)"
  }

  private static func text(_ number: Double) -> String {
    number == number.rounded() && number.magnitude < 1e15 ? "\(Int(number))" : "\(number)"
  }
}

extension FieldKind.Notated {
  /// What it is, by an example.
  var words: String {
    switch self {
    case .amount: "a number, or FIRST-LAST"
    case .packets: "packets as tcpdump prints them (late > server Flags [S] x2 then server > late Flags [.])"
    case .sockets: "sockets as ss prints them (TIME-WAIT, or TIME-WAIT server:8000 *:*)"
    case .conntrack: "an entry as conntrack -L prints it (TIME_WAIT src=late dport=8000 [ASSURED])"
    case .ipvs: "an entry as ipvsadm -Lnc prints it (TIME_WAIT late:40000 *:8000 server.1:8000)"
    case .dropReason: "the kernel's reason for a drop (TCP_RFC7323_TW_PAWS)"
    }
  }

  /// What a text would have to be; nil where it is that.
  func mistake(in text: String) -> String? {
    do throws(NotationError) {
      switch self {
      case .amount: _ = try Amount(text: text)
      case .packets: _ = try PacketPattern(text: text)
      case .sockets: _ = try SocketPattern(text: text)
      case .conntrack: _ = try ConntrackPattern(text: text)
      case .ipvs: _ = try IPVSPattern(text: text)
      case .dropReason:
        let isReason =
          !text.isEmpty
          && text.utf8.allSatisfy {
            (0x41...0x5a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f
          }
        return isReason
          ? nil : "\"\(short(text))\" is no reason for a drop: capitals, as in TCP_RFC7323_TW_PAWS"
      }
      return nil
    } catch { return error.description }
  }
}

extension FieldKind.Named {
  /// What it is the name of.
  var words: String {
    switch self {
    case .client: "a client"
    case .server: "a server"
    case .node: "a node"
    case .link: "a link"
    case .end: "a node or a named address"
    case .label: "a label"
    case .setting: "a sysctl"
    case .counter: "a counter"
    case .axis: "an axis"
    case .parameter: "a parameter"
    case .nodeSetting: "NODE.SETTING"
    }
  }
}

extension Setting.Values {
  /// As a value in a lab file.
  public var kind: FieldKind {
    switch self {
    case .number(let range, let unit): .number(range, unit: unit)
    case .flag: .number(0...1)
    case .text: .text(atMost: Bounds.value)
    }
  }
}
