import CLinux
import Foundation
import Model
import Subprocess
import Wire

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// A guest in whose time of its own a request is carried out: it was booted once and saved, and every request goes on
/// from there in a QEMU of its own, so that what it answers is a function of the kernel, the worker, QEMU and its
/// arguments, the request and the seed, and of nothing else.
public struct SavedGuest: Sendable {
  /// What the request came to.
  public struct Answer: Sendable {
    /// All that the guest said, in order.
    public var frames: [Frame]
    /// SHA-256 of that, as it was said.
    public var digest: String
    /// Processor seconds of QEMU.
    public var processorSeconds: Double?
    /// What its kernel said.
    public var console: String
  }

  public let name: String
  /// SHA-256 of what it was made of: kernel, initramfs, QEMU and its arguments.
  public var origin: String { state.origin }
  fileprivate let state: SavedState
  fileprivate let qemu: QEMU
  fileprivate let worker: String

  /// Carries out frames, which the guest takes in order.
  ///
  /// - Parameter seconds: of this machine's time, after which it is given up.
  /// - Throws: `Failure` with the last lines of its console where it does not come to an end.
  public func answer(_ frames: [Frame], seed: UInt64, within seconds: Int) async throws -> Answer {
    let (console, port) = (try MemoryFile("console of \(name)"), try MemoryFile("port of \(name)"))
    let request = try MemoryFile("request", Data(frames.flatMap(\.bytes)))
    let files: [QEMU.File: MemoryFile] = [
      .console: console, .memory: state.memory, .devices: state.devices, .port: port, .request: request,
      .seed: try MemoryFile("seed", Self.bytes(of: seed)),
    ]
    let end: MonitoredQEMU.End
    // QEMU opens them by our descriptors, which go with the last use of each.
    defer { withExtendedLifetime(files) {} }
    do {
      end = try await MonitoredQEMU(name: name, worker: worker, qemu: qemu, files: files.mapValues(\.path))
        .run(
          within: seconds
        ) { qemu, monitor in
          try await monitor.execute("migrate-incoming", ["uri": "fd:\(qemu.descriptor(of: .devices))"])
        }
    } catch let failure as Failure { throw Guest.failure(failure.cause, of: name, console: console.text) }
    var reader = Frame.Reader()
    guard let said = reader.add(port.bytes) else {
      throw Guest.failure("what it said is not a frame", of: name, console: console.text)
    }
    // The guest ends QEMU by a device that has it exit with 1; anything else did not come from there.
    guard end.status == 1, !said.isEmpty else {
      throw Guest.failure("QEMU ended (\(end.words))", of: name, console: console.text)
    }
    let digest = try await Self.digest(of: port)
    return Answer(
      frames: said, digest: digest, processorSeconds: end.processorSeconds, console: console.text)
  }

  /// 32 bytes, so that the kernel takes them for enough.
  static func bytes(of seed: UInt64) -> Data {
    Data(
      (0..<4).flatMap { part in withUnsafeBytes(of: (seed &+ UInt64(part) << 56).littleEndian, Array.init) })
  }

  static func digest(of file: MemoryFile) async throws -> String {
    let line = try await Command("sha256sum", "--", file.path).lines().first ?? ""
    return line.split(separator: " ").first.map(String.init) ?? ""
  }
}

extension Hypervisor {
  /// Modules that a saved guest has already; others are loaded when a request needs them. Those that change what a new
  /// namespace looks like (tunnels have a device in each) are among these.
  private static let bundles = ["base", "nat", "xtables", "nft"]
  /// How often a guest is booted to be saved.
  ///
  /// QEMU's main loop moves an idle processor's clock to its next timer, and a processor that has been told to stop is idle
  /// until the machine has stopped (`icount_start_warp_timer`, `cpu_thread_is_idle`): on an idle machine two ticks far, in 61
  /// of 61 boots of four kernels, and always to the same nanosecond; on a busy one in half of them, and one tick in the
  /// others. So a guest is kept that has gone two ticks on while it stood still: it says so itself.
  private static let attempts = 16

  /// The saved guest of a kernel: from the cache where one is there that was made of the same, else booted and kept.
  public func saved(_ kernel: StoredKernel) async throws -> SavedGuest {
    if let task = savedGuests[kernel.key] { return try await task.value }
    let task = Task { try await self.restoredOrMade(kernel) }
    savedGuests[kernel.key] = task
    return try await task.value
  }

