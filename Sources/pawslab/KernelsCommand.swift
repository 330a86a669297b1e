import ArgumentParser
import Foundation
import Lab
import MicroVM
import Model

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
    for (name, failure) in store.damaged() {
      Console.print("\(column(name.text)) cannot be used: \(failure)")
    }
    Console.print("")
    for known in KnownKernel.all where known.current && store.entry(known.name) == nil {
      Console.print("\(column(known.name)) not here: fetched when named")
    }
    let others = Distribution.allCases.map(\.rawValue).joined(separator: ", ")
    Console.print("others      of \(others): pawslab kernels fetch --known")
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
    commandName: "fetch", abstract: "Get a distribution's kernel from a mirror; --known lists them.",
    discussion: """
      Nothing is taken that the distribution has not signed: apt's archives, an index of RPM packages or each package, a \
      package of pacman's. One that is there is replaced once the new one has booted.

      Examples:
        pawslab kernels fetch debian-13-rt
        pawslab kernels fetch ubuntu-24.04 --mirror http://HOST/ubuntu --keyring ubuntu-archive-keyring.gpg
        pawslab kernels fetch fedora-44 --mirror http://HOST/fedora/linux --keyring RPM-GPG-KEY-fedora-44-primary
      """)

  @Argument(
    help: """
      debian-11, debian-12, debian-13, debian-sid, each with -generic and -rt too, debian-12-backports and \
      debian-13-backports; with a mirror debian-8, ubuntu-24.04, fedora-44, almalinux-9, rocky-9, centos-7, \
      opensuse-leap-15.6, amazonlinux-2, arch and others.
      """)
  var names: [String] = []

  @Option(
    help: """
      Where the distribution's files are: http://, https:// or file:///. Without it, what this machine's own package \
      manager uses for its own distribution.
      """)
  var mirror: String?

  @Option(help: "A file with the distribution's public keys; may be given several times.")
  var keyring: [String] = []

  @Flag(help: "List what can be fetched: packages, where they are below a mirror, whose keys are needed.")
  var known = false

  func validate() throws {
    guard known != !names.isEmpty else {
      throw ValidationError("name a kernel, or --known for a list of them")
    }
    if known, mirror != nil || !keyring.isEmpty {
      throw ValidationError("--known goes with neither --mirror nor --keyring")
    }
  }

  func run() async throws {
    if known {
      for line in KnownKernels.table() { Console.print(line) }
      return
    }
    let kernels = try names.map(KnownKernels.named)
    let running = Running.fixed()
    let hypervisor = try running.hypervisor()
    let (mirror, keyring) = (mirror, keyring)
    for known in kernels {
      try await running.take(
        into: hypervisor, replacing: .entry, mustBoot: hypervisor.store.entry(known.name) != nil
      ) {
        try await Packages(store: $0).fetch(
          known, mirror: mirror, keyrings: keyring, progress: Console.note)
      }
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

  @Option(
    parsing: .upToNextOption, help: "Debian or Ubuntu packages of one kernel; may be given several times.")
  var deb: [String] = []

  @Option(parsing: .upToNextOption, help: "RPM packages of one kernel; may be given several times.")
  var rpm: [String] = []

  @Flag(help: "Put it in the place of a stored kernel of that name, once it has booted.")
  var replace = false

  func validate() throws {
    guard [image != nil, !deb.isEmpty, !rpm.isEmpty].count(where: { $0 }) == 1 else {
      throw ValidationError("it takes one of --image, --deb and --rpm")
    }
    for (option, value) in [("--image", image), ("--modules", modules)] where value == "" {
      throw ValidationError("the name that \(option) takes is empty")
    }
    if modules != nil, image == nil { throw ValidationError("--modules goes with --image") }
    do { _ = try KernelName(ofEntry: name) } catch { throw ValidationError("\(error)") }
  }

  func run() async throws {
    let running = Running.fixed()
    let hypervisor = try running.hypervisor()
    let name = try KernelName(ofEntry: name)
    let isThere = hypervisor.store.look(at: name) != nil
    // Before anything is unpacked.
    if isThere, !replace { throw KernelStore.exists(name) }
    let (image, modules, packages) = (image, modules, deb + rpm)
    try await running.take(into: hypervisor, replacing: replace ? .entry : .nothing, mustBoot: isThere) {
      store in
      guard let image else { return try await Packages(store: store).add(name: name, packages: packages) }
      return try await store.add(
        name: name, image: URL(fileURLWithPath: image), modules: modules.map { URL(fileURLWithPath: $0) },
        source: image)
    }
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
  /// Makes a kernel aside, boots it, and only then puts it into the store: what does not boot is not kept, and what is
  /// there stays as it is until the other has shown that it is as good.
  ///
  /// - Parameter mustBoot: where it cannot be tried, for there is no QEMU, it does not replace another.
  fileprivate func take(
    into hypervisor: Hypervisor, replacing: KernelStore.Replacing, mustBoot: Bool,
    _ make: (KernelStore) async throws -> StoredKernel
  ) async throws {
    let staging = try hypervisor.store.staging()
    let stored = try await make(staging.store)
    guard Hypervisor.canBoot else {
      let mend = "apt-get install qemu-system-x86"
      guard !mustBoot else {
        throw Failure(
          stage: "kernels", object: stored.name,
          cause: "it cannot replace the stored one untried, and there is no QEMU",
          mend: mend)
      }
      try hypervisor.store.adopt(stored, from: staging, replacing: replacing)
      await Console.note(
        "\(stored.name): stored, Linux \(stored.release); not tried, for there is no QEMU: \(mend)")
      return
    }
    let aside = Hypervisor(store: staging.store, worker: hypervisor.worker, onEvent: Running.tell)
    let machine: Machine
    do {
      machine = try await Machines(runner: try runner(aside), hypervisor: aside, say: Console.note).machine(
        stored)
    } catch let failure as Failure {
      var failure = failure
      failure.mend = [failure.mend, "nothing was stored" + (mustBoot ? "; the one there is as it was" : "")]
        .compactMap { $0 }.joined(separator: "; ")
      throw failure
    }
    try hypervisor.store.adopt(stored, from: staging, replacing: replacing)
    hypervisor.keep(machine.kernel, of: stored)
    let features = Capability.Feature.allCases.filter(machine.kernel.has).map(\.rawValue)
    await Console.note(
      "\(stored.name): stored, Linux \(stored.release); it boots; has \(features.joined(separator: " "))")
  }
}
