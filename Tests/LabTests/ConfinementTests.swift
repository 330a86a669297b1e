import Foundation
import Lab
import MicroVM
import Model
import Testing
import TestSupport

/// What a QEMU is left with while it runs a kernel of strangers: looked up where the kernel of this machine says it.
@Suite(
  .serialized,
  .enabled(if: Needs.met(canBoot), "SKIPPED: needs QEMU, debian-12 in the cache, and $PAWSLAB_STATIC_WORKER"),
  .timeLimit(.minutes(5)))
struct ConfinementTests {
  private let worker = staticWorker ?? ""

  /// Runs `body` with the process ID of a guest's QEMU.
  private func withGuest(_ store: KernelStore = KernelStore(), _ body: (Int32, Guest) async throws -> Void)
    async throws
  {
    let hypervisor = Hypervisor(store: store, worker: worker)
    let stored = try #require(store.entry(Machines.fallback))
    let guest = try await hypervisor.boot(stored)
    do {
      let pids = try children(named: "qemu-system-x86_64")
      try #require(pids.count == 1)
      try await body(pids[0], guest)
    } catch {
      await guest.stop()
      throw error
    }
    await guest.stop()
    #expect(try children(named: "qemu-system-x86_64").isEmpty)
  }

  /// Processes of that name which this one's descendants have started.
  private func children(named name: String) throws -> [Int32] {
    var parents: [Int32: Int32] = [:]
    var named: [Int32] = []
    for pid in try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap({ Int32($0) }) {
      guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
        let end = stat.lastIndex(of: ")")
      else { continue }
      parents[pid] = stat[end...].split(separator: " ").dropFirst(2).first.flatMap { Int32($0) }
      let command = (try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)) ?? ""
      if command.hasPrefix(name + "\0") { named.append(pid) }
    }
    return named.filter { pid in
      var pid = pid
      while let parent = parents[pid], parent > 1 {
        if parent == getpid() { return true }
        pid = parent
      }
      return false
    }
  }

  private func status(_ pid: Int32) throws -> [String: String] {
    var found: [String: String] = [:]
    for line in try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8).split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { found[String(parts[0])] = parts[1].trimmingCharacters(in: .whitespaces) }
    }
    return found
  }

  @Test func qemuIsNobodyAndCannotBecomeAnybody() async throws {
    try await withGuest { pid, _ in
      let status = try status(pid)
      #expect(status["NoNewPrivs"] == "1")
      #expect(status["Seccomp"] == "2", "a filter is in force")
      for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        #expect(status[set] == "0000000000000000", "\(set)")
      }
      let users = Set((status["Uid"] ?? "").split(separator: "\t").compactMap { Int($0) })
      let groups = Set((status["Gid"] ?? "").split(separator: "\t").compactMap { Int($0) })
      if geteuid() == 0 {
        #expect(users.count == 1 && users.allSatisfy { (60578..<61184).contains($0) }, "\(users)")
        #expect(groups == users)
        #expect(status["Groups"] == "")
      } else {
        #expect(users == [Int(geteuid())])
      }
    }
  }

  @Test func qemuHasTheDescriptorsThatItNeeds() async throws {
    // What it must not have: one of ours, open to be inherited.
    let leaked = open("/etc/passwd", O_RDONLY)
    defer { close(leaked) }
    try await withGuest { pid, _ in
      let folder = "/proc/\(pid)/fd"
      var files: [Int: String] = [:]
      for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
        files[Int(name) ?? -1] =
          (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")) ?? ""
      }
      #expect([0, 1, 2].allSatisfy { files[$0]?.hasPrefix("pipe:") == true }, "\(files)")
      #expect(files[3]?.hasSuffix("/kernels/debian-12/vmlinux") == true, "\(files)")
      #expect(files[4]?.hasPrefix("/memfd:initramfs of debian-12") == true, "\(files)")
      #expect(files[5]?.hasPrefix("/memfd:console of debian-12") == true, "\(files)")
      for (descriptor, file) in files where descriptor > 5 {
        // Its own event loop, the two above once more, the source of random numbers, a device of its own.
        let isOwn =
          file.hasPrefix("anon_inode:") || file == files[4] || file == files[5] || file == files[3]
          || ["/dev/urandom", "/dev/kvm"].contains(file)
        #expect(isOwn, "\(descriptor): \(file)")
      }
      let environment = try Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/environ"))
      #expect(
        String(decoding: environment, as: UTF8.self) == "PATH=/usr/sbin:/usr/bin:/sbin:/bin\0LC_ALL=C\0")
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd") == "/")
      let limits = try String(contentsOfFile: "/proc/\(pid)/limits", encoding: .utf8)
      #expect(limits.contains(#/Max core file size +0 +0 /#))
      #expect(limits.contains(#/Max file size +16777216 +16777216 /#))
    }
  }

  /// What a booted guest no longer reads takes no memory, and nothing lies on the disk.
  @Test func aGuestLeavesNothingInTheCache() async throws {
    let store = KernelStore()
    let before = try FileManager.default.subpathsOfDirectory(atPath: store.root.path).sorted()
    try await withGuest { pid, _ in
      let now = try FileManager.default.subpathsOfDirectory(atPath: store.root.path).sorted()
      #expect(now == before)
      var archive = stat()
      #expect(stat("/proc/\(pid)/fd/4", &archive) == 0)
      #expect(archive.st_size == 0)
    }
  }

  /// A kernel's file that only its owner may read is handed over all the same.
  @Test func aCacheThatNobodyElseMayReadServes() async throws {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent("store-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: root) }
    let folder = root.appendingPathComponent("kernels/debian-12")
    try FileManager.default.createDirectory(
      at: folder.deletingLastPathComponent(), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      at: KernelStore().root.appendingPathComponent("kernels/debian-12"), to: folder)
    chmod(root.path, 0o700)
    chmod(folder.path + "/vmlinux", 0o600)
    try await withGuest(KernelStore(root: root)) { pid, _ in
      let kernel = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/3")
      #expect(kernel.hasPrefix("/memfd:kernel"), "\(kernel)")
    }
  }

  /// A QEMU that is built without seccomp says so as Debian's would, and is used without.
  @Test func aQEMUWithoutSeccompIsUsedAndThatIsSaid() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("qemu-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    // softmmu/vl.c, QEMU_OPTION_sandbox without CONFIG_SECCOMP.
    let script = """
      #!/bin/sh
      case " $* " in *" -sandbox "*)
        echo "qemu-system-x86_64: -sandbox on: -sandbox support is not enabled in this QEMU binary" >&2; exit 1;;
      esac
      exec /usr/bin/qemu-system-x86_64 "$@"
      """
    let program = folder.appendingPathComponent("qemu-system-x86_64")
    try Data(script.utf8).write(to: program)
    chmod(program.path, 0o755)
    chmod(folder.path, 0o755)
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    setenv("PATH", "\(folder.path):\(path)", 1)
    defer { setenv("PATH", path, 1) }
    let notes = Notes()
    let hypervisor = Hypervisor(store: KernelStore(), worker: worker) { await notes.take($0) }
    let guest = try await hypervisor.boot(try #require(KernelStore().entry(Machines.fallback)))
    #expect(await guest.isAlive)
    await guest.stop()
    #expect(await notes.lines.contains("this QEMU is built without seccomp: guests run without -sandbox"))
    #expect(await notes.retries == 0)
  }

  /// What replaces a stored kernel has booted; one that does not boot is not stored, and the other stays as it was.
  @Test func aKernelThatDoesNotBootReplacesNone() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("add-\(UUID().uuidString)")
    let cache = folder.appendingPathComponent("cache")
    try FileManager.default.createDirectory(at: cache, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let good = KernelStore().root.appendingPathComponent("kernels/debian-12")
    // A header that a kernel could have, and undefined instructions (ud2) where it begins.
    var bad = try Data(contentsOf: good.appendingPathComponent("vmlinux"))
    bad.replaceSubrange(
      0x200000..<0x210000, with: Data((0..<0x8000).flatMap { _ in [0x0f, 0x0b] as [UInt8] }))
    try bad.write(to: folder.appendingPathComponent("bad"))
    func add(_ image: String, _ more: String...) throws -> (status: Int32, errors: String) {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: ProgramTests.program)
      process.arguments = ["kernels", "add", "mine", "--image", image] + more
      process.environment = ProcessInfo.processInfo.environment.merging(
        ["XDG_CACHE_HOME": cache.path, "PAWSLAB_WORKER": worker]
      ) { $1 }
      let errors = Pipe()
      process.standardError = errors
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      let text = errors.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      return (process.terminationStatus, String(decoding: text, as: UTF8.self))
    }
    let store = KernelStore(root: cache.appendingPathComponent("pawslab"))
    func content() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: store.root.path + "/kernels").filter {
        $0 != ".lock"
      }
    }
    let first = try add(folder.path + "/bad")
    #expect(first.status == 3, "\(first.errors)")
    #expect(first.errors.contains("nothing was stored"))
    #expect(try content().isEmpty)

    let stored = try add(good.path + "/vmlinux", "--modules", good.path + "/modules")
    #expect(stored.status == 0, "\(stored.errors)")
    let before = try #require(store.entry("mine"))
    let taken = try add(folder.path + "/bad")
    #expect(taken.status == 2, "\(taken.errors)")
    #expect(taken.errors.contains("a kernel of that name is stored"))
    let failed = try add(folder.path + "/bad", "--replace")
    #expect(failed.status == 3, "\(failed.errors)")
    #expect(failed.errors.contains("the one there is as it was"))
    #expect(store.entry("mine") == before)
    #expect(try content() == ["mine"])
    let again = try add(good.path + "/vmlinux", "--modules", good.path + "/modules", "--replace")
    #expect(again.status == 0, "\(again.errors)")
    #expect(try content() == ["mine"])
  }

  private actor Notes {
    private(set) var lines: [String] = []
    private(set) var retries = 0
    func take(_ event: Hypervisor.Event) {
      if case .note(let line) = event { lines.append(line) }
      if case .retry = event { retries += 1 }
    }
  }
}
