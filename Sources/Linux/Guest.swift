import CLinux
import Glibc
import SystemPackage

/// What only the first process of a guest does.
public enum Guest {
  /// Whether this process is the first of its kernel.
  public static var isFirstProcess: Bool { getpid() == 1 }

  /// `mkdir TARGET; mount -t TYPE TYPE TARGET`
  public static func mount(_ type: String, at target: String) throws {
    try SystemError.check(clinux_mount(type, target), "mount \(type)", target)
  }

  /// `insmod FILE`; nothing where it is loaded already.
  public static func loadModule(_ path: String) throws {
    let descriptor = try SystemError.check(libc: open(path, O_RDONLY | O_CLOEXEC), "open", path)
    defer { close(descriptor) }
    let result = clinux_load_module(descriptor)
    if result != -EEXIST { try SystemError.check(result, "finit_module", path) }
  }

  /// A file's text.
  public static func read(_ path: String) throws -> String {
    do { return try Files.read(path) } catch { throw SystemError(stage: "read", object: path, errno: error) }
  }

  /// A child with pipes for its standard streams.
  public struct Child: Sendable {
    public let pid: Int32
    /// Its standard input stays open until this is closed.
    public let input: Int32
    public let output: Int32
    public let errors: Int32
  }

  /// Runs `body` in a child process and ends it with what that returns. The caller must have one thread.
  public static func fork(_ body: () -> Int32) throws -> Child {
    let (input, output, errors) = (
      try Stream.pipe("worker"), try Stream.pipe("worker"), try Stream.pipe("worker")
    )
    let pid = try SystemError.check(
      clinux_fork_worker(input.read, output.write, errors.write), "fork", "worker")
    if pid == 0 { _exit(body()) }
    for descriptor in [input.read, output.write, errors.write] { close(descriptor) }
    return Child(pid: pid, input: input.write, output: output.read, errors: errors.read)
  }

  /// Has the kernel overwrite with zeros what nobody has: what its boot left there (the initramfs as it came, most of all)
  /// would be saved and read again with the rest. What cannot be had is left.
  public static func clearFreeMemory() throws {
    let free = try read("/proc/meminfo").split(separator: "\n").first { $0.hasPrefix("MemFree:") }
    // Some is kept back for the kernel's own needs.
    let kilobytes = free?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    let size = (kilobytes - 16 << 10) << 10
    guard size > 0 else { return }
    let memory = mmap(
      nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_NORESERVE, -1, 0)
    if memory != MAP_FAILED { munmap(memory, size) }
  }

  /// A file that QEMU was given for the guest (`-fw_cfg name=NAME,file=...`): read through its ports, so that no moment of
  /// the host's is in it. At most 64 MiB.
  public static func firmwareFile(_ name: String) throws -> [UInt8] {
    let size = try SystemError.check(clinux_firmware_file(name, nil, 0), "fw_cfg", name)
    guard size <= 64 << 20 else { throw SystemError(stage: "fw_cfg", object: name, errno: .fileTooLarge) }
    var bytes = [UInt8](repeating: 0, count: Int(size))
    try SystemError.check(clinux_firmware_file(name, &bytes, UInt32(size)), "fw_cfg", name)
    return bytes
  }

  /// Has the kernel's random numbers depend on these bytes from here on: RNDADDENTROPY, and RNDRESEEDCRNG where there is
  /// that (4.17), random(4).
  public static func seedRandom(_ bytes: [UInt8]) throws {
    try SystemError.check(clinux_seed_random(bytes, UInt32(bytes.count)), "RNDADDENTROPY", "/dev/random")
  }

  /// Stops the whole machine at this instruction; comes back when it was let go on, here or in another QEMU.
  public static func pauseMachine() throws {
    try SystemError.check(clinux_pause_machine(), "pvpanic", "port 0x505")
  }

  /// Ends the machine and so QEMU, with status 1; comes back only where that cannot be.
  public static func endMachine() throws {
    try SystemError.check(clinux_end_machine(), "isa-debug-exit", "port 0x501")
  }

  /// Waits for a child that is ending: nil where it returned 0, else `exit status 3` or `signal 11`.
  public static func reap(_ child: Child) -> String? {
    for descriptor in [child.input, child.output, child.errors] { close(descriptor) }
    var status: Int32 = 0
    while waitpid(child.pid, &status, 0) < 0, errno == EINTR {}
    if status & 0x7f != 0 { return "ended by signal \(status & 0x7f)" }
    return (status >> 8) & 0xff == 0 ? nil : "exit status \((status >> 8) & 0xff)"
  }

  /// `kill -9`
  public static func kill(_ child: Child) { Glibc.kill(child.pid, SIGKILL) }

  /// Opens the first virtio serial port, which appears some time after its driver was loaded.
  /// inotify says when; the deadline is 10 s. The node is there a little before it can be opened (`add_port`
  /// makes the device first, then lists the port: ENXIO), and nothing says when that has passed.
  public static func openPort() throws -> Int32 {
    let watch = try SystemError.check(libc: inotify_init1(Int32(IN_CLOEXEC)), "inotify_init1", "/dev")
    defer { close(watch) }
    try SystemError.check(
      libc: inotify_add_watch(watch, "/dev", UInt32(IN_CREATE)), "inotify_add_watch", "/dev")
    let deadline = SystemClock.monotonic() + 10_000_000_000
    while true {
      for number in 0..<4 {
        let descriptor = open("/dev/vport\(number)p1", O_RDWR | O_CLOEXEC)
        if descriptor >= 0 { return descriptor }
      }
      let left = deadline - SystemClock.monotonic()
      var requests = [Poll.Request(descriptor: watch, events: Poll.readable)]
      guard left > 0 else {
        throw SystemError(
          stage: "open", object: "/dev/vport0p1", errno: .noSuchFileOrDirectory,
          detail: "no virtio serial port within 10 s")
      }
      if try Poll.wait(&requests, timeout: min(10, Int(left / 1_000_000) + 1)) > 0 {
        var events = [UInt8](repeating: 0, count: 4096)
        _ = Glibc.read(watch, &events, events.count)
      }
    }
  }

  /// What a descriptor has now; empty at its end.
  public static func readAvailable(_ descriptor: Int32) throws -> [UInt8] {
    var chunk = [UInt8](repeating: 0, count: 65536)
    var count: Int
    repeat { count = Glibc.read(descriptor, &chunk, chunk.count) } while count < 0 && errno == EINTR
    try SystemError.check(libc: count, "read", "descriptor \(descriptor)")
    return Array(chunk[..<count])
  }

  /// Writes a program, for everybody to run.
  /// - Throws: `SystemError` of open(2) or write(2).
  public static func write(program text: String, at path: String) throws {
    let file = try SystemError.check(
      libc: open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o755), "open", path)
    defer { close(file) }
    try Stream.write(file, Array(text.utf8))
  }

  /// Sets an environment variable for everything that is started from here.
  public static func setEnvironment(_ name: String, _ value: String) { setenv(name, value, 1) }
}
