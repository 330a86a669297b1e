import Evidence
import Linux
import Model
import Netlink

/// A node's IPVS services: one per port, every server behind each.
final class Director {
  private let socket: IPVSSocket
  private let node: Node
  private let host: Network.Node
  private let network: Network

  init(on node: Node, as host: Network.Node, in network: Network) throws {
    self.node = node
    self.host = host
    self.network = network
    do {
      socket = try node.namespace.run { try IPVSSocket() }
      for service in host.services {
        for port in service.ports {
          try socket.addService(
            service.address, port: port, scheduler: service.scheduler.rawValue,
            persistence: service.persistence)
          // ip_vs_add_dest puts the newest first; so rr begins with the first of ours.
          for server in service.servers.reversed() {
            try socket.addServer(
              try address(of: server), port: port, to: service.address, by: forwarding(service))
          }
        }
      }
    } catch {
      throw Failure(error, stage: "ipvs", object: node.name)
    }
  }

  private func forwarding(_ service: VirtualService) -> IPVSSocket.Forwarding {
    switch service.forwarding {
    case .nat: .masquerade
    case .route: .route
    case .tunnel: .tunnel
    }
  }

  private func address(of server: String) throws -> String {
    guard let address = network.addresses(of: server).first else {
      throw Failure(stage: "ipvs", object: server, cause: "no such server")
    }
    return address
  }

  /// `ipvsadm -Ln`: every service's real servers, with their weights.
  func listing() throws -> [IPVSCensus.Server] {
    do {
      return try socket.services().flatMap { service in
        service.servers.map { server in
          IPVSCensus.Server(
            virtual: SocketAddress.text(service.address, port: service.port),
            server: SocketAddress.text(server.address, port: server.port), weight: server.weight)
        }
      }
    } catch {
      throw Failure(error, stage: "ipvs", object: node.name)
    }
  }

  /// Whether it balances between others and this server.
  func has(_ server: String) -> Bool { host.services.contains { $0.servers.contains(server) } }

  /// Takes a server out of every service.
  func remove(_ server: String) throws {
    try change(server) { service, port in
      try socket.removeServer(try address(of: server), port: port, from: service.address)
    }
  }

  /// Puts a server into every service that it is meant for.
  func add(_ server: String, weight: Int) throws {
    try change(server) { service, port in
      try socket.addServer(
        try address(of: server), port: port, to: service.address, by: forwarding(service), weight: weight)
    }
  }

  /// Gives a server another weight in every service.
  func weigh(_ server: String, weight: Int) throws {
    try change(server) { service, port in
      try socket.editServer(
        try address(of: server), port: port, of: service.address, by: forwarding(service), weight: weight)
    }
  }

  private func change(_ server: String, _ change: (VirtualService, Int) throws -> Void) throws {
    guard has(server) else { throw Failure(stage: "ipvs", object: server, cause: "no such server") }
    do {
      for service in host.services where service.servers.contains(server) {
        for port in service.ports { try change(service, port) }
      }
    } catch {
      throw Failure(error, stage: "ipvs", object: server)
    }
  }

  /// Forgets all connections that it has passed on.
  func flush() throws {
    do {
      try node.namespace.run { try socket.flushConnections(try IPVSConnectionTable()) }
    } catch { throw Failure(error, stage: "flush ipvs", object: node.name) }
  }

  /// The node's name.
  var name: String { node.name }
}
