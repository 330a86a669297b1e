import Foundation
import Model

extension Reference {
  /// A topic by its name.
  public func topic(_ name: String) -> Topic? { topics.first { $0.name == name } }

  /// What is called so, under its topics: entries by their name, of counters also without the group, of settings by the whole name too;
  /// else keys of entries. Empty where nothing is.
  public func topics(with name: String) -> [Topic] {
    let path = "/proc/sys/" + name.replacing(".", with: "/")
    func found(_ isMeant: (Entry) -> Bool) -> [Topic] {
      topics.map { topic in
        var topic = topic
        topic.entries = topic.entries.filter(isMeant)
        return topic
      }.filter { !$0.entries.isEmpty }
    }
    let exact = found { $0.name == name }
    if !exact.isEmpty { return exact }
    let other = found { entry in
      entry.name.lowercased() == name.lowercased() || entry.name.hasSuffix(".\(name)")
        || entry.facts.contains { $0.term == "file" && $0.words == path || $0.words.isList(with: name) }
    }
    guard other.isEmpty else { return other }
    return found { $0.rows.contains { $0.name == name } }.map { topic in
      var topic = topic
      for index in topic.entries.indices { topic.entries[index].keep(name) }
      return topic
    }
  }

  /// For a word that nothing is called by: what was probably meant; of topics and entries.
  public func near(_ name: String) -> [String] {
    let names = topics.map(\.name) + topics.flatMap { $0.entries.map(\.name) }
    let rows = topics.flatMap { $0.entries.flatMap { $0.rows.map(\.name) } }
    var near: [String] = []
    for list in [names, rows] {
      if let word = Nearest.to(name, among: list), !near.contains(word) { near.append(word) }
    }
    let containing = names.filter { name.count > 2 && $0.lowercased().contains(name.lowercased()) }
    for word in containing where !near.contains(word) && near.count < 8 { near.append(word) }
    return near
  }
}

extension Reference.Entry {
  /// Of its keys only this one.
  fileprivate mutating func keep(_ row: String) {
    rows.removeAll { $0.name != row }
    facts = []
    example = nil
  }
}

extension String {
  /// Whether it is `a, b or c` and one of them is this.
  fileprivate func isList(with word: String) -> Bool {
    contains(word) && replacing(" or ", with: ", ").split(separator: ", ").contains { $0 == word }
  }
}
