import Model

extension SetSetting: Performable {
  func perform(in workload: Workload, index: Int) throws {
    let testbed = workload.testbed
    guard let target = testbed.nodes.first(where: { $0.name == node }) else {
      throw workload.lacks("set \(setting)", node, "no node of that name")
    }
    guard testbed.kernel.emulates(setting) else {
      return try Settings.set(
        setting, value, on: target, ipv6: workload.test.network.family == .ipv6, kernel: testbed.kernel)
    }
    guard let recycling = testbed.recycling else {
      throw workload.lacks("set \(setting)", node, "it is to be emulated, and nothing emulates it")
    }
    try recycling.set(value == "1", on: node)
  }
}
