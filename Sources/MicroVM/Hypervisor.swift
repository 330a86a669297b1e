import Evidence
import Foundation
import Model

/// Boots stored kernels: finds out which accelerator works, tries a boot that failed once more.
public actor Hypervisor {
  /// What happens while guests come up.
  public enum Event: Sendable {
    /// One line for whoever waits.
    case note(String)
    /// A guest is up.
    case up(kernel: String, Guest.Boot)
    /// A boot failed and is tried once more.
    case retry(kernel: String, Failure)
  }

  /// The kernels there are.
  public nonisolated let store: KernelStore
  /// Path of `pawslab-worker`.
  public nonisolated let worker: String
  /// What every guest gets besides: for tests of boots that fail, and for a second reading by other tools.
  public struct Additions: Sendable {
    public var append: [String] = []
    public var qemu: [String] = []
    public var megabytes = 512
    public var bootDeadline = 60
    /// Programs of this machine that guests take along.
    public var tools: [String] = []
    /// Whether they take a shell along, and what is of use in it.
    public var hasShell = false
    public init() {}
  }

  nonisolated let additions: Additions
  let onEvent: @Sendable (Event) async -> Void
  private var accelerator: QEMU.Accelerator?
  private var verified: Set<KernelName> = []
  private(set) var sandboxed = true
  /// Guests that were saved, or are just being, by this run.
  var savedGuests: [KernelName: Task<SavedGuest, any Error>] = [:]

  public init(
    store: KernelStore, worker: String, additions: Additions = Additions(),
    onEvent: @escaping @Sendable (Event) async -> Void = { _ in }
  ) {
    self.store = store
    self.worker = worker
    self.additions = additions
    self.onEvent = onEvent
    store.sweep()
  }

  /// What the kernel's probe found before; nil where it must be asked again.
  public nonisolated func probed(_ kernel: StoredKernel) -> Kernel? { cache(kernel).load() }

  /// Keeps what a probe found.
  public nonisolated func keep(_ found: Kernel, of kernel: StoredKernel) { cache(kernel).save(found) }

  private nonisolated func cache(_ kernel: StoredKernel) -> ProbeCache {
    let programs = Capability.Feature.programs.map(\.rawValue).filter {
      additions.tools.contains($0) && Command.path($0) != nil
    }
    return ProbeCache(kernel, store: store, worker: worker, programs: programs)
  }

  /// Boots a kernel.
  /// - Parameter console: kept there; nil keeps it only while the guest lives.
  /// - Throws: `Failure` with the last lines of the console, after one more try.
  public func boot(_ kernel: StoredKernel) async throws -> Guest {
    var clock = PhaseClock()
    guard Self.canBoot else { throw QEMU.missing(kernel.name) }
    try await verify(kernel)
    var phases = [clock.lap("verify")]
    let archive = try await Initramfs.make(
      kernel, in: store.folder(kernel.key), worker: worker, extraTools: additions.tools,
      hasShell: additions.hasShell)
    phases.append(clock.lap("initramfs"))
    do {
      return try await boot(kernel, archive, phases, verbose: false)
    } catch let failure as Failure {
      try Task.checkCancellation()
      if sandboxed, failure.cause.contains("-sandbox") {
        sandboxed = false
        await onEvent(.note("this QEMU is built without seccomp: guests run without -sandbox"))
        return try await boot(kernel, archive, phases, verbose: false)
      }
      await onEvent(.retry(kernel: kernel.name, failure))
      return try await boot(kernel, archive, phases, verbose: true)
    }
  }

  /// Holds its files against their digests, once.
  func verify(_ kernel: StoredKernel) async throws {
    guard !verified.contains(kernel.key) else { return }
    try await store.verify(kernel)
    verified.insert(kernel.key)
  }

  private func boot(
    _ kernel: StoredKernel, _ archive: Data, _ phases: [Timing], verbose: Bool
  ) async throws -> Guest {
    let candidates: [QEMU.Accelerator] =
      if let accelerator { [accelerator] } else if QEMU.groupForKVM != nil { [.kvm, .tcg] } else { [.tcg] }
    // A device file proves nothing: where KVM is there, both are started, and the first that answers stays.
    var guests: [QEMU.Accelerator: Guest] = [:]
    for candidate in candidates { guests[candidate] = try guest(kernel, candidate, verbose: verbose) }
    let image = try KernelFile(of: kernel, in: store)
    let started = guests
    let outcome = await withTaskGroup(
      of: (QEMU.Accelerator, Result<Void, any Error>).self
    ) { group -> (winner: QEMU.Accelerator?, errors: [QEMU.Accelerator: any Error]) in
      for (candidate, guest) in started {
        group.addTask { [worker] in
          do {
            try await guest.start(worker: worker, kernel: image.path, initramfs: archive, prepared: phases)
            return (candidate, .success(()))
          } catch {
            return (candidate, .failure(error))
          }
        }
      }
      var errors: [QEMU.Accelerator: any Error] = [:]
      for await (candidate, result) in group {
        switch result {
        case .success:
          for (other, guest) in started where other != candidate { await guest.stop() }
          return (candidate, errors)
        case .failure(let error): errors[candidate] = error
        }
      }
      return (nil, errors)
    }
    guard let winner = outcome.winner, let guest = guests[winner] else {
      throw outcome.errors[.tcg] ?? outcome.errors[.kvm]
        ?? Failure(stage: "guest", object: kernel.name, cause: "no answer")
    }
    if accelerator == nil {
      accelerator = winner
      if winner == .tcg {
        let why =
          candidates.count == 1 ? QEMU.whyNotKVM : "no guest answered under KVM before one did without"
        await onEvent(.note("guests are emulated (TCG): \(why)"))
      }
    }
    if let boot = await guest.boot { await onEvent(.up(kernel: kernel.name, boot)) }
    return guest
  }

  private func guest(_ kernel: StoredKernel, _ accelerator: QEMU.Accelerator, verbose: Bool) throws -> Guest {
    var qemu = QEMU(accelerator: accelerator, pvh: kernel.pvh)
    qemu.megabytes = additions.megabytes
    qemu.verbose = verbose
    qemu.append = additions.append
    qemu.extra = additions.qemu
    qemu.sandboxed = sandboxed
    return try Guest(
      name: kernel.name,
      options: Guest.Options(
        qemu: qemu, bootDeadline: additions.bootDeadline,
        group: accelerator == .kvm ? QEMU.groupForKVM ?? 0 : 0))
  }
}

