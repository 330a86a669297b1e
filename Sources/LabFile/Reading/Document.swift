import Model
import Yams

/// A file's YAML as one tree, composed within the bounds of ``Bounds``.
///
/// Yams follows aliases while it composes, and compares keys by all that is below them, so five hundred bytes of aliases
/// as keys cost it half a minute. So aliases are first made plain words, of which the parser itself says where each
/// begins; what they would come to is counted on that tree; only then is the text composed as it is.
final class Document {
  private let reader: Reader
  private let source: SourceLines
  private var text: [Unicode.Scalar] { source.text }
  /// Keys that stand twice, renamed so that all other mistakes of the file are found too.
  private(set) var renamed: [Place: String] = [:]

  /// From 1, as the parser counts them.
  struct Place: Hashable {
    var line: Int
    var column: Int

    init(line: Int, column: Int) { (self.line, self.column) = (line, column) }
    init?(_ node: Node) {
      guard let mark = node.mark else { return nil }
      (line, column) = (mark.line, mark.column)
    }
  }

  /// What a node comes to with its aliases.
  private struct Extent {
    var nodes = 1
    var depth = 1
  }

  init(_ text: String, _ reader: Reader) {
    self.reader = reader
    source = SourceLines(Array(text.unicodeScalars))
    reader.source = source
  }

  /// The tree; nil where a mistake has been reported that leaves nothing to read.
  func compose() -> Node? {
    if text.first == "\u{feff}" {
      reader.report(
        "the file begins with a byte order mark (U+FEFF): save it as UTF-8 without one", line: 1, column: 1)
      return nil
    }
    let aliases = aliases
    var plain = text
    for index in aliases.values { plain[index] = "x" }
    guard let tree = compose(plain, aliases, bounded: false) else { return nil }
    return tree.containsAlias ? compose(text, [:], bounded: true)?.root : tree.root
  }

  // MARK: aliases

  /// Places where an alias may begin: an asterisk before a name, wherever it stands; none where nothing could be meant.
  private var aliases: [Place: Int] {
    func isName(_ scalar: Unicode.Scalar) -> Bool {
      scalar.properties.isAlphabetic || scalar.properties.numericType != nil || scalar == "_" || scalar == "-"
    }
    var found: [Place: Int] = [:]
    var anchors = false
    let text = text
    for index in text.indices.dropLast() {
      let scalar = text[index]
      guard scalar == "&" || scalar == "*", isName(text[index + 1]) else { continue }
      if scalar == "&" { anchors = true }
      if scalar == "*" { found[place(of: index)] = index }
    }
    return anchors ? found : [:]
  }

  private func name(ofAliasAt index: Int) -> String {
    var name = ""
    for scalar in text[(index + 1)...] {
      guard scalar.isASCII,
        scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
          || scalar == "_" || scalar == "-"
      else { break }
      name.unicodeScalars.append(scalar)
    }
    return name
  }

  // MARK: composing

  /// - Parameter bounded: whether the tree is known to keep the bounds.
  private func compose(
    _ scalars: [Unicode.Scalar], _ aliases: [Place: Int], bounded: Bool
  ) -> (root: Node, containsAlias: Bool)? {
    var scalars = scalars
    for (place, _) in renamed { rename(place, in: &scalars) }
    while true {
      do {
        var string = String.UnicodeScalarView()
        string.append(contentsOf: scalars)
        // Anchors live as long as their parser.
        let parser = try Parser(yaml: String(string), resolver: .basic)
        return try withExtendedLifetime(parser) {
          guard let root = try parser.singleRoot() else {
            reader.report("the file is empty", line: 1, column: 1)
            return nil
          }
          if bounded { return (root, false) }
          var walk = Walk(document: self, aliases: aliases)
          _ = walk.extent(of: root, depth: 1)
          return walk.stopped ? nil : (root, walk.containsAlias)
        }
      } catch let YamlError.duplicatedKeysInMapping(keys, context) {
        let place = Place(line: context.mark.line, column: context.mark.column)
        guard let key = keys.first, renamed.count < 20, renamed[place] == nil, canRename(place) else {
          let words = keys.prefix(8).map { "\"\($0)\"" }.joined(separator: ", ")
          reader.report("\(words) stands twice in this mapping", line: place.line, column: place.column)
          return nil
        }
        renamed[place] = key
        rename(place, in: &scalars)
      } catch {
        report(error)
        return nil
      }
    }
  }

  private func report(_ error: any Error) {
    switch error as? YamlError {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      // A quote that is not closed begins somewhere above.
      let mark = problem == "found unexpected end of stream" ? context?.mark ?? mark : mark
      let words = YAMLProblem.words(for: problem, at: scalar(at: mark))
      reader.report(words, line: mark.line, column: mark.column)
    case .reader(let problem, let offset, let value, _):
      // The offset is in bytes, and behind what was read ahead: the character says more.
      let index = Unicode.Scalar(UInt32(bitPattern: value)).flatMap { text.firstIndex(of: $0) }
      let at = index.map(place(of:)) ?? Place(line: 1, column: 1)
      let code = Unicode.Scalar(UInt32(bitPattern: value)).map(Words.code) ?? "byte \(offset ?? 0)"
      reader.report("not YAML: \(problem) (\(code))", line: at.line, column: at.column)
    default:
      reader.report("not YAML: \(error)", line: 1, column: 1)
    }
  }

