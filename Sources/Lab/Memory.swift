import Foundation

/// How much memory there is for us: the machine's, and what our control groups leave of it.
struct Memory {
  /// Where `/proc` and `/sys/fs/cgroup` are: another place in tests.
  var root = ""

  /// MiB that may be taken without anything being killed: MemAvailable of proc_meminfo(5), and for our memory cgroup
  /// and those above it the limit less what is in use and could not be given back (page cache).
  func availableMegabytes() -> Int {
    let machine = fields(of: "/proc/meminfo")["MemAvailable:"].map { $0 / 1024 } ?? 1 << 20
    let groups = ControlGroups(root: root).folders("memory").compactMap { left(in: $0.path, $0.version) }
    return ([machine] + groups.map { max(0, $0) >> 20 }).min() ?? machine
  }

  /// Bytes that one group leaves; nil where it has no limit.
  private func left(in folder: String, _ version: ControlGroups.Version) -> Int? {
    let statistics = fields(of: folder + "/memory.stat")
    let (limits, usage, cache) =
      switch version {
      case .one:
        (
          ["memory.limit_in_bytes"], "memory.usage_in_bytes",
          ["total_inactive_file", "total_active_file"]
        )
      case .two: (["memory.max", "memory.high"], "memory.current", ["inactive_file", "active_file"])
      }
    // `max`, or v1's largest number of pages, is none.
    let bounds = limits.compactMap { number(in: "\(folder)/\($0)") }.filter { $0 < 1 << 60 }
    guard let bound = bounds.min(), let used = number(in: "\(folder)/\(usage)") else { return nil }
    return bound - max(0, used - cache.reduce(0) { $0 + statistics[$1, default: 0] })
  }

  private func number(in path: String) -> Int? {
    (try? String(contentsOfFile: root + path, encoding: .utf8)).flatMap {
      Int($0.trimmingCharacters(in: .whitespacesAndNewlines))
    }
  }

  /// Lines of a name and a number.
  private func fields(of path: String) -> [String: Int] {
    let text = (try? String(contentsOfFile: root + path, encoding: .utf8)) ?? ""
    let pairs = text.split(separator: "\n").compactMap { line -> (String, Int)? in
      let words = line.split(whereSeparator: \.isWhitespace)
      guard words.count >= 2, let value = Int(words[1]) else { return nil }
      return (String(words[0]), value)
    }
    return Dictionary(pairs) { first, _ in first }
  }

  /// How many processes the kernel has killed for want of memory since it booted, anywhere: `oom_kill` of /proc/vmstat
  /// (4.13).
  static func processesKilled() -> Int { Memory().fields(of: "/proc/vmstat")["oom_kill"] ?? 0 }
}

/// The control groups that this process is in: cgroups(7), both versions, also where a container sees a part only.
struct ControlGroups {
  enum Version { case one, two }
  var root = ""

  /// The folders of a controller's group and of all above it that can be seen, below ``root``.
  func folders(_ controller: String) -> [(path: String, version: Version)] {
    let memberships = lines("/proc/self/cgroup").map {
      $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
    }.filter { $0.count == 3 }
    var found: [(String, Version)] = []
    for mount in lines("/proc/self/mountinfo") {
      // 31 23 0:28 ROOT MOUNT OPTIONS [...] - TYPE SOURCE SUPER
      let words = mount.split(separator: " ").map(String.init)
      guard let dash = words.firstIndex(of: "-"), words.count > dash + 3, dash > 4 else { continue }
      let (type, options) = (words[dash + 1], words[dash + 3].split(separator: ",").map(String.init))
      let version: Version? =
        type == "cgroup2" ? .two : type == "cgroup" && options.contains(controller) ? .one : nil
      guard let version,
        let own = memberships.first(where: {
          version == .two ? $0[0] == "0" : $0[1].split(separator: ",").map(String.init).contains(controller)
        })?[2]
      else { continue }
      // A container's mount shows the host's tree from its own group on.
      let (from, at) = (words[3], words[4])
      var rest = from != "/" && own.hasPrefix(from) ? String(own.dropFirst(from.count)) : own
      if rest.hasPrefix("/..") { rest = "" }
      while true {
        let path = rest.isEmpty || rest == "/" ? at : at + rest
        if FileManager.default.fileExists(atPath: root + path) { found.append((path, version)) }
        guard !rest.isEmpty, rest != "/" else { break }
        rest = String(rest[..<(rest.lastIndex(of: "/") ?? rest.startIndex)])
      }
    }
    return found
  }

  private func lines(_ path: String) -> [String] {
    ((try? String(contentsOfFile: root + path, encoding: .utf8)) ?? "").split(separator: "\n").map(
      String.init)
  }
}
