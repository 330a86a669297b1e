import ArgumentParser
import LabFile
import Model
import Report

struct ReferenceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reference",
    abstract: "What a lab file may say: sections, steps, settings, mechanisms, counters and the rest.",
    discussion: """
      Without a name an overview. A name is a topic (steps), or any word of one: connect, tcp_rfc1337, tw-paws, \
      TcpExt.PAWSTimewait, closes.
      """)

  @Argument(help: "Topics, or words of them.")
  var names: [String] = []

  /// How it can be printed.
  enum ReferenceFormat: String, CaseIterable, ExpressibleByArgument { case text, markdown }

  @Option(help: "text, or markdown for a document.")
  var format: ReferenceFormat = .text

  func run() throws {
    let reference = Reference.all
    guard !names.isEmpty else {
      switch format {
      case .text: ReferenceText.overview(reference).forEach { Console.print($0) }
      case .markdown: Console.write(ReferenceMarkdown.document(reference.topics), to: .standardOutput)
      }
      return
    }
    // Whole topics, and entries under the topics that they are of.
    var topics: [Reference.Topic] = []
    for name in names {
      if let topic = reference.topic(name) {
        topics.append(topic)
        continue
      }
      let found = reference.topics(with: name)
      guard !found.isEmpty else { throw Self.nothing(name, reference) }
      topics += found
    }
    switch format {
    case .text: for topic in topics { ReferenceText.lines(of: topic).forEach { Console.print($0) } }
    case .markdown: Console.write(ReferenceMarkdown.document(topics), to: .standardOutput)
    }
  }

  private static func nothing(_ name: String, _ reference: Reference) -> Failure {
    let near = reference.near(name)
    let topics = reference.topics.map(\.name).joined(separator: ", ")
    return Failure(
      stage: "reference", object: name, cause: "nothing is called so",
      mend: near.isEmpty ? "the topics are \(topics)" : "did you mean \(near.joined(separator: ", "))?",
      isUsage: true)
  }
}
