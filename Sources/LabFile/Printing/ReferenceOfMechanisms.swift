import Judging
import Model

extension Reference {
  static var mechanisms: Topic {
    Topic(
      name: "mechanisms",
      summary: "Why an attempt did not simply connect: what stands behind by in an expectation",
      entries: Mechanism.all.map { mechanism in
        var entry = Entry(name: mechanism.name.rawValue, summary: sentence(mechanism.summary))
        entry.facts = [
          ("expected as", alternatives(mechanism.expectations.map(\.description))),
          ("source", mechanism.source),
        ]
        return entry
      })
  }

  static var outcomes: Topic {
    Topic(
      name: "outcomes", summary: "What an attempt did",
      entries: Outcome.allCases.map { outcome in
        var entry = Entry(name: outcome.rawValue, summary: outcome.summary)
        let written = Model.Expectation.all.filter { $0.outcome == outcome }.map(\.description)
        if !written.isEmpty { entry.facts = [("expected as", alternatives(written))] }
        return entry
      })
  }
}
