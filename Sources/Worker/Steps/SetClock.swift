import Model

extension SetClock: Performable {
  func perform(in workload: Workload, index: Int) throws {
    guard case .offset(let milliseconds) = to else {
      throw workload.lacks("clock", client, "it can be set to an offset only")
    }
    let members = workload.testbed.clients.filter { $0.description.group == client }
    guard !members.isEmpty, let clocks = workload.testbed.clocks else {
      throw workload.lacks("clock", client, "no client of that group has a clock of its own")
    }
    for member in members { try clocks.set(member.node.name, milliseconds: milliseconds) }
  }
}
