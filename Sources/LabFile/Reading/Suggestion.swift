import Model

/// So many words are a short list, which is always told.
private let few = 12

/// `; did you mean "clock"? It is one of clock, isn, count`: the nearest where one is near, the whole list where it is
/// short; of a long list `more`, where it is to be found.
func suggestion(_ word: String, _ candidates: [String], more: String? = nil) -> String {
  if candidates.isEmpty { return "; there is none" }
  let near = nearest(word, candidates)
  if candidates.count == 1, !near.isEmpty { return near }
  let list = candidates.map(short).joined(separator: ", ")
  guard candidates.count <= few, list.count <= 400 else {
    return near.isEmpty ? more.map { "; \($0)" } ?? "" : near
  }
  return near + (near.isEmpty ? "; it is" : " It is") + (candidates.count == 1 ? " " : " one of ") + list
}

/// `; did you mean "clock"?`, or nothing where nothing is near.
func nearest(_ word: String, _ candidates: [String]) -> String {
  Nearest.to(word, among: candidates).map { "; did you mean \"\(short($0))\"?" } ?? ""
}

/// `a, b or c`
func alternatives(_ words: [String], _ conjunction: String = "or") -> String {
  guard let last = words.last, words.count > 1 else { return words.first ?? "" }
  return words.dropLast().joined(separator: ", ") + " \(conjunction) " + last
}

/// A word as mistakes quote it: its beginning, without what steers a terminal.
func short(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars.prefix(Bounds.name) {
    if Words.isControl(scalar) { result += Words.code(scalar) } else { result.unicodeScalars.append(scalar) }
  }
  return text.unicodeScalars.count > Bounds.name ? result + "..." : result
}
