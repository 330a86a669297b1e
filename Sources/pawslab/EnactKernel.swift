import Diagnosis
import Foundation
import Lab
import MicroVM
import Model

/// Which of the kernels here does what theirs did.
struct EnactKernel {
  var machine: Machine
  /// How it was come by, for who reads it.
  var words: String

  /// Releases in an order of their own: about twenty of one number follow one another.
  static func order(_ release: String) -> Int? {
    let parts = release.split(separator: ".").prefix(2).map { Int($0.prefix(while: \.isNumber)) }
    guard parts.count == 2, let major = parts[0], let minor = parts[1], (1...99).contains(major) else {
      return nil
    }
    return major * 20 + min(minor, 19)
  }

  /// Debian's, which can be had by name.
  private static let known = [
    ("debian-8", "3.16"), ("debian-9", "4.9"), ("debian-10", "4.19"), ("debian-11", "5.10"),
    ("debian-12", "6.1"),
    ("debian-13", "6.12"),
  ]

  /// - Parameters:
  ///   - named: by whoever asks; nil to find one.
  ///   - theirs: the release of theirs, where it was brought.
  static func find(
    for test: Case, named: String?, theirs: String?, machines: Machines, runner: Runner
  ) async throws -> EnactKernel {
    let own: GuestTime? = Hypervisor.canBoot ? .virtual(seed: 0) : nil
    func able(_ machine: Machine) -> Machine? {
      if Plan(test, on: machine).runs { return machine.inTime(runner.consent.time(of: test, own: own)) }
      guard let emulated = test.needs.emulation.flatMap({ machine.emulating($0) }),
        Plan(test, on: emulated).runs
      else { return nil }
      return emulated.inTime(runner.consent.time(of: test, own: own))
    }
    if let named {
      let machine = try await machines.chosen(named)
      if let failure = machine.failure { throw failure }
      return EnactKernel(machine: able(machine) ?? machine, words: "as was asked for")
    }
    let host = try? await machines.host()
    let wanted = theirs.flatMap(order)
    if let wanted {
      // Nearest first; this machine's own before a guest as near.
      var candidates: [(distance: Int, name: String, machine: () async throws -> Machine)] = []
      if let host, let at = order(host.kernel.release) {
        candidates.append((abs(at - wanted), "host", { host }))
      }
      for stored in KernelStore().all() where Hypervisor.canBoot {
        guard let at = order(stored.release) else { continue }
        candidates.append((abs(at - wanted), stored.name, { try await machines.named(stored.name) }))
      }
      let sorted = candidates.enumerated().sorted {
        ($0.element.distance, $0.offset) < ($1.element.distance, $1.offset)
      }
      for (_, candidate) in sorted {
        guard let machine = try? await candidate.machine(), machine.failure == nil,
          let machine = able(machine)
        else {
          continue
        }
        let isNear = candidate.distance == 0
        return EnactKernel(
          machine: machine,
          words: (isNear ? "of the same release as theirs" : "the nearest to theirs that is here and can")
            + nearer(wanted, than: candidate.distance))
      }
    }
    let machine = try await machines.assign([test], host: host, emulate: test.needs.emulation, own: own)[0]
      .machine
    return EnactKernel(
      machine: machine,
      words: theirs == nil ? "for nobody has said theirs (uname -a)" : "the first here that can")
  }

  /// A kernel that can be had, and is nearer.
  private static func nearer(_ wanted: Int, than distance: Int) -> String {
    let best = known.compactMap { name, release in order(release).map { (name, abs($0 - wanted)) } }
      .min { $0.1 < $1.1 }
    guard let best, best.1 < distance else { return "" }
    let isPast = KnownKernel.named(best.0)?.current == false
    return "; pawslab kernels fetch \(best.0)\(isPast ? " --mirror URL" : "") has a nearer one"
  }
}
