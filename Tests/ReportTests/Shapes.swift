import Foundation
import FoundationXML

/// What a parser of HTML or XML finds: tags and attributes, without texts.
enum Markup {
  private final class Listener: NSObject, XMLParserDelegate {
    var found: [String] = []

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String]
    ) {
      found.append("\(name) \(attributes.keys.sorted().joined(separator: " "))")
    }

    func parser(
      _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
    ) {
      found.append("/\(name)")
    }
  }

  /// By the parser of Foundation, which is libxml2.
  static func shape(of xml: String) throws -> [String] {
    let parser = XMLParser(data: Data(xml.utf8))
    let listener = Listener()
    parser.delegate = listener
    guard parser.parse() else { throw parser.parserError ?? CocoaError(.formatting) }
    return listener.found
  }

  /// By the states of the HTML standard's tokenizer (13.2.5) that a page of ours can be in.
  static func tags(of html: String) -> [String] { tokens(html).map(\.shape) }

  /// The values of an attribute, entities resolved.
  static func values(of attribute: String, in html: String) -> [String] {
    tokens(html).flatMap(\.attributes).filter { $0.name == attribute }.map { entities($0.value) }
  }

  private struct Token {
    var name: String
    var attributes: [(name: String, value: String)] = []
    var shape: String { ([name] + attributes.map(\.name)).joined(separator: " ") }
  }

  private static func tokens(_ html: String) -> [Token] {
    var tokens: [Token] = []
    var rest = html[...]
    while let open = rest.firstIndex(of: "<") {
      rest = rest[rest.index(after: open)...]
      let name = String(
        rest.prefix { !" \n\t/>".contains($0) || $0 == "/" && rest.first == "/" && tokens.isEmpty })
      guard let first = rest.first, first.isLetter || first == "/" || first == "!" else { continue }
      var token = Token(name: rest.hasPrefix("/") ? "/" + rest.dropFirst().prefix { $0 != ">" } : name)
      rest = rest.drop { !" \n\t>".contains($0) }
      while let next = rest.first, next != ">" {
        rest = rest.drop { " \n\t/".contains($0) }
        guard let next = rest.first, next != ">" else { break }
        let name = String(rest.prefix { !" \n\t=>".contains($0) })
        rest = rest.dropFirst(name.count)
        var value = ""
        if rest.first == "=" {
          rest = rest.dropFirst()
          if let quote = rest.first, "\"'".contains(quote) {
            rest = rest.dropFirst()
            value = String(rest.prefix { $0 != quote })
            rest = rest.dropFirst(value.count + 1)
          } else {
            value = String(rest.prefix { !" \n\t>".contains($0) })
            rest = rest.dropFirst(value.count)
          }
        }
        token.attributes.append((name, value))
      }
      rest = rest.dropFirst()
      tokens.append(token)
      // What is raw text ends with its own tag only.
      if ["script", "style"].contains(token.name), let end = rest.range(of: "</\(token.name)") {
        rest = rest[end.lowerBound...]
      }
    }
    return tokens
  }

  private static func entities(_ text: String) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
      .reduce(text) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
  }
}

/// A text's lines.
enum Lines {
  static func of(_ text: String) -> [Substring] {
    text.split(omittingEmptySubsequences: false) { $0 == "\n" }
  }
}

/// What a parser of KTAP takes each line for.
enum KTAPShape {
  static func of(_ text: String) -> [String] {
    Lines.of(text).map { line in
      let indent = line.prefix { $0 == " " }.count
      let body = line.drop { $0 == " " }
      func kind() -> String {
        if body.isEmpty { return "" }
        if body == "KTAP version 1" { return "version" }
        if body.wholeMatch(of: /1\.\.[0-9]+/) != nil { return "plan \(body)" }
        if body.hasPrefix("# Subtest: ") { return "subtest" }
        // As kunit_parser.py has them: a name has no number sign, and what is behind one is a directive.
        if let result = body.wholeMatch(of: /(ok|not ok) ([0-9]+) ([^#]*?)( # (SKIP|XFAIL) .*)?/) {
          return "\(result.1) \(result.2) \(result.5 ?? "")"
        }
        if body.hasPrefix("#"),
          body.wholeMatch(of: /#.*(List of all partitions:|reboot: System halted).*/) == nil
        {
          return "diagnostic"
        }
        return "unknown: \(line)"
      }
      return "\(indent) \(kind())"
    }
  }
}

/// What a runner of GitHub Actions takes each line for (ActionCommand.TryParseV2).
enum GitHubShape {
  static func of(_ text: String) -> [String] {
    text.split(whereSeparator: \.isNewline).map { line in
      guard let command = line.wholeMatch(of: /::(error|warning|notice) ([^:]*)::(.*)/) else {
        return "unknown: \(line)"
      }
      let properties = command.2.split(separator: ",").map {
        $0.split(separator: "=", maxSplits: 1).first ?? ""
      }
      return "\(command.1) \(properties.joined(separator: " "))"
    }
  }
}

/// What a parser of GitHub's Markdown takes each line for, as far as a report of ours goes.
enum MarkdownShape {
  static func of(_ text: String) -> [String] {
    var fence: Substring?
    return Lines.of(text).map { line in
      if let open = fence {
        if line == open { fence = nil }
        return line == open ? "fence" : "code"
      }
      if line.hasPrefix("```"), line.allSatisfy({ $0 == "`" }) {
        fence = line
        return "fence"
      }
      let code = line.replacing(/(`+)(?!`).*?[^`]\1(?!`)/, with: "CODE")
      let bare = code.replacing(/\\[!-\/:-@\[-`{-~]/, with: "")
      let block = line.prefix { "#|->+ ".contains($0) }
      let marks = bare.dropFirst(block.count).filter { "|<>`*_[]!~".contains($0) }
      let links =
        bare.contains("http:") || bare.contains("https:") || bare.contains("www.") || bare.contains("@")
      return "\(block)\(marks)\(links ? " a link" : "")"
    }
  }
}
