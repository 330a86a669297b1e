import Foundation
import MicroVM
import Model

/// Finds the kernels that a run is to use: by name, or the first that has what a case needs.
public struct Machines: Sendable {
  private let runner: Runner
  let hypervisor: Hypervisor
  private let say: @Sendable (String) async -> Void

  /// The kernel that is fetched where the host's lacks something.
  public static let fallback = "debian-12"

  /// - Parameter say: takes a line of progress: fetching and probing take seconds.
  public init(runner: Runner, hypervisor: Hypervisor, say: @escaping @Sendable (String) async -> Void) {
    self.runner = runner
    self.hypervisor = hypervisor
    self.say = say
  }

  /// This machine's own kernel.
  public func host() async throws -> Machine {
    Machine(name: "host", kernel: try await runner.probe(), stored: nil)
  }

  /// The kernel of a name: `host`, `running`, one in the store, or a Debian release, which is fetched.
  ///
  /// One that is there and does not boot, or cannot be probed, is a machine with that failure.
  public func named(_ name: String, mirror: String? = nil) async throws -> Machine {
    if name == "host" { return try await host() }
    return try await machineOrFailure(try await stored(name, mirror: mirror))
  }

  /// The kernel that a user has named, by its name or by its path.
  public func chosen(_ word: String) async throws -> Machine {
    if let there = try await atPath(word) { there } else { try await named(word) }
  }

  /// The kernel of a path that a user has named, used where it lies (``KernelWord``); nil where the word is a name.
  public func atPath(_ word: String) async throws -> Machine? {
    guard case .path(let path) = try KernelWord(word, in: hypervisor.store) else { return nil }
    let stored = try await hypervisor.store.takeAside(path)
    await say("\(stored.name): Linux \(stored.release), \(stored.source)")
    return try await machineOrFailure(stored)
  }

  private func machineOrFailure(_ stored: StoredKernel) async throws -> Machine {
    let name = stored.name
    do { return try await machine(stored) } catch let failure as Failure {
      await say("\(name): cannot be used: \(failure)")
      let unknown = Kernel(
        release: stored.release, machine: "", capabilities: [], perKernelSettings: [],
        timestampTicksPerSecond: 1000, privilege: .root, missing: [:])
      return Machine(name: name, kernel: unknown, stored: stored, failure: failure)
    }
  }

  /// The stored kernel of a name, fetched or taken from `/boot` where it is not there yet.
  public func stored(_ name: String, mirror: String? = nil) async throws -> StoredKernel {
    let store = hypervisor.store
    let packages = Packages(store: store)
    let key = try KernelName(name)
    if key == .running {
      let release = Self.runningRelease
      if let entry = store.entry(name), entry.release == release { return entry }
      await say("running: reading /boot and /lib/modules of \(release)")
      return try await packages.addRunning(release: release)
    }
    let known = KnownKernel.named(name)
    switch store.look(at: key) {
    case .success(let entry) where entry.isOutdated && known?.current == true:
      return await renewed(entry, mirror: mirror)
    case .success(let entry): return entry
    // What can be had again is; anything else is for whoever added it.
    case .failure(let failure) where known?.current == true || mirror != nil:
      await say("\(name): fetched again, for \(failure.cause)")
    case .failure(let failure): throw failure
    case nil: break
    }
    guard let known else {
      let here = store.all().map(\.name) + KnownKernel.all.filter(\.current).map(\.name)
      let names = ["host", "running"] + Set(here).subtracting(["running"]).sorted()
      throw Failure(
        stage: "--kernel", object: name, cause: "no kernel of that name",
        mend: (Nearest.to(name, among: names + KnownKernel.all.map(\.name)).map { "did you mean \($0)? " }
          ?? "")
          + "there are \(names.joined(separator: ", ")); pawslab kernels fetch --known lists those of other distributions, "
          + "pawslab kernels add makes others, and a tree or an image is named by its path, as ./linux",
        isUsage: true)
    }
    do { return try await packages.fetch(known, mirror: mirror, progress: say) } catch {
      // Another pawslab may have been asked for it at the same time, and been first: its entry is as good.
      guard case .success(let entry)? = store.look(at: key) else { throw error }
      return entry
    }
  }

