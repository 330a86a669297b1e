import CLinux

/// Ends whatever was started in it, daemons that have forked twice included, when the process that made it dies, of
/// anything: a PID namespace, whose first process ends with that one (pid_namespaces(7)).
public enum ProcessKeeper {
  /// The first process of a new one, for `nsenter --target PID --pid --mount`: its `/proc` shows what is in there.
  ///
  /// - Throws: `SystemError` where PID namespaces are refused.
  public static func start() throws -> Int32 {
    try SystemError.check(clinux_keeper(), "unshare", "CLONE_NEWPID")
  }
}
