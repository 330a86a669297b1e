import Judging
import Foundation
import Model
import Yams

/// Single values and keys.
extension FieldReader {
  /// A text as a kind that is one value.
  ///
  /// - Parameter node: where it stands; a key that stands twice has another text there.
  func scalar(_ text: String, _ node: Node, _ what: String, _ kind: FieldKind) -> FieldValue? {
    switch kind {
    case .number(let range, let unit): return number(text, node, what, range, unit)
    case .decimal(let range, _):
      guard let number = Double(text), range.contains(number) else { return wrong(text, node, what, kind) }
      return .decimal(number)
    case .word(let words):
      if words.contains(text) { return .text(text) }
      guard words.count <= 12 else {
        reader.report("unknown \(what) \"\(short(text))\"\(suggestion(text, words))", at: node)
        return nil
      }
      reader.report(
        "\(what) is \(words.joined(separator: " or ")), not \(Reader.quoted(text))\(nearest(text, words))",
        at: node)
      return nil
    case .newName: return reader.isName(text, what, at: node) ? .text(text) : nil
    case .name(let named): return name(text, node, named)
    case .clock(let onlyOffsets): return clock(text, node, onlyOffsets: onlyOffsets).map(FieldValue.clock)
    case .ports: return ports(text, node).map(FieldValue.ports)
    case .address: return Self.isAddress(text) ? .text(text) : wrong(text, node, what, kind)
    case .capability: return capability(text, node).map { _ in .text(text) }
    case .expectation: return expectation(text, node, among: Expectation.all).map { _ in .text(text) }
    case .notation(let notated):
      guard let mistake = notated.mistake(in: text) else { return .text(text) }
      reader.report("\(what): \(mistake)", at: node)
      return nil
    case .servedBy: return servedBy(text, node).map { .text($0.description) }
    case .either(let kinds):
      // Keys only: a name of one of these kinds.
      let named = kinds.compactMap { if case .name(let named) = $0 { named } else { nil } }
      guard named.count == kinds.count else {
        return kinds.last.flatMap { scalar(text, node, what, $0) }
      }
      let known = named.map(names.all)
      // Links of a network that has a name of its own are asked for by each case.
      if known.contains(where: { $0.contains(text) }) || names.isMember(text)
        || zip(named, known).contains(where: { $0 == .link && $1.isEmpty })
      {
        return .text(text)
      }
      reader.report(
        "\(Reader.quoted(text)) is not \(alternatives(kinds.map(\.words)))\(suggestion(text, known.flatMap(\.self)))",
        at: node)
      return nil
    case .text, .scalar, .paragraphs, .settingValue, .parameterValue: return .text(text)
    case .flag, .list, .entries, .record, .open, .condition, .step: return wrong(text, node, what, kind)
    }
  }

  private func wrong(_ text: String, _ node: Node, _ what: String, _ kind: FieldKind) -> FieldValue? {
    reader.report("\(what) is \(kind.words), not \(Reader.quoted(text))", at: node)
    return nil
  }

  private func number(
    _ text: String, _ node: Node, _ what: String, _ range: ClosedRange<Int>, _ unit: String?
  ) -> FieldValue? {
    if let number = Int(text), range.contains(number) { return .number(number) }
    let kind = FieldKind.number(range, unit: unit)
    reader.report(
      "\(what) is \(kind.words), not \(Reader.quoted(text))\(Self.meant(text, range, unit))", at: node)
    return nil
  }

  /// `; write 61`: what is a number but for its unit, for separators, or for how YAML 1.1 says yes and no.
  private static func meant(_ text: String, _ range: ClosedRange<Int>, _ unit: String?) -> String {
    if let truth = truth(text), range.contains(0), range.contains(1), Int(text) == nil {
      return "; write \(truth ? 1 : 0)"
    }
    var bare = text.replacing("_", with: "").replacing(",", with: "")
    if let unit, bare.hasSuffix(unit) { bare = String(bare.dropLast(unit.count)) }
    while bare.last == " " { bare.removeLast() }
    guard bare != text, let number = Int(bare), range.contains(number) else { return "" }
    return "; write \(number)"
  }

  // MARK: names