  /// The kernel of a name that can be had again, with the modules that an earlier version did not keep; as it is where it
  /// cannot be had.
  private func renewed(_ entry: StoredKernel, mirror: String?) async -> StoredKernel {
    await say("\(entry.name): fetched again, for an earlier version has stored it, and with fewer modules")
    do {
      guard let known = KnownKernel.named(entry.name) else { return entry }
      let staging = try hypervisor.store.staging()
      let fetched = try await Packages(store: staging.store).fetch(known, mirror: mirror, progress: say)
      try hypervisor.store.adopt(fetched, from: staging, replacing: .entry)
      return fetched
    } catch {
      await say("\(entry.name): used as it is, for \(error)")
      return entry
    }
  }

  /// A stored kernel with what probing finds.
  public func machine(_ stored: StoredKernel) async throws -> Machine {
    if hypervisor.probed(stored) == nil {
      await say("\(stored.name): asking Linux \(stored.release) what it can do")
    }
    return Machine(name: stored.name, kernel: try await runner.probe(stored), stored: stored)
  }

  /// Where each case runs when nobody said: on the host if that can; else in the first guest whose kernel can,
  /// of those in the store and ``fallback``, which is fetched if a case is likely to run there.
  ///
  /// - Parameters:
  ///   - host: nil where this machine lets us run nothing.
  ///   - emulate: what to emulate for the cases that no kernel here can run without it.
  ///   - own: the time of a guest that runs a case in which much time passes, or little may; nil is this machine's.
  /// - Returns: a machine per case; one that cannot run it either is what names the reason of its skip.
  public func assign(
    _ cases: [Case], host: Machine?, emulate: Emulation? = nil, own: GuestTime? = nil
  ) async throws -> [(test: Case, machine: Machine)] {
    var assigned: [String: Machine] = [:]
    var open = cases
    let isPatient = runner.consent.waiting
    func take(_ machine: Machine) {
      for test in open where Plan(test, on: machine).runs {
        // On the host a minute is a minute.
        if own != nil, !isPatient, test.needs.isSlow, machine.stored == nil { continue }
        assigned[test.id] = machine.inTime(runner.consent.time(of: test, own: own))
      }
      open.removeAll { assigned[$0.id] != nil }
    }
    if let host { take(host) }
    let store = hypervisor.store
    var candidates = store.all().filter { $0.name != Self.fallback && $0.name != "running" }
    // What was removed from Linux long ago no current release has.
    let removed = emulate == nil ? open.filter { $0.needs.emulation != nil } : []
    let wanted = open.count - removed.count
    var fallback: Machine?
    if wanted > 0, !Hypervisor.canBoot {
      await say("\(wanted) cases need what this machine's kernel lacks; with QEMU they would run in a guest")
    } else if wanted > 0 {
      // Those that only wait could run here, if somebody had the patience.
      let waiting =
        own == nil || isPatient
        ? 0 : open.count { test in test.needs.isSlow && host.map { Plan(test, on: $0).runs } == true }
      func cases(_ count: Int) -> String { count == 1 ? "1 case" : "\(count) cases" }
      if wanted > waiting {
        let rest = wanted - waiting
        await say(
          "\(cases(rest)) \(rest == 1 ? "needs" : "need") what this machine's kernel lacks: "
            + "\(rest == 1 ? "it runs" : "they run") in \(Self.fallback)")
      }
      if waiting > 0 {
        await say(
          "in \(cases(waiting)) time passes: \(waiting == 1 ? "it runs" : "they run") in \(Self.fallback), "
            + "whose time is its own (--slow waits here)")
      }
      do { candidates.insert(try await stored(Self.fallback), at: 0) } catch let failure as Failure {
        await say("\(Self.fallback) cannot be had: \(failure)")
      }
    } else if !open.isEmpty, let entry = store.entry(Self.fallback) {
      candidates.append(entry)
    }
    var means = [host].compactMap { $0 }
    for candidate in candidates where !open.isEmpty && Hypervisor.canBoot {
      do {
        let machine = try await machine(candidate)
        if candidate.name == Self.fallback { fallback = machine }
        take(machine)
        means.append(machine)
      } catch let failure as Failure {
        await say("\(candidate.name) cannot be used: \(failure)")
      }
    }
    if let emulate {
      for machine in means.compactMap({ $0.emulating(emulate) }) { take(machine) }
    }
    guard let last = host ?? fallback else {
      throw Failure(
        stage: "plan", object: "\(cases.count) cases",
        cause: "neither the host's kernel nor a guest can be used",
        mend: "apt-get install qemu-system-x86, or run as root; pawslab doctor says more")
    }
    return cases.map { ($0, assigned[$0.id] ?? last) }
  }

  private static var runningRelease: String {
    (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
  }
}