  // MARK: keys that stand twice

  /// Where the first character of a key is that can be another.
  private func index(ofKeyAt place: Place) -> Int? {
    guard source.starts.indices.contains(place.line - 1) else { return nil }
    var index = source.starts[place.line - 1] + place.column - 1
    guard text.indices.contains(index) else { return nil }
    if text[index] == "\"" || text[index] == "'" { index += 1 }
    guard text.indices.contains(index), text[index].properties.isAlphabetic || text[index].isASCIIDigit else {
      return nil
    }
    return index
  }

  private func canRename(_ place: Place) -> Bool { index(ofKeyAt: place) != nil }

  /// One of the private use area, another for each.
  private func rename(_ place: Place, in scalars: inout [Unicode.Scalar]) {
    guard let index = index(ofKeyAt: place) else { return }
    scalars[index] = Unicode.Scalar(0xf0000 + UInt32(index % 0xfffd)) ?? "?"
  }

  // MARK: places

  private func scalar(at mark: Mark) -> Unicode.Scalar? {
    guard source.starts.indices.contains(mark.line - 1) else { return nil }
    let index = source.starts[mark.line - 1] + mark.column - 1
    return text.indices.contains(index) ? text[index] : nil
  }

  private func place(of index: Int) -> Place {
    var (low, high) = (0, source.starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if source.starts[middle] <= index { low = middle } else { high = middle }
    }
    return Place(line: low + 1, column: index - source.starts[low] + 1)
  }

  // MARK: bounds

  /// Looks at every node once and counts what aliases would make of them.
  private struct Walk {
    let document: Document
    let aliases: [Place: Int]
    var containsAlias = false
    private var anchors: [String: Extent] = [:]
    private var counted = 0
    private(set) var stopped = false

    init(document: Document, aliases: [Place: Int]) { (self.document, self.aliases) = (document, aliases) }

    mutating func extent(of node: Node, depth: Int) -> Extent {
      guard !stopped else { return Extent() }
      guard depth <= Bounds.depth else {
        stop("nested deeper than \(Bounds.depth) levels", at: node)
        return Extent()
      }
      var extent = Extent()
      switch node {
      case .scalar(let scalar):
        if let place = Place(node), let index = aliases[place] {
          containsAlias = true
          let name = document.name(ofAliasAt: index)
          guard let known = anchors[name] else {
            stop("no anchor \"&\(name.prefix(Bounds.name))\" before this alias", at: node)
            return extent
          }
          extent = known
        } else {
          look(at: scalar, node)
        }
      case .sequence(let sequence):
        for item in sequence { add(self.extent(of: item, depth: depth + 1), to: &extent) }
      case .mapping(let mapping):
        for (key, value) in mapping {
          let isAlias = Place(key).map { aliases[$0] != nil } == true
          if key.scalar == nil || isAlias {
            stop("a key is a word, not \(isAlias ? "an alias" : Reader.kind(key))", at: key)
            return extent
          }
          add(self.extent(of: key, depth: depth + 1), to: &extent)
          add(self.extent(of: value, depth: depth + 1), to: &extent)
        }
      case .alias: break
      }
      counted += 1
      if depth + extent.depth - 1 > Bounds.depth {
        stop("nested deeper than \(Bounds.depth) levels", at: node)
      } else if max(counted, extent.nodes) > Bounds.nodes {
        stop(
          "more than \(Bounds.nodes) keys, values and lists, each alias counted as what it stands for",
          at: node)
      }
      if let name = node.anchor?.rawValue { anchors[name] = extent }
      return extent
    }

    private func add(_ part: Extent, to whole: inout Extent) {
      // Both are bounded: what is more than the bound has stopped the walk.
      whole.nodes += part.nodes
      whole.depth = max(whole.depth, part.depth + 1)
    }

    private mutating func stop(_ message: String, at node: Node) {
      guard !stopped else { return }
      stopped = true
      document.reader.report(message, at: node)
    }

    private func look(at scalar: Node.Scalar, _ node: Node) {
      var count = 0
      for character in scalar.string.unicodeScalars {
        count += 1
        if Words.isControl(character), character != "\n", character != "\t" {
          document.reader.report(
            "\(Words.code(character)) in a text: no control characters, no marks of direction", at: node)
          return
        }
      }
      if count > Bounds.why { document.reader.report("\(count) characters; at most \(Bounds.why)", at: node) }
    }
  }
}

extension Unicode.Scalar {
  fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}