  private func restoredOrMade(_ kernel: StoredKernel) async throws -> SavedGuest {
    guard let program = Command.path(QEMU.program) else { throw QEMU.missing(kernel.name) }
    var qemu = QEMU(accelerator: .tcg, pvh: kernel.pvh)
    qemu.megabytes = additions.megabytes
    qemu.append = additions.append
    // Before random.trust_cpu (39a8883a2b98, 4.19) a guest without virtio-rng, whose tick is its local APIC's, gathers no
    // entropy, and its first getrandom(2) waits for ever; interrupts of the HPET give some.
    if KernelVersion(kernel.release) < KernelVersion("4.19") { qemu.append.append("nolapic_timer") }
    qemu.extra = additions.qemu
    qemu.sandboxed = sandboxed
    let bundles = Self.bundles.filter { name in kernel.bundles.contains { $0.name == name } }
    qemu.life = .saving(bundles: bundles)
    let command = qemu.command()
    // Cheap to ask; what it is a function of by content is in the entry.
    let programs = [worker, program] + Initramfs.programs
    let tools = additions.tools.map { Command.path($0).map(Self.mark) ?? $0 }
    let key = ([kernel.digest] + command + programs.map(Self.mark) + tools).joined(separator: " ")
    let cache = SavedStateCache(kernel.key, key: key, store: store)
    func guest(_ state: SavedState) -> SavedGuest {
      var own = qemu
      own.life = .saved
      return SavedGuest(name: kernel.name, state: state, qemu: own, worker: worker)
    }
    if let state = await cache.load() { return guest(state) }

    try await verify(kernel)
    await onEvent(.note("\(kernel.name): booting in virtual time, to be saved"))
    let archive = try await Initramfs.make(
      kernel, in: store.folder(kernel.key), worker: worker, extraTools: additions.tools)
    let initramfs = try MemoryFile("initramfs of \(kernel.name)", archive)
    let version = try await Command(QEMU.program, "--version").lines().first ?? ""
    let words = [kernel.digest, try await SavedGuest.digest(of: initramfs), version] + command
    let origin = try await SavedGuest.digest(
      of: try MemoryFile("origin", Data(words.joined(separator: "\n").utf8)))
    for attempt in 0..<Self.attempts {
      if attempt == 4 {
        await onEvent(
          .note(
            "\(kernel.name): no boot has ended as on an idle machine yet, of \(Self.attempts) at the most"))
      }
      let state = try await boot(kernel, qemu, initramfs, origin: origin)
      let trial = guest(state)
      let first = try await trial.answer([], seed: 0, within: 60).frames.first
      let words = first.map { String(decoding: $0.payload, as: UTF8.self).split(separator: " ") } ?? []
      guard words.count == 3, let gap = Int(words[0]), let tick = Int(words[1]), tick > 0 else {
        throw Failure(stage: "saved guest", object: kernel.name, cause: "it does not say that it goes on")
      }
      guard (gap + tick / 2) / tick == 2 else { continue }
      // Not to be able to keep it costs time only.
      do { try await cache.save(state, size: qemu.megabytes << 20) } catch {
        await onEvent(.note("\(kernel.name): its saved guest is not kept: \(error)"))
      }
      return trial
    }
    throw Failure(
      stage: "saved guest", object: kernel.name,
      cause: "none of \(Self.attempts) boots ended as on an idle machine",
      mend: "another time, or --time real")
  }

  private struct Saving: Encodable {
    var filename: String
    var live = false
  }

  private func boot(
    _ kernel: StoredKernel, _ qemu: QEMU, _ initramfs: MemoryFile, origin: String
  ) async throws -> SavedState {
    let memory = try MemoryFile("memory", size: qemu.megabytes << 20)
    let (console, devices) = (try MemoryFile("console"), try MemoryFile("devices"))
    let (port, nothing) = (try MemoryFile("port"), try MemoryFile("nothing"))
    let image = try KernelFile(of: kernel, in: store)
    defer { withExtendedLifetime((image, initramfs, memory, console, devices, port, nothing)) {} }
    let files: [QEMU.File: String] = [
      .kernel: image.path, .initramfs: initramfs.path,
      .console: console.path, .memory: memory.path, .devices: devices.path, .port: port.path,
      .request: nothing.path, .seed: nothing.path,
    ]
    do {
      _ = try await MonitoredQEMU(name: kernel.name, worker: worker, qemu: qemu, files: files).run(
        within: additions.bootDeadline * 4
      ) { qemu, monitor in
        try await monitor.wait(for: "STOP")
        // All but the memory, which is a file; with the order to go on where it is loaded.
        try await monitor.execute("xen-save-devices-state", Saving(filename: qemu.path(.devices)))
        try await monitor.execute("quit")
      }
    } catch let failure as Failure {
      throw Guest.failure(failure.cause, of: kernel.name, console: console.text)
    }
    var reader = Frame.Reader()
    let hello = reader.add(port.bytes)?.first.map { String(decoding: $0.payload, as: UTF8.self) } ?? ""
    let protocolVersion = hello.split(separator: " ").last.flatMap { Int($0) } ?? 0
    guard protocolVersion == WorkerProtocol.version else {
      throw WorkerProtocol.mismatch(of: "the worker in \(kernel.name)", protocolVersion)
    }
    try memory.seal("memory")
    try devices.seal("devices")
    return SavedState(memory: memory, devices: devices, origin: origin)
  }

