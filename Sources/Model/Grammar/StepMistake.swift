/// What is wrong with a step in one case, and at which of its keys.
public struct StepMistake: Sendable, Equatable, CustomStringConvertible {
  public var message: String
  /// The option that it is about; the verb's own name is what stands behind the verb, nil the step as a whole.
  public var key: String?

  public init(_ message: String, at key: String? = nil) { (self.message, self.key) = (message, key) }

  public var description: String { message }

  /// The same, at a key that only the step knows.
  func at(_ key: String) -> StepMistake { StepMistake(message, at: key) }
}
