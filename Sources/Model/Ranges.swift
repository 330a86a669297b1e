/// Arithmetic and decoding for numbers from outside: saved files, workers, captures. None of it traps.

extension FixedWidthInteger {
  /// The sum, or the end of the range that it is beyond.
  package func adding(_ other: Self) -> Self {
    let (result, overflow) = addingReportingOverflow(other)
    return overflow ? (other < 0 ? .min : .max) : result
  }

  /// The difference, or the end of the range that it is beyond.
  package func subtracting(_ other: Self) -> Self {
    let (result, overflow) = subtractingReportingOverflow(other)
    return overflow ? (other < 0 ? .max : .min) : result
  }

  /// The product, or the end of the range that it is beyond.
  package func multiplied(by other: Self) -> Self {
    let (result, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? ((self < 0) == (other < 0) ? .max : .min) : result
  }
}

extension Double {
  /// The nearest whole number; the end of the range for what is beyond it, 0 for what is no number.
  package var saturated: Int {
    let whole = rounded()
    // Not `Int(exactly:)`: 2^63 is a Double, Int.max is none.
    return isNaN ? 0 : whole >= 0x1p63 ? .max : whole < -0x1p63 ? .min : Int(whole)
  }
}

extension KeyedDecodingContainer {
  /// A number within a range; the error for any other names it and the range.
  package func decode(_ key: Key, in range: ClosedRange<Int>) throws -> Int {
    let number = try decode(Int.self, forKey: key)
    guard range.contains(number) else {
      throw DecodingError.dataCorruptedError(
        forKey: key, in: self,
        debugDescription:
          "\(key.stringValue) is \(number), and not within \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }
}

extension Case {
  /// What no lab file can have made; nil where all is within ``Bounds``. A case from a saved run or a worker's request is
  /// held against it before anything is computed from it.
  package var excess: String? {
    // Mutants and set-up benchmarks have networks that no file describes, but none larger.
    var found: [String?] = [outside("clients", network.clients.count, 0...Bounds.clients)]
    var nodes: Set<String> = []
    if let twice = network.hosts.map(\.name).first(where: { !nodes.insert($0).inserted }) {
      found.append("two nodes are called \(twice)")
    }
    found.append(network.excess)
    // Nothing is made of a network that is too large.
    guard found.allSatisfy({ $0 == nil }) else { return found.compactMap(\.self).first }
    let clock = -Bounds.offset...Bounds.offset
    for client in network.clients {
      if case .offset(let milliseconds) = client.clock {
        found.append(outside("\(client.name)'s clock", milliseconds, clock))
      }
    }
    found += workload.map(\.action.excess)
    return found.compactMap(\.self).first
  }
}

extension Network {
  /// What no lab file can have made of a network; nil where all is well.
  package var excess: String? {
    let counts = [
      outside("nodes", hosts.count, 0...Bounds.hosts), outside("links", links.count, 0...Bounds.hosts),
    ]
    if let first = counts.compactMap(\.self).first { return first }
    var found: [String?] = []
    func ports(_ what: String, _ ports: ClosedRange<Int>, atMost: Int = 65535) {
      let ends = [outside(what, ports.lowerBound, 1...65535), outside(what, ports.upperBound, 1...65535)]
      // What is beyond them cannot even be counted.
      found += ends.contains { $0 != nil } ? ends : [outside("number of \(what)", ports.count, 1...atMost)]
    }
    for host in hosts {
      if let server = host.server {
        ports("\(host.name)'s ports", server.ports, atMost: Bounds.serverPorts)
      }
      if let nat = host.nat { ports("\(host.name)'s ports", nat.ports) }
      for service in host.services {
        ports("\(host.name)'s ports", service.ports, atMost: Bounds.serverPorts)
        found.append(outside("\(host.name)'s real servers", service.servers.count, 0...Bounds.clients))
      }
      found += host.rules.map { $0.proxy?.excess }
      found.append(outside("\(host.name)'s services", host.services.count, 0...Bounds.services))
      found.append(outside("\(host.name)'s addresses", host.addresses.count, 0...Bounds.clients))
      found.append(outside("\(host.name)'s routes", host.routes.count, 0...Bounds.hosts))
    }
    for end in links.flatMap(\.ends) { found += [end.sent?.excess, end.received?.excess] }
    found += words()
    found.append(outside("ends of links", links.reduce(0) { $0.adding($1.ends.count) }, 0...4 * Bounds.hosts))
    return found.compactMap(\.self).first
  }
}

extension Network {
  /// Names and addresses that would mean something else to a tool, or nothing: they become words of iptables' and nft's
  /// input and of netlink requests.
  private func words() -> [String?] {
    func isInterface(_ name: String) -> Bool {
      // IFNAMSIZ; a plus at the end is iptables' "all that begin so".
      let bare = name.hasSuffix("+") ? String(name.dropLast()) : name
      return name.utf8.count <= 15 && Words.isName(bare)
    }
    func isAddress(_ text: String) -> Bool {
      text.utf8.count <= 49 && text.contains { ".:".contains($0) }
        && text.utf8.allSatisfy { byte in
          switch byte {
          case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
          case UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "."), UInt8(ascii: ":"): true
          case UInt8(ascii: "/"): true
          default: false
          }
        }
    }
    var interfaces: [String] = []
    var addresses = Array(names.values)
    var named: [String] = []
    for end in links.flatMap(\.allEnds) {
      named.append(end.host)
      interfaces.append(end.interface)
      addresses += [end.address].compactMap(\.self)
    }
    for host in hosts {
      for extra in host.addresses {
        interfaces.append(extra.interface)
        addresses += [extra.address, extra.tunnel].compactMap(\.self)
      }
      for route in host.routes {
        interfaces.append(route.interface)
        addresses += [route.via, route.to].compactMap(\.self)
      }
      for rule in host.rules {
        interfaces += [rule.in, rule.out].compactMap(\.self)
        addresses += [rule.from, rule.to].compactMap(\.self)
      }
      interfaces += host.nat?.out ?? []
      addresses += [host.nat?.address, host.client?.target].compactMap(\.self)
      for service in host.services {
        addresses.append(service.address)
        named += service.servers
      }
    }
    let known = Set(hosts.map(\.name))
    return [
      interfaces.first { !isInterface($0) }.map { "no interface can be called \"\($0)\"" },
      addresses.first { !isAddress($0) }.map { "\"\($0)\" is no address" },
      named.first { !known.contains($0) }.map { "there is no node \"\($0)\"" },
    ]
  }
}
