import CLinux
import Glibc
import SystemPackage

/// The SNMP counters of the namespace in which it was opened: `nstat -az`.
///
/// `/proc/thread-self/net/netstat` and `snmp` (a line of names, a line of values per group) and `snmp6`
/// (a name and a value per line). Found by name: columns move between kernels.
public final class CounterFiles {
  private let tables: [Int32]
  private let list: Int32

  /// Opens the files of the calling thread's namespace and keeps them.
  public init() throws {
    let folder =
      access("/proc/thread-self/net", F_OK) == 0
      ? "/proc/thread-self/net" : "/proc/self/task/\(clinux_gettid())/net"
    tables = try ["netstat", "snmp"].map { name in
      try SystemError.check(
        libc: open("\(folder)/\(name)", O_RDONLY | O_CLOEXEC), "open", "\(folder)/\(name)")
    }
    // Absent without IPv6.
    list = open("\(folder)/snmp6", O_RDONLY | O_CLOEXEC)
  }

  deinit {
    for descriptor in tables + [list] where descriptor >= 0 { close(descriptor) }
  }

  /// `TcpExt.PAWSEstab`, `Tcp.OutRsts`, `Ip.InReceives`, `Ip6.InReceives` and all others, now.
  public func read() throws -> [String: Int] {
    var counters: [String: Int] = [:]
    for table in tables {
      let lines = try text(table).split(separator: "\n")
      for (names, values) in zip(lines, lines.dropFirst()) {
        let (names, values) = (names.split(separator: " "), values.split(separator: " "))
        guard let group = names.first, group == values.first, names.count == values.count,
          Int(values.last ?? "") != nil, names.count > 1, Int(names[1]) == nil
        else { continue }
        for (name, value) in zip(names, values).dropFirst() {
          counters["\(group.dropLast()).\(name)"] = Int(value)
        }
      }
    }
    if list >= 0 {
      for line in try text(list).split(separator: "\n") {
        let words = line.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, words[0].hasPrefix("Ip6"), let value = Int(words[1]) else { continue }
        counters["Ip6.\(words[0].dropFirst(3))"] = value
      }
    }
    return counters
  }

  private func text(_ descriptor: Int32) throws -> String {
    lseek(descriptor, 0, SEEK_SET)
    do { return String(decoding: try Files.readAll(descriptor), as: UTF8.self) } catch {
      throw SystemError(stage: "read", object: "/proc/net counters", errno: error)
    }
  }
}
