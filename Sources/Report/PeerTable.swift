import Foundation
import Model

/// What the lab costs beside other ways to the same: networks by size, guests, connections, cases. Made in one go on one
/// machine.
public struct PeerTable: Codable, Sendable, Equatable {
  /// Where and when it was measured.
  public struct Head: Codable, Sendable, Equatable {
    /// ISO 8601.
    public var date: String
    /// The processor's own name, and how many there are.
    public var processor: String
    public var processors: Int
    /// Of this machine's kernel.
    public var release: String
    /// Processes that ran or wanted to over the last minute (/proc/loadavg), when it began and when it ended.
    public var loads: [Double]

    public init(date: String, processor: String, processors: Int, release: String, loads: [Double]) {
      (self.date, self.processor, self.processors) = (date, processor, processors)
      (self.release, self.loads) = (release, loads)
    }

    var line: String {
      "\(date), \(processor), \(processors) processors, Linux \(release), load "
        + loads.map { fixed($0, decimals: 1) }.joined(separator: " to ")
    }
  }

  /// One network that somebody has built and taken down: milliseconds.
  public struct Round: Codable, Sendable, Equatable {
    /// By who built it, of that alone: no interpreter's start, no reading of the lab's request.
    public var setup: Double
    /// From the start of its program until the network stood.
    public var start: Double
    /// From the word to end until the kernel had freed every namespace.
    public var teardown: Double
    /// Processor time of its program and what that started, from start to end; the kernel's own threads have theirs.
    public var processor: Double
    /// Bytes of the kernel's that it took while it stood (Slab, Percpu, KernelStack and PageTables of /proc/meminfo,
    /// less those before), and of the program's (VmRSS).
    public var kernelBytes: Int
    public var programBytes: Int

    public init(
      setup: Double, start: Double, teardown: Double, processor: Double, kernelBytes: Int, programBytes: Int
    ) {
      (self.setup, self.start, self.teardown, self.processor) = (setup, start, teardown, processor)
      (self.kernelBytes, self.programBytes) = (kernelBytes, programBytes)
    }
  }

  /// The rounds of one way and size. All ways of a size are tried in turn, so that rounds of one number are of the same
  /// minute; one that a way left out is nil.
  public struct Network: Codable, Sendable, Equatable {
    public var peer: String
    public var clients: Int
    public var rounds: [Round?]

    public init(peer: String, clients: Int, rounds: [Round?]) {
      (self.peer, self.clients, self.rounds) = (peer, clients, rounds)
    }
  }

  /// Something else, by number.
  public struct Rate: Codable, Sendable, Equatable {
    /// What was measured, with its unit.
    public var what: String
    public var peer: String
    public var values: [Double]

    public init(_ what: String, _ peer: String, _ values: [Double]) {
      (self.what, self.peer, self.values) = (what, peer, values)
    }
  }

  public var head: Head
  public var networks: [Network] = []
  public var rates: [Rate] = []
  /// What could not be measured, and why.
  public var missing: [String] = []

  public init(head: Head) { self.head = head }

  /// What the others are held against.
  public static let yardstick = "C, raw netlink"

  /// One column of what a network costs.
  struct Column: Sendable {
    var title: String
    var value: @Sendable (Round) -> Double
  }

  static let columns = [
    Column(title: "set-up (ms)") { $0.setup },
    Column(title: "start to network (ms)") { $0.start },
    Column(title: "tear-down (ms)") { $0.teardown },
    Column(title: "processor (ms)") { $0.processor },
  ]

  /// The middle one, and the least and greatest where there are several: `12 (11 to 14)`.
  static func words(_ values: [Double], decimals: Int? = nil) -> String {
    guard let middle = median(values), let least = values.min(), let most = values.max() else { return "-" }
    let decimals = decimals ?? (middle < 10 ? 2 : middle < 100 ? 1 : 0)
    let text = fixed(middle, decimals: decimals)
    guard values.count > 1 else { return text }
    return "\(text) (\(fixed(least, decimals: decimals)) to \(fixed(most, decimals: decimals)))"
  }

  /// Of an even number the mean of the middle two; nil of none.
  public static func median(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  /// How many times the yardstick's a way's value is: the middle of the pairs of one round each.
  public func ratio(_ network: Network, _ value: (Round) -> Double) -> Double? {
    guard
      let yardstick = networks.first(where: { $0.peer == Self.yardstick && $0.clients == network.clients })
    else { return nil }
    return Self.median(
      zip(network.rounds, yardstick.rounds).compactMap { own, other in
        guard let own, let other, value(other) > 0 else { return nil }
        return value(own) / value(other)
      })
  }

  /// The table's rows: who, how many clients, columns with the ratio to the yardstick, bytes for each client.
  private var cells: [[String]] {
    networks.map { network in
      let rounds = network.rounds.compactMap(\.self)
      let columns = Self.columns.map { column in
        let ratio = network.peer == Self.yardstick ? nil : ratio(network, column.value)
        return Self.words(rounds.map(column.value)) + (ratio.map { ", \(fixed($0, decimals: 2))x" } ?? "")
      }
      // Of few clients it is what the machine's other processes did meanwhile.
      let kilobytes = { (bytes: (Round) -> Int) in
        network.clients < 100
          ? "-" : Self.words(rounds.map { Double(bytes($0)) / 1024 / Double(network.clients) }, decimals: 0)
      }
      return ["\(network.clients)", network.peer] + columns
        + [kilobytes(\.kernelBytes), kilobytes(\.programBytes)]
    }
  }

  private static let titles =
    ["clients", "by"] + columns.map(\.title) + ["kernel (KiB a client)", "program (KiB a client)"]

  private static let legend =
    "middle (least to greatest); x: times the C program's, middle of pairs of the same minute"

  /// As text.
  public var lines: [String] {
    let rows = [Self.titles] + cells
    let widths = Self.titles.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    func line(_ row: [String]) -> String {
      zip(row, widths).map { pad($0, $1) }.joined(separator: "  ").trimmingSuffix()
    }
    return [head.line, Self.legend] + rows.map(line)
      + rates.map { "\($0.what), \($0.peer): \(Self.words($0.values))" }
      + missing.map { "not measured: \($0)" }
  }

  /// As GitHub-flavoured Markdown.
  public var markdown: String {
    func escaped(_ rows: [[String]]) -> [[String]] { rows.map { $0.map(Markdown.escaped) } }
    var text = Markdown.escaped(head.line) + "\n\n"
    text += Markdown.table(Self.titles, escaped(cells)) + "\n" + Markdown.escaped(Self.legend) + "\n"
    if !rates.isEmpty {
      text +=
        "\n"
        + Markdown.table(
          ["", "by", "middle (least to greatest)"],
          escaped(rates.map { [$0.what, $0.peer, Self.words($0.values)] }))
    }
    if !missing.isEmpty {
      text += "\n" + missing.map { "- not measured: \(Markdown.escaped($0))\n" }.joined()
    }
    return text
  }

  /// As JSON.
  public func json() throws -> String { try jsonDocument(self) }
}

extension String {
  /// Without spaces at the end.
  fileprivate func trimmingSuffix() -> String {
    var text = self[...]
    while text.last == " " { text = text.dropLast() }
    return String(text)
  }
}
