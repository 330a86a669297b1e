import Foundation
import Model
import Subprocess
import Synchronization
import SystemPackage

/// Programs are started one after the other, and only while there are descriptors for it: swift-subprocess ends the
/// whole program where the second of its pipes cannot be made (`IODescriptor.deinit`).
public actor SpawnGate {
  public static let shared = SpawnGate()

  /// Two ends of three pipes, the child's pidfd, and what else is opened in the meantime: files of a run's folder.
  public static let needed = 24

  private var taken = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  /// The right to start one program.
  public final class Turn: Sendable {
    private let left = Mutex(false)

    /// Once the program runs; again is nothing.
    public func leave() {
      let again = left.withLock { left in
        defer { left = true }
        return left
      }
      if !again { Task { await SpawnGate.shared.next() } }
    }
  }

  /// Waits for one's turn.
  /// - Throws: `Failure`, a scarcity, where too few descriptors are left.
  public func enter() async throws -> Turn {
    if taken { await withCheckedContinuation { waiting.append($0) } }
    taken = true
    let turn = Turn()
    let (open, limit) = (Self.openDescriptors, Self.descriptorLimit)
    guard limit - open >= Self.needed else {
      turn.leave()
      var failure = Failure(
        stage: "start", object: "a program",
        cause: "\(open) of \(limit) descriptors are open, and it takes \(Self.needed) to start one",
        mend: "ulimit -n 4096")
      failure.isScarcity = true
      throw failure
    }
    return turn
  }

  private func next() {
    if waiting.isEmpty { taken = false } else { waiting.removeFirst().resume() }
  }

  /// What this process has open, less what looking takes.
  public static var openDescriptors: Int {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") else {
      // Not even that many are left.
      return descriptorLimit
    }
    return names.count - 1
  }

  /// getrlimit(2), RLIMIT_NOFILE, the soft limit.
  public static var descriptorLimit: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
    return Int(clamping: limit.rlim_cur)
  }

  /// Raises the soft limit towards the hard one. Not beyond what any program stands that closes all descriptors that it
  /// may have before it starts another, as apt does: a container's hard limit is often 2^30.
  public static func raiseDescriptorLimit(to wanted: Int = 65_536) {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    let target = min(rlim_t(wanted), limit.rlim_max)
    guard target > limit.rlim_cur else { return }
    limit.rlim_cur = target
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}

extension Failure {
  /// A program that could not be started or followed, in the library's words.
  public init(_ error: SubprocessError, starting program: String) {
    self.init(stage: "start", object: program, cause: "\(error)")
    let scarce: [Errno] = [
      .tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory, .resourceTemporarilyUnavailable,
    ]
    guard let errno = error.underlyingError, scarce.contains(errno) else { return }
    isScarcity = true
    mend =
      errno == .resourceTemporarilyUnavailable
      ? "more processes: ulimit -u, or the container's limit (pids.max); or fewer --jobs"
      : errno == .noMemory ? "more memory, or fewer --jobs" : "ulimit -n 4096, or fewer --jobs"
  }
}
