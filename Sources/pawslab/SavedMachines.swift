import Lab
import Model

extension Machines {
  /// The machine that results call by this name: a kernel's, or that with something emulated.
  func inResult(_ name: String) async throws -> Machine {
    let name = try ResultName(name)
    let machine = try await named(name.kernel.text)
    guard let emulation = name.emulation else { return machine }
    guard let emulating = machine.emulating(emulation) else {
      throw Failure(
        stage: "emulate", object: "\(name)", cause: "\(emulation.subject) cannot be emulated there any more",
        mend: "pawslab doctor says what is missing")
    }
    return emulating
  }
}
