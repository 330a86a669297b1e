import ArgumentParser
import Foundation
import Lab
import MicroVM
import Model

struct Doctor: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What this machine can do, what it costs to lack it, and the command that mends it.",
    discussion: """
      Exit status: 0 if cases can run, on this machine's kernel or in guests; 3 if neither.
      """)

  /// One line of the diagnosis.
  private struct Finding {
    var name: String
    var ok: Bool
    var detail = ""
    var cost = ""
    var mend = ""
  }

  func run() async throws {
    // What descriptors, memory and processes allow is said before anything is started.
    let runner = try Running.fixed().runner()
    let guests = Hypervisor.canBoot && Resources.now().guests > 0
    let release = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? ""
    let mends = Mends(
      root: geteuid() == 0, release: release.trimmingCharacters(in: .whitespacesAndNewlines), guests: guests)
    let kernel: Kernel
    do { kernel = try await runner.probe() } catch let failure as Failure {
      show([
        Finding(
          name: "this machine's kernel (\(mends.release))", ok: false, detail: failure.cause,
          cost: "nothing runs on it", mend: failure.mend ?? "run as root")
      ])
      show(machineFindings(mends))
      guard guests else {
        Console.print(
          "no case can run: neither on this machine's kernel nor in guests; mend: \(failure.mend ?? mends.inGuest)"
        )
        throw ExitCode(3)
      }
      Console.print("cases can run in guests only: pawslab run takes \(Machines.fallback) by itself")
      return
    }
    Console.print(
      "Linux \(kernel.release) \(kernel.machine), TSval ticks \(kernel.timestampTicksPerSecond) per second")
    show([
      Finding(
        name: "root", ok: kernel.privilege == .root,
        detail: kernel.privilege == .root ? "" : "a user namespace serves instead",
        cost: "clocks are moved by nft, by 2^30 ticks and not by what the lab file says, and eBPF is refused",
        mend: geteuid() == 0
          ? "outside of this user namespace (a rootless container): sudo scripts/run" : "sudo scripts/run"),
      Finding(name: "network namespaces, veth, settings that can be written", ok: true),
    ])
    show(machineFindings(mends) + kernelFindings(kernel, mends))
    Console.print(
      "cases can run on this machine's kernel\(guests ? ", and in guests" : "; in guests they cannot")")
  }

  private func show(_ findings: [Finding]) {
    for finding in findings {
      let detail = finding.detail.isEmpty ? "" : ": \(finding.detail)"
      Console.print("\(finding.ok ? "yes" : "no ")  \(finding.name)\(detail)")
      guard !finding.ok else { continue }
      Console.print("     without it \(finding.cost)")
      Console.print("     mend: \(finding.mend)")
    }
  }

  private func machineFindings(_ mends: Mends) -> [Finding] {
    let kvm = access("/dev/kvm", R_OK | W_OK) == 0
    let there = FileManager.default.fileExists(atPath: "/dev/kvm")
    let memory = Resources.now()
    var qemu = Finding(
      name: "QEMU", ok: Hypervisor.canBoot && memory.guests > 0,
      cost: "no other kernel than this one can be tried, and what this one lacks is skipped",
      mend: mends.asRoot("apt-get install qemu-system-x86"))
    if Hypervisor.canBoot, memory.guests == 0 {
      qemu.detail = "there, but only \(memory.megabytes) MiB of memory are available, too few for a guest"
      qemu.mend = "more memory (the container's limit counts)"
    }
    return [
      Finding(
        name: "KVM", ok: kvm,
        detail: kvm
          ? "there; only a guest that answers proves it"
          : there ? "/dev/kvm may not be opened by this user" : "no /dev/kvm",
        cost: "guests are emulated, several times slower", mend: mends.kvm(user: NSUserName())),
      qemu,
    ]
  }

  /// What brings each capability is one table (``Model/Remedy``); here it is what this machine can do about it.
  private func kernelFindings(_ kernel: Kernel, _ mends: Mends) -> [Finding] {
    let features = Capability.Feature.allCases.map(Capability.feature)
    // Without IPVS every scheduler is lacking, and that is said once.
    let schedulers = kernel.has(.ipvs) ? Network.Scheduler.allCases.map(Capability.scheduler) : []
    return (features + schedulers.filter { !kernel.has($0) }).compactMap { capability in
      capability.remedy.map { remedy in
        Finding(
          name: capability.description, ok: kernel.has(capability),
          detail: kernel.missing[capability.description] ?? "", cost: remedy.cost,
          mend: mends.mend(remedy, isRoot: kernel.privilege == .root))
      }
    }
  }
}
