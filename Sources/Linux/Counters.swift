import CLinux
import Glibc
import SystemPackage

/// The SNMP counters of the namespace in which it was opened: `nstat -az`.
///
/// `/proc/net/netstat` and `snmp` (a line of names, a line of values per group) and `snmp6`
/// (a name and a value per line). Found by name: columns move between kernels.
public final class CounterFiles {
  private let tables: [Int32]
  private let list: Int32

  private let names: Names

  /// What the columns of each line are called, read once for all namespaces of a kernel: hundreds of names,
  /// and a guest without KVM is slow at making strings.
  public final class Names {
    /// By the line of titles, of which there are four: to compare them is cheaper than to hash one of 3 KB.
    fileprivate var columns: [(titles: [UInt8], names: [String])] = []

    public init() {}
  }

  /// Opens the files of the calling thread's namespace and keeps them.
  public init(names: Names = Names()) throws {
    self.names = names
    tables = try ["netstat", "snmp"].map { (name: String) in
      try SystemError.check(clinux_open_net(name), "open", "/proc/net/\(name)")
    }
    // Absent without IPv6.
    list = clinux_open_net("snmp6")
  }

  deinit {
    for descriptor in tables + [list] where descriptor >= 0 { close(descriptor) }
  }

  /// `TcpExt.PAWSEstab`, `Tcp.OutRsts`, `Ip.InReceives`, `Ip6.InReceives` and all others, now.
  ///
  /// - Parameter zeros: whether those that stand at 0 are told too.
  public func read(zeros: Bool = true) throws -> [String: Int] {
    var counters: [String: Int] = [:]
    let (newline, space) = (UInt8(ascii: "\n"), UInt8(ascii: " "))
    for table in tables {
      var header: ArraySlice<UInt8>?
      for line in try bytes(table).split(separator: newline) {
        guard let titles = header else {
          header = line
          continue
        }
        header = nil
        let columns = columns(titles)
        let values = line.split(separator: space).dropFirst()
        guard columns.count == values.count else { continue }
        for (name, value) in zip(columns, values) {
          guard let number = Self.number(value), zeros || number != 0 else { continue }
          counters[name] = number
        }
      }
    }
    if list >= 0 {
      for line in try bytes(list).split(separator: newline) {
        let words = line.split { $0 == space || $0 == UInt8(ascii: "\t") }
        guard words.count == 2, words[0].starts(with: Array("Ip6".utf8)), let number = Self.number(words[1]),
          zeros || number != 0
        else { continue }
        counters["Ip6." + String(decoding: words[0].dropFirst(3), as: UTF8.self)] = number
      }
    }
    return counters
  }

  /// `TcpExt: SyncookiesSent ...` as `TcpExt.SyncookiesSent` and so on.
  private func columns(_ line: ArraySlice<UInt8>) -> [String] {
    if let known = names.columns.first(where: { $0.titles[...] == line }) { return known.names }
    let words = String(decoding: line, as: UTF8.self).split(separator: " ")
    let group = words.first?.dropLast() ?? ""
    let made = words.dropFirst().map { "\(group).\($0)" }
    names.columns.append((Array(line), made))
    return made
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    var number = 0
    var negative = false
    for digit in digits {
      if digit == UInt8(ascii: "-"), !negative, number == 0 {
        negative = true
        continue
      }
      guard (0x30...0x39).contains(digit) else { return nil }
      number = number &* 10 &+ Int(digit &- 0x30)
    }
    return negative ? -number : number
  }

  private func bytes(_ descriptor: Int32) throws -> [UInt8] {
    lseek(descriptor, 0, SEEK_SET)
    do { return try Files.readAll(descriptor) } catch {
      throw SystemError(stage: "read", object: "/proc/net counters", errno: error)
    }
  }
}
