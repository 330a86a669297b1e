import Foundation
import Lab
import Model

/// What can be done on this very machine about something that it lacks: nothing is recommended that cannot work here.
struct Mends {
  /// How a module of the running kernel can be had.
  enum Module: Equatable {
    case builtIn, loadable, absent
  }

  /// Whether commands are to be run as somebody else.
  var root: Bool
  /// `uname -r`
  var release: String
  /// Names of modules, with underscores, that `modprobe` finds; nil where this kernel's list is not there.
  private let loadable: Set<String>?
  private let builtIn: Set<String>
  private let isInstalled: (String) -> Bool
  /// Whether a guest may take a case over.
  var guests: Bool

  /// - Parameters:
  ///   - modules: the folder that has `modules.dep` and `modules.builtin`.
  ///   - isInstalled: whether a program is on PATH.
  init(
    root: Bool, release: String, guests: Bool, modules: String? = nil,
    isInstalled: @escaping (String) -> Bool = Self.isOnPath
  ) {
    self.root = root
    self.release = release
    self.guests = guests
    self.isInstalled = isInstalled
    let folder = modules ?? "/lib/modules/\(release)"
    func names(_ file: String) -> Set<String>? {
      guard let text = try? String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8) else { return nil }
      return Set(
        text.split(separator: "\n").compactMap { line in
          // kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/...
          line.prefix { $0 != ":" }.split(separator: "/").last?.split(separator: ".").first
            .map { String($0).replacingOccurrences(of: "-", with: "_") }
        })
    }
    loadable = names("modules.dep")
    builtIn = names("modules.builtin") ?? []
  }

  /// Where the running kernel has a module.
  func module(_ name: String) -> Module {
    builtIn.contains(name) ? .builtIn : loadable?.contains(name) == true ? .loadable : .absent
  }

  /// For a feature of the kernel that comes with modules, or with a configuration.
  ///
  /// - Parameter elsewhere: whether a current Debian's kernel in a guest has it.
  func kernel(modules: [String], configuration: String, elsewhere: Bool = true) -> String {
    let missing = modules.filter { module($0) != .builtIn }
    if !missing.isEmpty, missing.allSatisfy({ module($0) == .loadable }) {
      return asRoot("modprobe -a \(missing.joined(separator: " "))")
    }
    let kernel = "a kernel with \(configuration), which \(release) is not"
    return elsewhere ? "\(inGuest); else \(kernel)" : kernel
  }

  /// For a program, and what of the kernel it needs.
  func tool(_ program: String, package: String, modules: [String], configuration: String) -> String {
    isInstalled(program)
      ? kernel(modules: modules, configuration: configuration) : asRoot("apt-get install \(package)")
  }

  /// For whatever brings a capability.
  ///
  /// - Parameter isRoot: whether the lab has the rights of root outside of any user namespace.
  func mend(_ remedy: Remedy, isRoot: Bool) -> String {
    if remedy.needsRoot, !isRoot { return "run as root: in a user namespace it is refused" }
    if let besides = remedy.besides {
      return remedy.configuration.isEmpty ? besides : "\(besides), \(remedy.configuration)"
    }
    if let tool = remedy.tool {
      return self.tool(
        tool.program, package: tool.package, modules: remedy.modules, configuration: remedy.configuration)
    }
    return kernel(modules: remedy.modules, configuration: remedy.configuration)
  }

  /// A case that cannot run here runs there.
  var inGuest: String {
    guests
      ? "nothing to do: such cases run in a guest (--kernel \(Machines.fallback))"
      : asRoot("apt-get install qemu-system-x86") + ", and they run in a guest"
  }

  /// How KVM can be had, or that it cannot.
  func kvm(user: String) -> String {
    if FileManager.default.fileExists(atPath: "/dev/kvm") {
      return asRoot("usermod -aG kvm \(user)") + ", and a new login"
    }
    let flags = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let words = Set(flags.split(whereSeparator: \.isWhitespace))
    for (flag, module) in [("vmx", "kvm_intel"), ("svm", "kvm_amd")] where words.contains(Substring(flag)) {
      return self.module(module) == .loadable
        ? asRoot("modprobe \(module)")
        : "a kernel with CONFIG_\(module.uppercased()), or in a container --device /dev/kvm"
    }
    return "none here: this processor, or the hypervisor that it belongs to, offers no virtualisation"
  }

  func asRoot(_ command: String) -> String { root ? command : "as root: \(command)" }

  /// Found on PATH, or in /usr/sbin and /sbin.
  static func isOnPath(_ name: String) -> Bool {
    (ProcessInfo.processInfo.environment["PATH", default: ""] + ":/usr/sbin:/sbin").split(separator: ":")
      .contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
  }
}
