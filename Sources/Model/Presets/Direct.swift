/// Every client has a link to the server.
struct Direct: Preset {
  let name = "direct"
  let order = 0
  let summary = "every client has a link to the server; nothing in between"

  func network(_ parameters: PresetParameters) -> Network {
    Network(
      topology: Network.Topology(self), family: parameters.family,
      hosts: parameters.clientHosts(to: parameters.addressing.gateway) + parameters.serverHosts,
      links: parameters.clientLinks(to: parameters.serverNames[0], capturesFarEnd: true))
  }
}
