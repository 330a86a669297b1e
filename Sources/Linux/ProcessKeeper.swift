import CLinux
import Glibc
import SystemPackage

/// Ends whatever was started in it, daemons that have forked twice included, when the process that made it dies, of
/// anything: a PID namespace, whose first process ends with that one (pid_namespaces(7)).
public final class ProcessKeeper {
  private let own: FileDescriptor
  private let inner: FileDescriptor

  /// A new one, for programs that are started by ``run(_:)``, with a /run that nobody else sees.
  ///
  /// The process and they stay on one processor from then on: what two of them send on one connection passes a veth by the
  /// queue of each one's processor (`netif_rx`), and may overtake.
  ///
  /// - Throws: `SystemError` where PID or mount namespaces are refused.
  public init() throws {
    // A processor more than CPU_SETSIZE is none to fail for.
    _ = clinux_stay_on_processor()
    try SystemError.check(clinux_own_run(), "mount", "/run of our own")
    let pid = try Self.start()
    func open(_ process: String) throws -> FileDescriptor {
      let path = "/proc/\(process)/ns/pid"
      return FileDescriptor(
        rawValue: try SystemError.check(libc: Glibc.open(path, O_RDONLY | O_CLOEXEC), "open", path))
    }
    (own, inner) = (try open("self"), try open("\(pid)"))
  }

  deinit {
    try? own.close()
    try? inner.close()
  }

  /// What is started meanwhile is in the namespace. For what makes no thread: those cannot be in another than we are.
  public func run<Result>(_ body: () throws -> Result) throws -> Result {
    try SystemError.check(clinux_setns_pid(inner.rawValue), "setns", "PID namespace of programs")
    let result = Swift.Result { try body() }
    try SystemError.check(clinux_setns_pid(own.rawValue), "setns", "our own PID namespace")
    return try result.get()
  }

  /// The first process of a new one, for `nsenter --target PID --pid --mount`: its `/proc` shows what is in there.
  ///
  /// - Throws: `SystemError` where PID namespaces are refused.
  public static func start() throws -> Int32 {
    try SystemError.check(clinux_keeper(), "unshare", "CLONE_NEWPID")
  }
}
