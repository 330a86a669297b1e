import ArgumentParser
import Foundation
import Lab
import MicroVM
import Scenario

struct KernelsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels", abstract: "The kernels that cases can run on.",
    subcommands: [KernelsList.self, KernelsFetch.self, KernelsAdd.self, KernelsRemove.self],
    defaultSubcommand: KernelsList.self)
}

struct KernelsList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Kernels by name, and what probing found in them.")

  func run() async throws {
    let running = Running.fixed()
    let hypervisor = try running.hypervisor()
    let store = hypervisor.store
    var found: [(name: String, kernel: Kernel?)] = []
    do { found.append(("host", try await running.runner().probe())) } catch {
      Console.print("host        cannot be used: \(error)")
    }
    for stored in store.all() { found.append((stored.name, hypervisor.probed(stored))) }
    for (name, kernel) in found {
      let stored = store.entry(name)
      let release = kernel?.release ?? stored?.release ?? ""
      Console.print("\(column(name)) Linux \(release)" + (stored.map { "  (\($0.source))" } ?? ""))
      guard let kernel else {
        Console.print("            not probed yet: pawslab run --kernel \(name) does")
        continue
      }
      let features = Capability.Feature.allCases.filter(kernel.has).map(\.rawValue)
      let lacking = Capability.Feature.allCases.filter { !kernel.has($0) }.map(\.rawValue)
      Console.print("            has   \(features.joined(separator: " "))")
      Console.print("            lacks \(lacking.joined(separator: " "))")
      if !kernel.perKernelSettings.isEmpty {
        Console.print(
          "            one per kernel: \(kernel.perKernelSettings.sorted().joined(separator: " "))")
      }
    }
    Console.print("")
    for known in KnownKernel.all where store.entry(known.name) == nil {
      Console.print(
        "\(column(known.name)) "
          + (known.current
            ? "not here: fetched when named" : "past: pawslab kernels fetch \(known.name) --mirror URL"))
    }
    if store.entry("running") == nil {
      Console.print("running     this machine's own kernel, in a guest: read when named")
    }
  }

  private func column(_ name: String) -> String {
    name.padding(toLength: max(11, name.count), withPad: " ", startingAt: 0)
  }
}

struct KernelsFetch: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch", abstract: "Get a Debian kernel from the mirror that apt uses here.")

  @Argument(help: "debian-11, debian-12, debian-13, debian-sid; with --mirror also debian-8, -9, -10.")
  var names: [String]

  @Option(help: "An archive of past releases, as in apt's sources: a URL.")
  var mirror: String?

  func run() async throws {
    let running = Running.fixed()
    let hypervisor = try running.hypervisor()
    for name in names {
      guard let known = KnownKernel.named(name) else {
        throw ValidationError(
          "no kernel called \(name) can be fetched"
            + (Nearest.to(name, among: KnownKernel.all.map(\.name)).map { "; did you mean \($0)?" } ?? ""))
      }
      guard known.current || mirror != nil else {
        throw ValidationError("\(name) is a past release: name an archive with --mirror URL")
      }
      let stored = try await Packages(store: hypervisor.store).fetch(
        known, mirror: mirror, progress: Console.note)
      await Console.note("\(name): stored, Linux \(stored.release)")
      try await running.probe(stored, hypervisor)
    }
  }
}

struct KernelsAdd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Take a kernel from files: an image, or packages.",
    discussion: """
      Examples:
        pawslab kernels add mine --image arch/x86/boot/bzImage
        pawslab kernels add ubuntu --deb linux-image-unsigned-6.8.0-31-generic.deb --deb linux-modules-6.8.0-31-generic.deb
        pawslab kernels add centos-7 --rpm kernel-3.10.0-1160.el7.x86_64.rpm
      """)

  @Argument(help: "What --kernel will call it.")
  var name: String

  @Option(help: "A bzImage, or an ELF kernel with a PVH entry.")
  var image: String?

  @Option(help: "lib/modules/RELEASE of that image; without it everything must be built in.")
  var modules: String?

  @Option(help: "Debian or Ubuntu packages of one kernel; may be given several times.")
  var deb: [String] = []

  @Option(help: "RPM packages of one kernel; may be given several times.")
  var rpm: [String] = []

  func validate() throws {
    guard [image != nil, !deb.isEmpty, !rpm.isEmpty].count(where: { $0 }) == 1 else {
      throw ValidationError("it takes one of --image, --deb and --rpm")
    }
    if modules != nil, image == nil { throw ValidationError("--modules goes with --image") }
    do { try KernelStore.check(name: name) } catch { throw ValidationError("\(error)") }
  }

  func run() async throws {
    let running = Running.fixed()
    let hypervisor = try running.hypervisor()
    let stored: StoredKernel
    if let image {
      stored = try await hypervisor.store.add(
        name: name, image: URL(fileURLWithPath: image), modules: modules.map { URL(fileURLWithPath: $0) },
        source: image)
    } else {
      stored = try await Packages(store: hypervisor.store).add(name: name, packages: deb + rpm)
    }
    await Console.note("\(name): stored, Linux \(stored.release)")
    try await running.probe(stored, hypervisor)
  }
}

struct KernelsRemove: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "remove", abstract: "Forget a stored kernel.")

  @Argument(help: "Its name.")
  var name: String

  func run() async throws {
    try KernelStore().remove(name)
  }
}

extension Running {
  /// Boots a kernel that was just stored once, so that one which cannot be used says so now.
  fileprivate func probe(_ stored: StoredKernel, _ hypervisor: Hypervisor) async throws {
    guard Hypervisor.canBoot else {
      await Console.note("\(stored.name): not tried, for there is no QEMU: apt-get install qemu-system-x86")
      return
    }
    let runner = try runner(hypervisor)
    let machine = try await Machines(runner: runner, hypervisor: hypervisor, say: Console.note).machine(
      stored)
    let features = Capability.Feature.allCases.filter(machine.kernel.has).map(\.rawValue)
    await Console.note("\(stored.name): it boots; has \(features.joined(separator: " "))")
  }
}
