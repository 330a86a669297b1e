import CLinux
import SystemPackage

/// What a process may still do once its network stands: capabilities(7), no_new_privs, seccomp(2).
public enum Confinement {
  /// A capability by its number in `linux/capability.h`.
  public enum Right: UInt64, Sendable, CaseIterable {
    case netAdmin = 12
    case netRaw = 13
    case sysPtrace = 19
    case sysAdmin = 21
    case sysTime = 25

    /// Its bit in `CapEff` of `/proc/PID/status`.
    public var bit: UInt64 { 1 << rawValue }
  }

  /// Gives up every other capability for good, for this process and what it starts, and has the kernel refuse what
  /// goes beyond sockets, rules and settings. Tools that are started later run with no more than is kept.
  ///
  /// - Throws: `SystemError`; a kernel without seccomp filters (CONFIG_SECCOMP_FILTER) is none.
  public static func keep(only rights: Set<Right>) throws {
    try SystemError.check(
      clinux_keep_capabilities(rights.reduce(0) { $0 | $1.bit }), "capset", "capabilities")
    let result = clinux_filter_system_calls()
    if ![Errno.invalidArgument, .noFunction].contains(Errno(rawValue: -result)) {
      try SystemError.check(result, "prctl", "PR_SET_SECCOMP")
    }
  }
}