  /// Changes when a file does: size and time.
  private static func mark(_ path: String) -> String {
    var status = stat()
    guard stat(path, &status) == 0 else { return "-" }
    return "\(path):\(status.st_size):\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
  }
}

/// A QEMU that is told things by its monitor, under a guard that ends it with us.
struct MonitoredQEMU: Sendable {
  let name: String
  let worker: String
  let qemu: QEMU
  let files: [QEMU.File: String]

  /// How it ended.
  struct End: Sendable {
    /// Its exit status; nil where a signal ended it.
    var status: Int?
    var words: String
    var processorSeconds: Double?
  }

  /// Starts it, has `body` tell it what to do, and waits for its end.
  func run(
    within seconds: Int, _ body: @escaping @Sendable (QEMU, inout QMP<OutputLines>) async throws -> Void
  ) async throws -> End {
    try await withThrowingTaskGroup(of: End?.self) { group in
      group.addTask { try await run(body) }
      group.addTask {
        try await Task.sleep(for: .seconds(seconds))
        return nil
      }
      defer { group.cancelAll() }
      guard let end = try await group.next() ?? nil else {
        throw Failure(stage: "qemu", object: name, cause: "not done within \(seconds) s, and ended")
      }
      return end
    }
  }

  private func run(
    _ body: @escaping @Sendable (QEMU, inout QMP<OutputLines>) async throws -> Void
  ) async throws -> End {
    guard let program = Command.path(QEMU.program) else { throw QEMU.missing(name) }
    var command = ["guard"]
    for file in QEMU.File.order(in: qemu.life) {
      command += [file.isWritten ? "--write" : "--read", files[file] ?? ""]
    }
    command += ["--file-size", "\(qemu.longestFile)", "--", program] + qemu.command().dropFirst()
    var platform = PlatformOptions()
    platform.processGroupID = 0
    platform.teardownSequence = []
    let turn = try await SpawnGate.shared.enter()
    defer { turn.leave() }
    let (qemu, name) = (qemu, name)
    let result = try await Subprocess.run(
      .path(FilePath(worker)), arguments: Arguments(command), platformOptions: platform,
      input: .inputWriter, output: .sequence, error: .string(limit: 1 << 20)
    ) { execution in
      turn.leave()
      var monitor: QMP<OutputLines>?
      do {
        var told = try await QMP(
          execution.standardInputWriter, OutputLines(execution.standardOutput), object: name)
        try await body(qemu, &told)
        monitor = told
      } catch let failure as Failure {
        // Its own end says more, where it has ended.
        try? await execution.standardInputWriter.finish()
        return failure as Failure?
      }
      try await monitor?.drain()
      return nil
    }
    try Task.checkCancellation()
    var end = End(status: nil, words: "\(result.terminationStatus)", processorSeconds: nil)
    if case .exited(let status) = result.terminationStatus { end.status = Int(status) }
    let lines = result.standardError.split(separator: "\n")
    for line in lines where line.hasPrefix("pawslab-guard: cpu ") {
      end.processorSeconds = line.split(separator: " ").last.flatMap { Double($0) }
    }
    let said = lines.filter { !$0.hasPrefix("pawslab-guard:") }.suffix(3)
    if !said.isEmpty { end.words += ": " + said.joined(separator: "; ") }
    if var failure = result.closureResult {
      failure.cause += " (\(end.words))"
      throw failure
    }
    return end
  }
}

/// A program's output, line by line.
struct OutputLines: AsyncSequence {
  typealias Element = String
  typealias Source = SubprocessOutputSequence
  private let source: Source
  init(_ source: Source) { self.source = source }
  func makeAsyncIterator() -> Iterator { Iterator(source: source.makeAsyncIterator()) }

  struct Iterator: AsyncIteratorProtocol {
    fileprivate var source: Source.AsyncIterator
    private var rest: [UInt8] = []
    fileprivate init(source: Source.AsyncIterator) { self.source = source }

    /// Lines without an end are not lines; one has at most a MiB.
    mutating func next() async throws -> String? {
      while true {
        if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
          let line = String(decoding: rest[..<end], as: UTF8.self)
          rest.removeSubrange(...end)
          return line
        }
        guard rest.count < 1 << 20, let buffer = try await source.next() else { return nil }
        buffer.withUnsafeBytes { rest += $0 }
      }
    }
  }
}
