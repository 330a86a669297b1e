/// Numbers and places in words.
enum Words {
  static func seconds(_ seconds: Double) -> String {
    if seconds < 0.001 { return "\(Int((seconds * 1e6).rounded())) us" }
    if seconds < 1 { return "\(Int((seconds * 1000).rounded())) ms" }
    if seconds < 120 { return "\((seconds * 10).rounded() / 10) s" }
    return seconds < 7200 ? "\(Int(seconds / 60)) min" : "\(Int(seconds / 3600)) h"
  }

  static func seconds(of nanoseconds: Int64) -> String { seconds(Double(nanoseconds) / 1e9) }

  static func place(_ view: View) -> String {
    switch view {
    case .client: "at the clients' end"
    case .hop: "on a box in between"
    case .server: "at the servers' end"
    case .between: "on the way, between two routers"
    case .unknown: "at a place that it does not tell"
    }
  }

  static func count(_ number: Int, _ one: String, _ many: String? = nil) -> String {
    "\(number) \(number == 1 ? one : many ?? one + "s")"
  }

  /// `198.18.0.2 (3), 198.18.1.2`: the busiest first.
  static func who(_ addresses: [Address: Int], most: Int = 5) -> [String] {
    let sorted = addresses.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    let named = sorted.prefix(most).map { $0.value == 1 ? "\($0.key)" : "\($0.key) (\($0.value))" }
    return sorted.count > most ? named + ["and \(sorted.count - most) more"] : named
  }
}
