import Foundation
import Model

/// What time costs on one machine: guests in their own time beside guests in this machine's.
public struct TimeTable: Codable, Sendable {
  /// Where and when it was measured.
  public struct Head: Codable, Sendable {
    /// ISO 8601.
    public var date: String
    /// The processor's own name, and how many there are.
    public var processor: String
    public var processors: Int
    /// Of this machine's kernel.
    public var release: String
    /// `QEMU emulator version 7.2.15`
    public var qemu: String
    /// Processes that ran or wanted to over the last minute (/proc/loadavg), when it began.
    public var load: Double

    public init(
      date: String, processor: String, processors: Int, release: String, qemu: String, load: Double
    ) {
      self.date = date
      self.processor = processor
      self.processors = processors
      self.release = release
      self.qemu = qemu
      self.load = load
    }

    /// In one line.
    var line: String {
      "\(date), \(processor), \(processors) processors, Linux \(release), \(qemu), load \(fixed(load, decimals: 1))"
    }
  }

  /// What is measured.
  public enum Measure: String, Codable, Sendable, CaseIterable {
    /// Seconds from the command to its verdict on one case, where there is no saved guest yet.
    case cold
    /// The same where there is one; in this machine's time a guest is booted again.
    case saved
    /// Of cases side by side, boots included.
    case casesPerSecond
    /// The same cases: processor seconds of QEMU for each, boots included.
    case processorSecondsPerCase
    /// Seconds that a case takes in which nothing happens for an hour.
    case hour
    /// Seconds of the guest's that pass in one of this machine's while nothing happens.
    case idleRate
    /// The same while one connection follows the other.
    case churnRate

    /// In words.
    var words: String {
      switch self {
      case .cold: "from command to verdict, nothing saved (s)"
      case .saved: "from command to verdict, from a saved guest (s)"
      case .casesPerSecond: "cases a second"
      case .processorSecondsPerCase: "processor seconds a case"
      case .hour: "an hour in which nothing happens (s)"
      case .idleRate: "seconds of the guest's a second, idle"
      case .churnRate: "seconds of the guest's a second, in a churn"
      }
    }

    /// Digits behind the point.
    var decimals: Int { self == .idleRate ? 1 : 2 }
  }

  /// One line of a kernel.
  public struct Row: Codable, Sendable, Equatable {
    public var measure: Measure
    /// In the guest's own time; nil where that was not to be had.
    public var virtual: Double?
    /// In this machine's; nil where it is not measured.
    public var real: Double?

    public init(_ measure: Measure, virtual: Double?, real: Double? = nil) {
      (self.measure, self.virtual, self.real) = (measure, virtual, real)
    }
  }

  /// One kernel.
  public struct OfKernel: Codable, Sendable {
    /// As `--kernel` takes it.
    public var name: String
    public var release: String
    /// How many cases were run side by side.
    public var cases: Int
    public var rows: [Row]
    /// What could not be measured, and why.
    public var missing: [String]

    public init(name: String, release: String, cases: Int, rows: [Row] = [], missing: [String] = []) {
      self.name = name
      self.release = release
      self.cases = cases
      self.rows = rows
      self.missing = missing
    }

    var title: String { "\(name), Linux \(release), \(cases) cases" }
  }

  public var head: Head
  public var kernels: [OfKernel]

  public init(head: Head, kernels: [OfKernel]) { (self.head, self.kernels) = (head, kernels) }

  private static func words(_ value: Double?, _ measure: Measure) -> String {
    value.map { fixed($0, decimals: measure.decimals) } ?? "-"
  }

  /// As text: a block for each kernel.
  public var lines: [String] { [head.line] + kernels.flatMap(Self.block) }

  private static func block(of kernel: OfKernel) -> [String] {
    let width = max(kernel.title.count, Measure.allCases.map(\.words.count).max() ?? 0)
    func line(_ name: String, _ cells: [String]) -> String {
      pad(name, width) + cells.map { pad($0, 12, right: true) }.joined()
    }
    var lines = [line(kernel.title, ["virtual", "real"])]
    for row in kernel.rows {
      lines.append(line(row.measure.words, [words(row.virtual, row.measure), words(row.real, row.measure)]))
    }
    return lines + kernel.missing.map { "not measured: \($0)" }
  }

  /// As one table of GitHub-flavoured Markdown: a column for each kernel, `virtual / real`.
  public var markdown: String {
    var lines: [MarkdownText] = ["\(head.line)", ""]
    lines.append("| virtual / real | " + kernels.map { "\($0.title)" }.joined(separator: " | ") + " |")
    lines.append("|---|" + kernels.map { _ in "---|" }.joined())
    for measure in Measure.allCases {
      let cells = kernels.map { kernel -> MarkdownText in
        guard let row = kernel.rows.first(where: { $0.measure == measure }) else { return "-" }
        let pair = "\(Self.words(row.virtual, measure)) / \(Self.words(row.real, measure))"
        return "\(pair)"
      }
      lines.append("| \(measure.words) | " + cells.joined(separator: " | ") + " |")
    }
    for kernel in kernels where !kernel.missing.isEmpty {
      lines.append("")
      lines += kernel.missing.map { "- \(kernel.name), not measured: \($0)" }
    }
    return (lines.joined(separator: "\n") + "\n").description
  }

  /// As JSON.
  public func json() throws -> String { try jsonDocument(self) }
}
