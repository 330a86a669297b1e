import MicroVM
import Model

/// A kernel that cases can run on, with what probing found.
public struct Machine: Sendable {
  /// `host`, or what the store calls the kernel.
  public let name: String
  public let kernel: Kernel
  /// The kernel to boot; nil for this machine's own.
  public let stored: StoredKernel?
  /// Whose time passes on it; the guest's own only where there is one.
  public var time = GuestTime.real
  /// Why nothing can run on it, although it was asked for: it does not boot, or its probe broke.
  public let failure: Failure?

  /// The same machine with something emulated that Linux has removed; nil where it has that, or cannot.
  public func emulating(_ emulation: Emulation) -> Machine? {
    guard let kernel = kernel.emulating(emulation), let name = try? KernelName(name) else { return nil }
    var machine = Machine(
      name: ResultName(name, emulation).description, kernel: kernel, stored: stored, failure: failure)
    machine.time = time
    return machine
  }

  /// The machine, or where the case needs it and the kernel lacks it, the machine with that emulated.
  public func emulating(_ emulation: Emulation?, for test: Case) -> Machine {
    guard let emulation, emulation.serves(test) else { return self }
    return emulating(emulation) ?? self
  }

  /// The same guest with its own time; the host as it is.
  public func inTime(_ time: GuestTime) -> Machine {
    var machine = self
    if stored != nil { machine.time = time }
    return machine
  }

  /// Makes a machine.
  public init(name: String, kernel: Kernel, stored: StoredKernel?, failure: Failure? = nil) {
    self.name = name
    self.kernel = kernel
    self.stored = stored
    self.failure = failure
  }
}

/// Whether a case can run on a kernel. Pure.
public enum Plan: Sendable, Equatable {
  /// It has all that the case needs. `settings` are those that are one per kernel, to be written in the first
  /// namespace: cases that run side by side must agree on them, and one that changes them runs `alone`.
  case run(settings: [String: String], alone: Bool)
  /// It lacks something: what, why, and what would change that.
  case skip(reason: String)

  /// Decides for one case by the kernel's probed capabilities.
  ///
  /// - Parameter guest: whether the kernel is a guest's, where a setting that is one per kernel may be written.
  public init(_ test: Case, on kernel: Kernel, guest: Bool = false) {
    let needs = test.needs
    for need in needs.kernel {
      guard let reason = need.refusal(on: kernel, isGuest: guest, of: needs) else { continue }
      self = .skip(reason: reason)
      return
    }
    let (values, conflict) = Self.perKernelValues(test, on: kernel)
    guard let values else {
      self = .skip(reason: conflict)
      return
    }
    let changes = test.workload.map(\.action).contains { action in
      if action.needs.setsWallClock { return true }
      guard let write = action.writes, kernel.perKernelSettings.contains(write.setting) else { return false }
      // Taken out of one node's segments, it changes nothing for the others.
      return write.setting != "tcp_timestamps" || write.value != "0" || !kernel.has(.stripTimestamps)
    }
    self = .run(settings: values, alone: changes)
  }

  /// Decides for one case on a machine.
  public init(_ test: Case, on machine: Machine) {
    self.init(test, on: machine.kernel, guest: machine.stored != nil)
  }

  /// Whether it can run.
  public var runs: Bool { if case .run = self { true } else { false } }

  /// What the settings that are one per kernel must be: what the case says for any node, else the baseline. Nodes
  /// that it says nothing of share what others need; nodes that it wants to differ cannot.
  ///
  /// - Returns: nil and the reason where they cannot.
  private static func perKernelValues(
    _ test: Case, on kernel: Kernel
  ) -> (values: [String: String]?, conflict: String) {
    var values: [String: String] = [:]
    for name in kernel.perKernelSettings.sorted() {
      guard let setting = Setting.named(name) else { continue }
      var wanted = Set(test.network.nodes.compactMap { test.settings[$0]?[name] })
      // Without random offsets 2 is 1.
      if name == "tcp_timestamps", !kernel.has(.randomTimestamps), wanted.remove("2") != nil {
        wanted.insert("1")
      }
      // Off for one node is what taking the option out of its segments comes to.
      if name == "tcp_timestamps", wanted == ["0", "1"], kernel.has(.stripTimestamps) { wanted = ["1"] }
      if wanted.count > 1 {
        let values = wanted.sorted().joined(separator: " and ")
        return (nil, "\(name) is one per kernel there, and this case wants \(values)")
      }
      let isThere = test.network.hosts.contains(where: setting.applies)
      values[name] = wanted.first ?? (isThere ? setting.baseline : nil)
    }
    return (values, "")
  }
}

extension Case {
  /// Whether it waits for a client to give up, so that it is worth an early start.
  var waits: Bool {
    rules.contains { rule in
      rule.outcomes.values.contains {
        [.dropped, .exhausted, .served, .predicted].contains($0.outcome)
      }
    }
  }
}
