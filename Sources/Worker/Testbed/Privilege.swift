import Linux
import Scenario

/// The right to make network namespaces: as root, else in a user namespace of one's own.
enum Privilege {
  /// Must be called before the process has a second thread: `unshare(CLONE_NEWUSER)` demands it.
  static func gain() throws -> Kernel.Privilege {
    do {
      _ = try NetworkNamespace.create()
      return .root
    } catch let error as SystemError
      where [.invalidArgument, .noSuchFileOrDirectory].contains(error.errno)
    {
      throw Failure(
        stage: "privilege", object: "network namespaces", cause: "this kernel has none: \(error)",
        mend: "a kernel built with CONFIG_NET_NS=y")
    } catch {}
    do { try UserNamespace.enter() } catch {
      throw Failure(
        stage: "privilege", object: "network namespaces", cause: "not root, and \(error)",
        mend:
          "run as root, or allow user namespaces: sysctl -w user.max_user_namespaces=10000"
          + " kernel.unprivileged_userns_clone=1")
    }
    return .userNamespace
  }
}
