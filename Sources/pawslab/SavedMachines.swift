import Lab
import Model

extension Machines {
  /// The machine that results call by this name: a kernel's, or that with something emulated.
  ///
  /// - Parameter words: what `--kernel` was given then: one that was named by its path is used where it lies, if it does.
  func inResult(_ name: String, typed words: [String] = []) async throws -> Machine {
    let name = try ResultName(name)
    var found: Machine?
    for word in words where found == nil && word.contains("/") {
      if let there = try? await atPath(word), there.name == name.kernel.text { found = there }
    }
    let machine = if let found { found } else { try await named(name.kernel.text) }
    guard let emulation = name.emulation else { return machine }
    guard let emulating = machine.emulating(emulation) else {
      throw Failure(
        stage: "emulate", object: "\(name)", cause: "\(emulation.subject) cannot be emulated there any more",
        mend: "pawslab doctor says what is missing")
    }
    return emulating
  }
}
