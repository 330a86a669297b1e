import Model
import Testing

@testable import Worker

@Suite struct PerformableTests {
  /// A verb costs a file in Model/Steps and one in Worker/Steps: the second was forgotten.
  @Test func everyStepCanBePerformed() {
    for (verb, type) in Step.verbs { #expect(type is any Performable.Type, "\(verb)") }
  }
}
