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
    func check(_ what: String, _ number: Int, _ range: ClosedRange<Int>) -> String? {
      range.contains(number)
        ? nil : "\(what): \(number), and not within \(range.lowerBound) to \(range.upperBound)"
    }
    // Mutants and set-up benchmarks have networks that no file describes, but none larger.
    var found: [String?] = [
      check("clients", network.clients.count, 0...Bounds.clients),
      check("servers", network.servers, 1...Bounds.servers),
      check("server ports", network.serverPorts, 1...Bounds.serverPorts),
    ]
    // Nothing is made of a network that is too large.
    guard found.allSatisfy({ $0 == nil }) else { return found.compactMap(\.self).first }
    if let ports = network.hop?.ports {
      found += [
        check("hop's ports", ports.lowerBound, 1...65535), check("hop's ports", ports.upperBound, 1...65535),
      ]
    }
    var nodes: Set<String> = []
    if let twice = network.nodes.first(where: { !nodes.insert($0).inserted }) {
      found.append("two nodes are called \(twice)")
    }
    let clock = -Bounds.offset...Bounds.offset
    for client in network.clients {
      if case .offset(let milliseconds) = client.clock {
        found.append(check("\(client.name)'s clock", milliseconds, clock))
      }
    }
    found += workload.map(\.action.excess)
    return found.compactMap(\.self).first
  }
}