/// A kernel's image as QEMU can open it, which is somebody else: the file in the store where everybody may read that,
/// else a copy in memory (a umask of 077).
struct KernelFile: Sendable {
  let path: String
  private let copy: MemoryFile?

  init(of kernel: StoredKernel, in store: KernelStore) throws {
    let file = store.folder(kernel.key).appendingPathComponent(kernel.image)
    var status = stat()
    if stat(file.path, &status) == 0, status.st_mode & S_IROTH != 0 {
      (path, copy) = (file.path, nil)
      return
    }
    let content: Data
    do { content = try Data(contentsOf: file, options: .alwaysMapped) } catch {
      throw Failure(stage: "kernel image", object: file.path, cause: Files.words(error))
    }
    let made = try MemoryFile("kernel", content)
    (path, copy) = (made.path, made)
  }
}

extension QEMU {
  /// What is said where there is none.
  static func missing(_ kernel: String) -> Failure {
    Failure(
      stage: "guest", object: kernel, cause: "no \(program)", mend: "apt-get install qemu-system-x86")
  }

  /// The group by which a QEMU that is nobody may open `/dev/kvm`; 0 where it needs none, nil where it may not.
  static var groupForKVM: gid_t? {
    var status = stat()
    guard stat("/dev/kvm", &status) == 0, access("/dev/kvm", R_OK | W_OK) == 0 else { return nil }
    let (both, group) = (S_IROTH | S_IWOTH, S_IRGRP | S_IWGRP)
    if geteuid() != 0 || status.st_mode & both == both { return 0 }
    return status.st_mode & group == group && status.st_gid != 0 ? status.st_gid : nil
  }
}

extension QEMU {
  /// Why ``groupForKVM`` is nil.
  static var whyNotKVM: String {
    guard FileManager.default.fileExists(atPath: "/dev/kvm") else { return "there is no /dev/kvm" }
    return access("/dev/kvm", R_OK | W_OK) == 0
      ? "/dev/kvm is for root alone, and QEMU is not root: chgrp kvm /dev/kvm; chmod 660 /dev/kvm"
      : "this user may not open /dev/kvm: a member of its group may"
  }
}

extension Hypervisor {
  /// Whether QEMU is there.
  public static var canBoot: Bool { Command.exists(QEMU.program) }

  /// What QEMU calls itself: `QEMU emulator version 7.2.15 (...)`; nil where it is not there or says nothing.
  public static var version: String? {
    get async { try? await Command(QEMU.program, "--version").lines().first }
  }
}
