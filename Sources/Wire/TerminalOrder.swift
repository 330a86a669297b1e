import Model

/// Characters that fit on a terminal.
public struct TerminalSize: Sendable, Equatable {
  public var rows: Int
  public var columns: Int

  /// Makes a size; what is no size is that of a VT100.
  public init(rows: Int, columns: Int) {
    self.rows = rows > 0 ? rows : 24
    self.columns = columns > 0 ? columns : 80
  }

  /// As sent: `24 80`.
  public init?(_ payload: [UInt8]) {
    let numbers = String(decoding: payload, as: UTF8.self).split(separator: " ").map { Int($0) }
    guard numbers.count == 2, let rows = numbers[0], let columns = numbers[1] else { return nil }
    self.init(rows: rows, columns: columns)
  }

  public var bytes: [UInt8] { Array("\(rows) \(columns)".utf8) }
}

/// What the lab asks of a guest for somebody who wants to look around in it: a shell in one network namespace.
public struct TerminalOrder: Sendable, Equatable {
  /// Where a guest for this has its shell.
  public static let shell = "/bin/sh"

  public var size: TerminalSize
  /// Path of the network namespace, in the guest.
  public var namespace: String
  /// `NAME=VALUE` each.
  public var environment: [String]

  /// Makes an order. Line ends in the environment are left out: they part one from the next.
  public init(size: TerminalSize, namespace: String, environment: [String]) {
    self.size = size
    self.namespace = namespace
    self.environment = environment.map { $0.filter { !$0.isNewline } }
  }

  /// As sent: the size, the namespace, a line per variable.
  public var bytes: [UInt8] {
    size.bytes + Array("\n\(namespace)\n\(environment.joined(separator: "\n"))".utf8)
  }

  /// - Throws: `Failure` where it is no such order.
  public init(_ payload: [UInt8]) throws(Failure) {
    let lines = String(decoding: payload, as: UTF8.self).split(
      separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 2, let size = TerminalSize(Array(lines[0].utf8)), lines[1].hasPrefix("/") else {
      throw Failure(stage: "shell", object: "request", cause: "no size and namespace in it")
    }
    self.init(
      size: size, namespace: String(lines[1]),
      environment: lines.dropFirst(2).filter { !$0.isEmpty }.map(String.init))
  }
}
