import Foundation
import Model

/// What a guest takes along besides for somebody who looks around in it: programs of this machine.
enum ShellTools {
  /// busybox brings a shell and all that goes with it in one file.
  static var busybox: String? { Command.exists("busybox") ? "busybox" : nil }

  /// Those for a network, and without busybox a shell and what it is of no use without.
  static var programs: [String] {
    network + (busybox.map { [$0] } ?? plain)
  }

  private static let network = [
    "ip", "ss", "nstat", "tc", "bridge", "tcpdump", "ping", "conntrack", "ipvsadm", "nsenter", "ethtool",
    "nc",
    "curl",
  ]
  private static let plain = [
    "sh", "cat", "cp", "cut", "date", "dmesg", "echo", "env", "grep", "head", "kill", "ls", "mkdir", "mount",
    "ps",
    "rm", "sed", "seq", "sleep", "sort", "stty", "sysctl", "tail", "timeout", "tr", "uname", "uniq", "watch",
    "wc",
  ]

  /// Another name to the program of ``Initramfs`` that answers to it.
  static func links() async throws -> [(name: String, program: String)] {
    guard exists else {
      throw Failure(
        stage: "shell", object: "initramfs", cause: "this machine has no shell that a guest could take along",
        mend: "apt-get install busybox-static")
    }
    var links = ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save"].map {
      (name: "usr/sbin/\($0)", program: "/usr/sbin/xtables-nft-multi")
    }
    links += ["iptables-legacy", "ip6tables-legacy"].map {
      (name: "usr/sbin/\($0)", program: "/usr/sbin/xtables-legacy-multi")
    }
    links.append((name: "bin/sh", program: "/usr/sbin/\(busybox ?? "sh")"))
    if let busybox {
      // Which are in it is its maker's choice. What the machine has of its own comes first: those know more.
      for name in try await Command(busybox, "--list").lines()
      where !network.contains(name) || !Command.exists(name) {
        guard name.allSatisfy({ $0.isLetter || $0.isNumber || "-_.[".contains($0) }) else { continue }
        links.append((name: "usr/sbin/\(name)", program: "/usr/sbin/\(busybox)"))
      }
    }
    return links
  }

  private static var exists: Bool { busybox != nil || Command.exists("sh") }
}
