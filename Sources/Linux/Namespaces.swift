import CLinux
import Glibc
import SystemPackage

/// A network namespace, held by descriptor and never by name: it lives as long as the instance, or as
/// anything opened inside it, and no death of the process leaves it behind.
///
/// A namespace belongs to a *thread*. Whatever enters one must be synchronous, in a process of its own.
public struct NetworkNamespace: ~Copyable {
  /// An open `/proc/thread-self/ns/net`.
  public let fileDescriptor: Int32

  private init(fileDescriptor: Int32) { self.fileDescriptor = fileDescriptor }

  deinit { close(fileDescriptor) }

  /// The calling thread's.
  public static func current() throws -> NetworkNamespace {
    // thread-self is there since 3.17.
    for path in ["/proc/thread-self/ns/net", "/proc/self/task/\(clinux_gettid())/ns/net"] {
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      if descriptor >= 0 { return NetworkNamespace(fileDescriptor: descriptor) }
    }
    throw SystemError(stage: "open", object: "/proc/thread-self/ns/net", errno: .current)
  }

  /// A new one; the calling thread is back where it was. Equivalent to `ip netns add`, without a name.
  ///
  /// - Parameter body: is run inside before the thread is back.
  public static func create(_ body: () throws -> Void = {}) throws -> NetworkNamespace {
    let origin = try current()
    // Before anything has changed: the host's namespace belongs to another user namespace than that of
    // `unshare --user`, from where no way leads back into it.
    try SystemError.check(
      clinux_setns_net(origin.fileDescriptor), "setns", "the network namespace that we are in")
    try SystemError.check(clinux_unshare_net(), "unshare", "CLONE_NEWNET")
    defer { origin.enter() }
    let new = try current()
    // Everything that is written later relies on this.
    guard try new.inode != origin.inode else {
      throw SystemError(
        stage: "unshare", object: "CLONE_NEWNET", errno: .invalidArgument,
        detail: "still in the namespace it started in")
    }
    try body()
    return new
  }

  /// Leaves the calling thread's namespace for a new one, without a way back: `unshare --net`.
  public static func enterNew() throws {
    try SystemError.check(clinux_unshare_net(), "unshare", "CLONE_NEWNET")
  }

  /// Names the namespace for good, from 5.14 on (SO_NETNS_COOKIE): no later one has the same.
  public var cookie: UInt64 {
    get throws {
      try run {
        let socket = try TCP.socket(ipv6: false)
        defer { TCP.close(socket) }
        var cookie: UInt64 = 0
        try SystemError.check(clinux_net_cookie(socket.descriptor, &cookie), "getsockopt", "SO_NETNS_COOKIE")
        return cookie
      }
    }
  }

  /// Names the namespace while it lives: its inode on nsfs, as `ls -l /proc/self/ns/net` shows it. The next one that
  /// is made may get it again.
  public var inode: UInt64 {
    get throws {
      var status = stat()
      try SystemError.check(libc: fstat(fileDescriptor, &status), "fstat", "network namespace")
      return UInt64(status.st_ino)
    }
  }

  /// Kills every process whose network namespace is one of these, until none is left: `kill -9 $(ip netns pids ...)`.
  /// For namespaces of our own, in which only what was started from us can be.
  public static func killProcesses(in inodes: Set<UInt64>) {
    // What forks while we look is found the next time.
    for _ in 0..<100 {
      var killed = false
      guard let folder = opendir("/proc") else { return }
      while let entry = readdir(folder) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        guard let process = Int32(name), process != getpid() else { continue }
        var status = stat()
        guard stat("/proc/\(process)/ns/net", &status) == 0, inodes.contains(UInt64(status.st_ino)) else {
          continue
        }
        kill(process, SIGKILL)
        killed = true
      }
      closedir(folder)
      if !killed { return }
      sched_yield()
    }
  }

  /// Runs `body` inside and comes back, also when it throws. Equivalent to `nsenter --net`.
  /// Sockets and `/proc/thread-self/net` files that it opens stay in the namespace.
  public borrowing func run<Result>(_ body: () throws -> Result) throws -> Result {
    let origin = try Self.current()
    try SystemError.check(clinux_setns_net(fileDescriptor), "setns", "network namespace")
    defer { origin.enter() }
    return try body()
  }

  /// A thread that cannot go back would do everything that follows in the wrong namespace.
  private borrowing func enter() {
    let result = clinux_setns_net(fileDescriptor)
    precondition(result >= 0, "setns back to the thread's own namespace: \(Errno(rawValue: -result))")
  }
}

/// The right to make network namespaces without being root.
public enum UserNamespace {
  /// Whether it is the kernel's first one, where root is root: user_namespaces(7) has its map of all ids onto
  /// themselves.
  public static var isInitial: Bool {
    guard let map = try? Files.read("/proc/self/uid_map") else { return true }
    return map.split(whereSeparator: \.isWhitespace) == ["0", "0", "4294967295"]
  }

  /// `unshare --user --map-root-user --net`. Must come before the process has a second thread.
  ///
  /// The network namespace is the place to come back to: the host's belongs to another user namespace, and
  /// setns(2) into it is refused from here.
  public static func enter() throws {
    let (user, group) = (geteuid(), getegid())
    try SystemError.check(clinux_unshare_user(), "unshare", "CLONE_NEWUSER")
    try write("deny", to: "/proc/self/setgroups")
    try write("0 \(user) 1", to: "/proc/self/uid_map")
    try write("0 \(group) 1", to: "/proc/self/gid_map")
    try SystemError.check(clinux_unshare_net(), "unshare", "CLONE_NEWNET")
  }

  private static func write(_ text: String, to path: String) throws {
    do { try Files.write(text, to: path) } catch {
      throw SystemError(stage: "write", object: path, errno: error)
    }
  }
}
