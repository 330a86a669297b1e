import Foundation
import MicroVM
import Model

/// What there is for workers: descriptors, memory, processes. What a job costs is counted in ``fit(_:)``.
public struct Resources: Sendable, Equatable {
  /// That we may still open: RLIMIT_NOFILE less what is open.
  public var descriptors: Int
  /// MiB that may be taken.
  public var megabytes: Int
  /// That may still be started: RLIMIT_NPROC (for whom it counts) and pids.max, less those that run.
  public var processes: Int
  /// Processors.
  public var cores: Int

  public init(descriptors: Int, megabytes: Int, processes: Int, cores: Int) {
    self.descriptors = descriptors
    self.megabytes = megabytes
    self.processes = processes
    self.cores = cores
  }

  /// What there is now; the soft limit of descriptors is raised first.
  public static func now() -> Resources {
    SpawnGate.raiseDescriptorLimit()
    return Resources(
      descriptors: SpawnGate.descriptorLimit - SpawnGate.openDescriptors,
      megabytes: Memory().availableMegabytes(), processes: Processes.available(),
      cores: ProcessInfo.processInfo.activeProcessorCount)
  }

  // Pipes of a worker's three streams and its pidfd, while it runs.
  private static let descriptorsPerJob = 4
  // The library's epoll and signal descriptors, the interrupt's pipe, QEMU's guard twice, and what a start takes.
  private static let descriptorsOfLab = 16 + SpawnGate.needed
  // A worker with all its captures has 10 to 20 MiB, 40 with 250 clients; its tools a few more.
  private static let megabytesPerJob = 64
  // The worker, a tool, a thread that opens its counters.
  private static let processesPerJob = 3
  // The library's threads, ours, and two guests with their guards.
  private var processesOfLab: Int { cores + 16 }

  /// How many jobs fit, and what says so if that is fewer than wanted.
  ///
  /// - Parameter wanted: by `--jobs`; nil is eight per core, for most of a case's time is waiting for a client to give up.
  /// - Throws: `Failure` with what is lacking where not even one does.
  public func fit(_ wanted: Int?) throws -> (jobs: Int, note: String?) {
    let bounds = [
      (
        (descriptors - Self.descriptorsOfLab) / Self.descriptorsPerJob,
        "\(descriptors) more descriptors may be opened", "ulimit -n 4096"
      ),
      (
        megabytes / Self.megabytesPerJob, "\(megabytes) MiB of memory are available",
        "more memory (the container's limit counts)"
      ),
      (
        (processes - processesOfLab) / Self.processesPerJob, "\(processes) more processes may be started",
        "ulimit -u 4096, or the container's limit (pids.max)"
      ),
    ]
    guard let (most, words, mend) = bounds.min(by: { $0.0 < $1.0 }) else { return (1, nil) }
    guard most >= 1 else {
      throw Failure(
        stage: "start", object: "a worker", cause: "only \(words), which is not enough for one job",
        mend: mend)
    }
    guard let wanted else { return (min(cores * 8, most), nil) }
    return most >= wanted
      ? (wanted, nil) : (most, "--jobs \(wanted) is lowered to \(most): \(words); \(mend)")
  }

  /// Megabytes of a guest's memory that are touched, and QEMU's own.
  static let megabytesPerGuest = 384

  /// Guests at the same time: one per core, each with one processor.
  public var guests: Int { max(0, min(cores, megabytes / Self.megabytesPerGuest)) }
}

/// Processes and threads that may still be started.
enum Processes {
  static func available(root: String = "") -> Int {
    let groups = ControlGroups(root: root).folders("pids").compactMap { folder -> Int? in
      func number(_ name: String) -> Int? {
        (try? String(contentsOfFile: root + folder.path + "/" + name, encoding: .utf8)).flatMap {
          Int($0.trimmingCharacters(in: .whitespacesAndNewlines))
        }
      }
      guard let most = number("pids.max"), let now = number("pids.current") else { return nil }
      return max(0, most - now)
    }
    var limit = rlimit()
    // The kernel's first user is not held to it (copy_process).
    guard root.isEmpty, getuid() != 0, getrlimit(__rlimit_resource_t(__RLIMIT_NPROC.rawValue), &limit) == 0
    else {
      return groups.min() ?? 1 << 20
    }
    return ([max(0, Int(clamping: limit.rlim_cur) - running(user: getuid()))] + groups).min() ?? 0
  }

  /// Threads of a user's processes.
  private static func running(user: uid_t) -> Int {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.filter { Int32($0) != nil }.reduce(0) { total, name in
      let lines = ((try? String(contentsOfFile: "/proc/\(name)/status", encoding: .utf8)) ?? "")
        .split(separator: "\n")
      func field(_ key: String) -> Int? {
        lines.first { $0.hasPrefix(key) }.flatMap { Int($0.split(whereSeparator: \.isWhitespace)[1]) }
      }
      return field("Uid:") == Int(user) ? total + (field("Threads:") ?? 1) : total
    }
  }
}