  private func name(_ text: String, _ node: Node, _ named: FieldKind.Named) -> FieldValue? {
    let there = names.all(named)
    if there.contains(text) { return .text(text) }
    // One of several: which there are each case says.
    if named == .node, names.isMember(text) { return .text(text) }
    let unknown = "\"\(short(text))\""
    switch named {
    case .client: reader.report("unknown client \(unknown)\(suggestion(text, there))", at: node)
    case .server: reader.report("unknown server \(unknown)\(suggestion(text, there))", at: node)
    // That there are none is said where they are missing.
    case .link where there.isEmpty: return .text(text)
    case .link: reader.report("unknown link \(unknown)\(suggestion(text, there))", at: node)
    case .node: reader.report("no node \(unknown) in the topology\(hint(noNode: text))", at: node)
    case .end:
      // Of a network with a name of its own the clients say more.
      guard names.spelled != nil, !["default", NetworkSketch.loopback].contains(text), !names.isMember(text)
      else {
        return .text(text)
      }
      reader.report("no node and no address is called \(unknown)\(suggestion(text, there))", at: node)
    case .label: reader.report("no step has the label \(unknown)\(suggestion(text, there))", at: node)
    case .axis: reader.report("no axis \(unknown)\(suggestion(text, there))", at: node)
    case .setting: reader.report("unknown sysctl \(unknown)\(hint(noSetting: text))", at: node)
    case .counter: reader.report("no kernel has a counter \(unknown)\(hint(noCounter: text))", at: node)
    case .parameter: return isParameter(text) ? .text(text) : .text(text)
    case .nodeSetting: return .text(text)
    }
    return nil
  }

  /// `server.1` is a node, and yet none that a file can name: what is set is set on all of them.
  func hint(noNode name: String) -> String {
    guard let first = name.split(separator: ".").first.map(String.init), first != name,
      names.nodes.contains(first)
    else { return suggestion(name, names.nodes) }
    return "; what is set on \(first) is set on each that there is"
  }

  /// Of a sysctl its whole name may have been written; else the nearest of those that can stand here.
  func hint(noSetting name: String, besides own: [String] = []) -> String {
    let path = name.replacing(".", with: "/")
    if let whole = Setting.all.first(where: { $0.path == path || "net/ipv4/\(path)" == $0.path }) {
      return "; here it is called \"\(whole.name)\""
    }
    return suggestion(
      name, own + Setting.all.map(\.name), more: "pawslab reference settings has those that the lab knows")
  }

  private func hint(noCounter name: String) -> String {
    let known = KnownCounters.all.sorted()
    if let counter = known.first(where: { $0.hasSuffix(".\(name)") }) {
      return "; did you mean \"\(counter)\"?"
    }
    return suggestion(name, known, more: "pawslab reference counters has them all")
  }

  // MARK: clocks, ports, addresses

  /// Whole milliseconds.
  func offset(_ text: String, _ node: Node) -> Int? {
    guard let offset = Int(text), offset.magnitude <= Bounds.offset else {
      let meant = Self.milliseconds(text).map { "; write \($0)" } ?? ""
      reader.report(
        "bad offset \(Reader.quoted(text)): a whole number of milliseconds, at most \(Bounds.offset) either way"
          + " (PAWS compares within half of 32 bits)\(meant)", at: node)
      return nil
    }
    return offset
  }

  /// Of `-600s`, `5 ms`; nil where it is none, or too much.
  private static func milliseconds(_ text: String) -> Int? {
    for (unit, factor) in [("ms", 1), ("s", 1000)] where text.hasSuffix(unit) {
      let bare = text.dropLast(unit.count)
      guard let number = Int(bare.last == " " ? bare.dropLast() : bare),
        number.magnitude <= Bounds.offset / factor
      else { return nil }
      return number * factor
    }
    return nil
  }

  private func clock(_ text: String, _ node: Node, onlyOffsets: Bool) -> Clock? {
    if let known = ["natural": Clock.natural, "off": .off, "usec": .microseconds][text] {
      if !onlyOffsets { return known }
      reader.report("a clock can step to an offset only", at: node)
      return nil
    }
    if let offset = names.clocks[text] { return .offset(milliseconds: offset) }
    guard let first = text.first, first.isNumber || "+-".contains(first) else {
      let known = names.clocks.keys.sorted() + (onlyOffsets ? [] : ["natural", "off", "usec"])
      reader.report(
        "unknown clock \(Reader.quoted(text))\(suggestion(text, known)) (or an offset in milliseconds)",
        at: node)
      return nil
    }
    return offset(text, node).map { .offset(milliseconds: $0) }
  }

