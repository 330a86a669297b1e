import Lab
import Model

extension Machines {
  /// The machine that results call by this name: a kernel's, or that with a removed setting emulated.
  func inResult(_ name: String) async throws -> Machine {
    let (kernel, emulated) = try KernelName.inResult(name)
    let machine = try await named(kernel.text)
    guard emulated else { return machine }
    guard let emulating = machine.emulating("tcp_tw_recycle") else {
      throw Failure(
        stage: "emulate", object: name, cause: "tcp_tw_recycle cannot be emulated there any more",
        mend: "pawslab doctor says what is missing")
    }
    return emulating
  }
}
