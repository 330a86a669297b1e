/// What libyaml finds wrong, in the words of who writes the file.
enum YAMLProblem {
  /// - Parameters:
  ///   - problem: libyaml's words (src/scanner.c, src/parser.c).
  ///   - scalar: what stands at the place; nil at the file's end.
  static func words(for problem: String, at scalar: Unicode.Scalar?) -> String {
    if problem.contains("another document") {
      return "a second document begins here: a lab file is one, so put the other into a file of its own"
    }
    let words: String? =
      switch problem {
      case _ where problem.contains("tab character"): tab
      case "found character that cannot start any token":
        switch scalar {
        case "\t": tab
        case let scalar?: "\(quoted(scalar)) cannot begin a text: quote it"
        case nil: nil
        }
      case "mapping values are not allowed in this context":
        "no \"KEY: VALUE\" can stand here: quote a text that has a colon and a space, or mend the indentation"
      case "did not find expected key", "did not find expected '-' indicator":
        "this line belongs to nothing above: mend its indentation, or a quote before it"
      case "could not find expected ':'":
        "a key without a colon and a space behind it, or a text that is not indented"
      case "did not find expected ',' or ']'": "a list without its ]: a comma or ] is missing before this"
      case "did not find expected ',' or '}'": "a mapping without its }: a comma or } is missing before this"
      case "found unexpected end of stream": "a quote is not closed"
      case "found unexpected document indicator": "a quote is not closed before the document ends"
      case "did not find expected <document start>": "nothing can stand behind the end of the document"
      case "found undefined alias": "no anchor before this alias: quote a text that begins with *"
      case "found unknown escape character":
        "no such escape in a text with double quotes: single quotes take a backslash as it is"
      case "found undefined tag handle": "a tag (!...) that is not known: quote the text"
      case "block sequence entries are not allowed in this context":
        "no \"- ITEM\" can stand here: it begins a line of its own"
      default: nil
      }
    return "not YAML: " + (words ?? problem)
  }

  private static let tab = "a tab; YAML is indented by spaces"

  private static func quoted(_ scalar: Unicode.Scalar) -> String { short("\"\(scalar)\"") }
}
