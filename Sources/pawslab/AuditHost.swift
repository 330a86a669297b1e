import Diagnosis
import Foundation
import Model
import Subprocess

/// Reads what an audit asks for of the machine it runs on. Opens files of /proc and /sys to read, and starts `iptables-save` and
/// `nft list ruleset` only where what they read is loaded: each loads its modules where it is not.
enum AuditHost {
  static func read(into input: inout AuditInput) async {
    if let release = text("/proc/sys/kernel/osrelease") {
      add("Linux version \(release.filter { !$0.isNewline }) #1", "/proc/sys/kernel/osrelease", to: &input)
    }
    settings(into: &input)
    for path in [
      "/proc/net/netstat", "/proc/net/snmp", "/proc/net/stat/nf_conntrack", "/proc/net/ip_vs",
      "/proc/net/sockstat", "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/ip_vs_conn",
    ] {
      guard FileManager.default.fileExists(atPath: path) else { continue }
      if let text = text(path) {
        add(text, path, to: &input)
      } else {
        input.cannotTell("\(path) cannot be read")
      }
    }
    await rules(into: &input)
  }

  private static func text(_ path: String) -> String? {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
  }

  private static func add(_ text: String, _ file: String, to input: inout AuditInput) {
    do { try input.add(text: text, file: file) } catch { input.cannotTell("\(file): \(error)") }
  }

  private static func settings(into input: inout AuditInput) {
    var names = Audit.settings
    let interfaces = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/sys/net/ipv4/conf")) ?? []
    names += interfaces.sorted().map { "net/ipv4/conf/\($0)/rp_filter" }
    for name in names {
      let path = "/proc/sys/\(name)"
      guard FileManager.default.fileExists(atPath: path) else { continue }
      guard let text = text(path) else {
        input.cannotTell("\(path) cannot be read")
        continue
      }
      let value = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      // An interface's name may have dots, as a VLAN's has.
      let parts = name.split(separator: "/").map { $0.replacing(".", with: "/") }
      input.add(setting: parts.joined(separator: "."), value: value, place: path)
    }
    input.endOfSettings()
  }

  // MARK: rules

  private static func rules(into input: inout AuditInput) async {
    let asked = "NAT's ports, rules that drop or rewrite"
    guard geteuid() == 0 else { return input.cannotTell("rules are for root to read: \(asked)") }
    var isWhole = true
    for (names, program) in [
      ("/proc/net/ip_tables_names", "iptables"), ("/proc/net/ip6_tables_names", "ip6tables"),
    ] {
      let tables = text(names)?.split(whereSeparator: \.isWhitespace).map(String.init) ?? []
      guard !tables.isEmpty else { continue }
      guard let tool = legacy(program) else {
        input.cannotTell(
          "the rules of \(program)-legacy, whose tables are loaded and whose program is not there")
        isWhole = false
        continue
      }
      for table in tables {
        if let text = await output(tool, ["-c", "-t", table]) {
          add(text, "\(program)-save -t \(table)", to: &input)
        } else {
          input.cannotTell("\(tool) -t \(table) did not say its rules")
          isWhole = false
        }
      }
    }
    if isLoaded("nf_tables") {
      if let text = await output("nft", ["list", "ruleset"]) {
        if text.contains("table ") { add(text, "nft list ruleset", to: &input) }
      } else {
        input.cannotTell("nft list ruleset (nf_tables is loaded, and nft is not there or failed): \(asked)")
        isWhole = false
      }
    }
    if isWhole { input.endOfRules() }
  }

  /// Whether a module is there already, loaded or built in.
  private static func isLoaded(_ module: String) -> Bool {
    if text("/proc/modules")?.split(separator: "\n").contains(where: { $0.hasPrefix(module + " ") }) ?? false
    {
      return true
    }
    guard let release = text("/proc/sys/kernel/osrelease")?.split(separator: "\n").first else { return false }
    return text("/lib/modules/\(release)/modules.builtin")?.contains("/\(module).ko") ?? false
  }

  /// The program that reads the tables that are loaded, and not nf_tables' own.
  private static func legacy(_ program: String) -> String? {
    let folders = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"]
    for name in ["\(program)-legacy-save", "\(program)-save"] {
      for folder in folders {
        let path = "\(folder)/\(name)"
        guard FileManager.default.isExecutableFile(atPath: path) else { continue }
        let real = URL(fileURLWithPath: path).resolvingSymlinksInPath().lastPathComponent
        if !real.contains("nft") { return path }
      }
    }
    return nil
  }

  private static func output(_ program: String, _ arguments: [String]) async -> String? {
    let executable: Executable = program.hasPrefix("/") ? .path(.init(program)) : .name(program)
    let result = try? await Subprocess.run(
      executable, arguments: Arguments(arguments), output: .string(limit: 64 << 20), error: .discarded)
    guard let result, case .exited(0) = result.terminationStatus else { return nil }
    return result.standardOutput
  }
}
