import Model

/// Finds settings in files of any format that people keep them in: sysctl.d, shell, Dockerfiles, compose, Kubernetes,
/// Ansible, Chef, Puppet, Salt, tuned, cloud-init. A line is read as it stands, and the few below it where the value is
/// on one of its own; nothing is interpreted, so that what a template would put in is not there.
struct AuditSettings {
  /// What a line says: `net.ipv4.tcp_rfc1337`, `1`.
  struct Said: Equatable {
    var name: String
    var value: String
    var line: Int
  }

  /// Settings that anything here asks for, by sysctl's name.
  static let names: Set<String> = {
    var names = Set(AuditExposure.all.flatMap(\.settings).map(AuditFacts.sysctl))
    names.remove("net.ipv4.conf.all.rp_filter")
    return names
  }()

  /// How far below its name a value is looked for.
  private static let reach = 8

  /// All that a text says, in its order.
  static func read(_ lines: [Line]) -> [Said] {
    var all: [Said] = []
    for index in lines.indices {
      // A line of a program that was packed into one is no settings file.
      guard lines[index].text.utf8.count < 4096 else { continue }
      let text = lines[index].text
      for (name, range) in found(in: text) where !isComment(text[..<range.lowerBound]) {
        let value =
          echoed(text[..<range.lowerBound]) ?? following(text[range.upperBound...], name: name)
          ?? below(lines, index, after: text[range.upperBound...], name: name)
        guard let value else { continue }
        all.append(Said(name: name, value: value, line: lines[index].number))
      }
    }
    return all
  }

  // MARK: names

  /// Every name that is known, dotted or slashed, and where it stands.
  private static func found(in text: Substring) -> [(String, Range<Substring.Index>)] {
    var all: [(String, Range<Substring.Index>)] = []
    var rest = text
    while let start = rest.firstRange(of: "net")?.lowerBound {
      let before = start == text.startIndex ? nil : text[text.index(before: start)]
      let token = text[start...].prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "._-/*".contains($0)) }
      rest = text[start...].dropFirst(3)
      if let before, before.isLetter || before.isNumber || before == "_" || before == "." { continue }
      // ['net']['ipv4']['tcp_rfc1337'] is Chef's.
      let (name, end) =
        token == "net" ? chain(text[start...]) : (String(token).replacing("/", with: "."), token.endIndex)
      guard let known = known(name) else { continue }
      all.append((known, start..<end))
      rest = text[end...]
    }
    return all
  }

  private static func chain(_ text: Substring) -> (String, Substring.Index) {
    var parts: [Substring] = []
    var rest = text
    while let part = Optional(rest.prefix(while: { $0.isLetter || $0.isNumber || $0 == "_" })), !part.isEmpty
    {
      parts.append(part)
      rest = rest[part.endIndex...]
      let joint = rest.prefix { "[]'\".:".contains($0) }
      guard joint.contains("["), joint.count < 6 else { break }
      rest = rest[joint.endIndex...]
    }
    return (parts.joined(separator: "."), rest.startIndex)
  }

  private static func known(_ name: String) -> String? {
    let name = name.hasSuffix(".") || name.hasSuffix("-") ? String(name.dropLast()) : name
    if names.contains(name) { return name }
    return name.hasPrefix("net.ipv4.conf.") && name.hasSuffix(".rp_filter") ? name : nil
  }

  private static func isComment(_ before: Substring) -> Bool {
    let trimmed = before.trimmed
    return trimmed.hasPrefix("//") || trimmed.hasPrefix(";") || trimmed.hasPrefix("<!--")
      || trimmed.contains("# ")
      || trimmed.hasPrefix("#") || trimmed.hasSuffix("#")
  }

  // MARK: values

  /// `echo 1 > /proc/sys/...`, `echo 1 | sudo tee /proc/sys/...`
  private static func echoed(_ before: Substring) -> String? {
    guard before.hasSuffix("/proc/sys/"), before.contains(">") || before.contains("tee") else { return nil }
    let words = before.words
    guard let index = words.lastIndex(where: { $0.hasSuffix("echo") || $0.hasSuffix("printf") }),
      words.indices.contains(index + 1)
    else { return nil }
    var values = words[(index + 1)...].prefix { !$0.hasPrefix(">") && !$0.hasPrefix("|") && $0 != "-n" }
    if values.isEmpty {
      values = words[(index + 1)...].dropFirst().prefix { !$0.hasPrefix(">") && !$0.hasPrefix("|") }
    }
    return value(Substring(values.joined(separator: " ")), isLast: true)
  }

  /// `= 1`, `: "1"`, `', value => '1'`, `=1"`
  private static func following(_ text: Substring, name: String) -> String? {
    var rest = text
    var hasSeparator = false
    // Quotes, brackets and commas before a separator; the word `value` and its separator after one.
    while let first = rest.first {
      if "=:>".contains(first) {
        hasSeparator = true
      } else if rest.hasPrefix("value") || rest.hasPrefix("mkDefault") || rest.hasPrefix("mkForce") {
        rest = rest.drop { $0.isLetter }
        hasSeparator = hasSeparator || rest.first != nil
        continue
      } else if !" \t'\"`,]".contains(first) {
        break
      }
      rest = rest.dropFirst()
    }
    return hasSeparator ? value(rest, isLast: false) : nil
  }

  /// A value on a line of its own below: `value: 1`, `- value: 1`, `value => '1'`, `value 1`.
  private static func below(_ lines: [Line], _ index: Int, after: Substring, name: String) -> String? {
    // What goes on after the name is prose, unless it opens a block.
    let rest = after.drop { " \t'\"`,:{=>]".contains($0) }
    guard rest.isEmpty || rest == "do" || rest.hasPrefix("#") else { return nil }
    for line in lines[(index + 1)...].prefix(reach) {
      if !found(in: line.text).isEmpty { return nil }
      let text = line.text.drop { " \t-'\"".contains($0) }
      if text.hasPrefix("state"), text.contains("absent") { return nil }
      guard text.hasPrefix("value") || text.hasPrefix("sysctl_value") else { continue }
      let tail = text.drop { $0.isLetter || $0 == "_" }
      guard let first = tail.first, " \t'\":=".contains(first) else { continue }
      return value(tail.drop { " \t'\":=>".contains($0) }, isLast: false)
    }
    return nil
  }

  /// A number, or the two of a range of ports; nil for anything else, as what a template would put in.
  private static func value(_ text: Substring, isLast: Bool) -> String? {
    let text = text.drop { " \t'\"".contains($0) }
    let first = text.prefix { $0.isASCII && $0.isNumber }
    guard !first.isEmpty, first.count < 12 else { return nil }
    let rest = text[first.endIndex...]
    let gap = rest.prefix { $0 == " " || $0 == "\t" }
    let second = rest[gap.endIndex...].prefix { $0.isASCII && $0.isNumber }
    if !gap.isEmpty, !second.isEmpty, second.count < 12 { return "\(first) \(second)" }
    guard let next = rest.first else { return String(first) }
    return next.isLetter || next == "." || next == "_" || next == "-" ? nil : String(first)
  }
}
