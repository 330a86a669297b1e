import Linux
import Model
import Netlink

/// The IPVS director's services: one per server port, every server behind each.
final class Director {
  private let socket: IPVSSocket
  private let network: Network
  private let addressing: Addressing

  init(on node: Node, network: Network, addressing: Addressing) throws {
    self.network = network
    self.addressing = addressing
    do {
      socket = try node.namespace.run { try IPVSSocket() }
      for port in ports {
        try socket.addService(
          addressing.virtual, port: port, scheduler: (network.hop?.scheduler ?? .rr).rawValue)
        // ip_vs_add_dest puts the newest first; so rr begins with the first of ours.
        for index in (0..<network.servers).reversed() {
          try socket.addServer(
            addressing.server(index), port: port, to: addressing.virtual, by: forwarding)
        }
      }
    } catch {
      throw Failure(error, stage: "ipvs", object: node.name)
    }
  }

  private var ports: [Int] { (0..<network.serverPorts).map { Network.serverPort + $0 } }

  private var forwarding: IPVSSocket.Forwarding {
    switch network.topology {
    case .ipvsDR: .route
    case .ipvsTun: .tunnel
    default: .masquerade
    }
  }

  /// Takes a server out of every service.
  func remove(_ server: String) throws {
    guard let index = network.serverNames.firstIndex(of: server) else {
      throw Failure(stage: "ipvs", object: server, cause: "no such server")
    }
    do {
      for port in ports {
        try socket.removeServer(addressing.server(index), port: port, from: addressing.virtual)
      }
    } catch {
      throw Failure(error, stage: "ipvs", object: server)
    }
  }
}