  private func ports(_ text: String, _ node: Node) -> ClosedRange<Int>? {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    let ends = parts.compactMap { UInt16($0) }.map(Int.init)
    guard (1...2).contains(parts.count), ends.count == parts.count, 1 <= ends[0],
      ends[0] <= ends[ends.count - 1]
    else {
      reader.report("ports are FIRST-LAST within 1-65535, not \(Reader.quoted(text))", at: node)
      return nil
    }
    return ends[0]...ends[ends.count - 1]
  }

  private static func isAddress(_ text: String) -> Bool {
    var address = in6_addr()
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1
  }

  // MARK: what is expected

  /// What a kernel has, or lacks.
  func capability(_ text: String, _ node: Node) -> KernelCondition? {
    let present = !text.hasPrefix("no ")
    let name = present ? text : String(text.dropFirst(3))
    if let capability = Capability.known(name) {
      return KernelCondition(capability: capability, present: present)
    }
    reader.report(
      Self.isVersion(name)
        ? "\"\(short(text))\" is a version: expectations hang on what a kernel has, as probed, never on what it "
          + "is called; e.g. TcpExt.PAWSTimewait (since 6.16), or \"no timestamps-by-port\""
        : "no kernel has a capability \"\(short(name))\"" + hint(noCapability: name), at: node)
    return nil
  }

  /// `>= 6.16`, `v6.1.0-18`
  private static func isVersion(_ text: String) -> Bool {
    let rest = text.drop { "<>=!~ v".contains($0) }
    return rest.first?.isNumber == true && (rest.contains(".") || rest.count < text.count)
  }

  /// A counter's nearest by its name with and without the group; of the others the nearest, or all features.
  private func hint(noCapability name: String) -> String {
    if let nearest = Nearest.to(name, among: Capability.allKnownNames) {
      return "; did you mean \"\(nearest)\"?"
    }
    if let counter = Capability.allKnownNames.first(where: { $0.hasSuffix(".\(name)") }) {
      return "; did you mean \"\(counter)\"?"
    }
    let features = Capability.Feature.allCases.map(\.rawValue).joined(separator: ", ")
    return "; it is a setting, a counter as TcpExt.PAWSTimewait, or one of \(features)"
  }

  /// An outcome with its mechanism.
  func expectation(_ text: String, _ node: Node, among possible: [Expectation]) -> Expectation? {
    if let found = possible.first(where: { $0.description == text }) { return found }
    reader.report("unknown outcome \"\(short(text))\"\(hint(noExpectation: text, possible))", at: node)
    return nil
  }

  /// The nearest; of an outcome that there is, its mechanisms; else all outcomes.
  func hint(noExpectation text: String, _ possible: [Expectation]) -> String {
    let word = text.split(separator: " ").first.map(String.init) ?? ""
    let same = possible.filter { $0.outcome.rawValue == word }
    let near = nearest(text, (same.isEmpty ? possible : same).map(\.description))
    if same.isEmpty {
      var outcomes: [String] = []
      for expectation in possible where !outcomes.contains(expectation.outcome.rawValue) {
        outcomes.append(expectation.outcome.rawValue)
      }
      return near + (near.isEmpty ? "; it is" : " It is") + " one of \(outcomes.joined(separator: ", "))"
    }
    // A mechanism that there is, of other outcomes.
    let name = text.split(separator: " ").last.map(String.init) ?? ""
    let others = possible.filter { $0.mechanism?.rawValue == name }.map(\.outcome.rawValue)
    let other = others.isEmpty ? "" : ", and \(name) is of \(alternatives(others))"
    let mechanisms = same.compactMap { $0.mechanism?.rawValue }
    if mechanisms.isEmpty { return "; \(word) stands alone\(other)" }
    let list = (same.contains { $0.mechanism == nil } ? "alone, or by " : "by ") + alternatives(mechanisms)
    if others.isEmpty { return near + (near.isEmpty ? "; " : " ") + "\(word) is \(list)" }
    return "; \(word) is \(list)\(other)"
  }

  func servedBy(_ text: String, _ node: Node) -> ServedBy? {
    if let by = ServedBy(text: text) { return by }
    reader.report("\"\(short(text))\" is neither \"same as LABEL\" nor \"other than LABEL\"", at: node)
    return nil
  }
}
