import Foundation
import Scenario

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
    public init() {}
  }

  private nonisolated let additions: Additions
  private let onEvent: @Sendable (Event) async -> Void
  private var accelerator: QEMU.Accelerator?
  private var verified: Set<String> = []
  private var number = 0

  public init(
    store: KernelStore, worker: String, additions: Additions = Additions(),
    onEvent: @escaping @Sendable (Event) async -> Void = { _ in }
  ) {
    self.store = store
    self.worker = worker
    self.additions = additions
    self.onEvent = onEvent
  }

  /// What the kernel's probe found before; nil where it must be asked again.
  public nonisolated func probed(_ kernel: StoredKernel) -> Kernel? { cache(kernel).load() }

  /// Keeps what a probe found.
  public nonisolated func keep(_ found: Kernel, of kernel: StoredKernel) { cache(kernel).save(found) }

  private nonisolated func cache(_ kernel: StoredKernel) -> ProbeCache {
    ProbeCache(kernel, store: store, worker: worker)
  }

  /// Boots a kernel.
  /// - Parameter console: kept there; nil keeps it only while the guest lives.
  /// - Throws: `Failure` with the last lines of the console, after one more try.
  public func boot(_ kernel: StoredKernel) async throws -> Guest {
    var clock = PhaseClock()
    guard Command.exists(QEMU.program) else {
      throw Failure(
        stage: "guest", object: kernel.name, cause: "no \(QEMU.program)",
        mend: "apt-get install qemu-system-x86")
    }
    if !verified.contains(kernel.name) {
      try await store.verify(kernel)
      verified.insert(kernel.name)
    }
    var phases = [clock.lap("verify")]
    let archive = try await Initramfs.make(
      kernel, in: store.folder(kernel.name), worker: worker, extraTools: additions.tools)
    phases.append(clock.lap("initramfs"))
    do {
      return try await boot(kernel, archive, phases, verbose: false)
    } catch let failure as Failure {
      try Task.checkCancellation()
      await onEvent(.retry(kernel: kernel.name, failure))
      return try await boot(kernel, archive, phases, verbose: true)
    }
  }

  private func boot(
    _ kernel: StoredKernel, _ archive: Data, _ phases: [Timing], verbose: Bool
  ) async throws -> Guest {
    let candidates: [QEMU.Accelerator] =
      if let accelerator { [accelerator] } else if access("/dev/kvm", R_OK | W_OK) == 0 { [.kvm, .tcg] } else
      { [.tcg] }
    // A device file proves nothing: where KVM is there, both are started, and the first that answers stays.
    var guests: [QEMU.Accelerator: Guest] = [:]
    for candidate in candidates { guests[candidate] = try guest(kernel, candidate, verbose: verbose) }
    let path = store.folder(kernel.name).appendingPathComponent(kernel.pvh ? "vmlinux" : "image").path
    let started = guests
    let outcome = await withTaskGroup(
      of: (QEMU.Accelerator, Result<Void, any Error>).self
    ) { group -> (winner: QEMU.Accelerator?, errors: [QEMU.Accelerator: any Error]) in
      for (candidate, guest) in started {
        group.addTask { [worker] in
          do {
            try await guest.start(worker: worker, kernel: path, initramfs: archive, prepared: phases)
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
          candidates.count == 1
          ? "no /dev/kvm that can be opened" : "no guest answered under KVM before one did without"
        await onEvent(.note("guests are emulated (TCG): \(why)"))
      }
    }
    if let boot = await guest.boot { await onEvent(.up(kernel: kernel.name, boot)) }
    return guest
  }

  private func guest(_ kernel: StoredKernel, _ accelerator: QEMU.Accelerator, verbose: Bool) throws -> Guest {
    number += 1
    let folder = try ScratchFolder.make(
      "\(number)", in: store.root.appendingPathComponent("guests"), prefix: "", stage: "guest")
    var qemu = QEMU(accelerator: accelerator, pvh: kernel.pvh)
    qemu.megabytes = additions.megabytes
    qemu.verbose = verbose
    qemu.append = additions.append
    qemu.extra = additions.qemu
    return Guest(
      name: kernel.name,
      options: Guest.Options(qemu: qemu, bootDeadline: additions.bootDeadline, folder: folder))
  }
}

extension Hypervisor {
  /// Whether QEMU is there.
  public static var canBoot: Bool { Command.exists(QEMU.program) }
}
