import Foundation

/// What a table of measurements says of where and when it was made.
enum ThisMachine {
  /// Now, by ISO 8601.
  static var date: String { Date.now.formatted(.iso8601) }

  /// `model name` of /proc/cpuinfo; `?` where it has none.
  static var processor: String {
    text("/proc/cpuinfo").split(separator: "\n").first { $0.hasPrefix("model name") }?
      .split(separator: ":", maxSplits: 1).last?.trimmingCharacters(in: .whitespaces) ?? "?"
  }

  /// How many there are for us.
  static var processors: Int { ProcessInfo.processInfo.activeProcessorCount }

  /// uname -r
  static var release: String {
    text("/proc/sys/kernel/osrelease").trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Load of the last minute.
  static var load: Double { text("/proc/loadavg").split(separator: " ").first.flatMap { Double($0) } ?? 0 }

  private static func text(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }
}
