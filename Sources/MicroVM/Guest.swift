import Evidence
import Foundation
import Model
import Subprocess
import Wire

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// A running guest: one kernel, many workers. Ends with ``stop()``, with QEMU, or with us.
///
/// QEMU is started by `pawslab-worker guard`, which kills it when our end of its standard input is gone.
public actor Guest {
  /// How a guest is to be started.
  struct Options: Sendable {
    var qemu: QEMU
    /// Seconds until the guest must have said hello.
    var bootDeadline = 60
    /// A group that it needs: that of `/dev/kvm`. 0 for none.
    var group: gid_t = 0
  }

  /// What a boot took.
  public struct Boot: Sendable, Equatable {
    /// `kvm` or `tcg`.
    public var accelerator: String
    /// Milliseconds by phase, in order.
    public var phases: [Timing]
    /// `uname -r`, as the guest says it.
    public var release: String
  }

  public nonisolated let name: String
  public private(set) var boot: Boot?
  /// All that its kernel said; known once it has ended.
  public private(set) var console = ""
  /// Processor seconds of QEMU; known once it has ended.
  public private(set) var processorSeconds: Double?

  private nonisolated let options: Options
  private nonisolated let consoleFile: MemoryFile
  private var writer: StandardInputWriter?
  private var lastWrite: Task<Void, any Error>?
  private var process: Task<Void, Never>?
  private var streams: [Int: AsyncStream<Frame>.Continuation] = [:]
  private var nextID = 1
  /// Set once the guest is gone: why.
  private var gone: Failure?
  private var stopping = false
  private var exitText = ""

  /// - Throws: `Failure` where there is no descriptor or no memory for its console.
  init(name: String, options: Options) throws {
    self.name = name
    self.options = options
    consoleFile = try MemoryFile("console of \(name)")
  }

  /// Whether it can still be asked.
  public var isAlive: Bool { gone == nil }

  /// Starts QEMU and waits for the guest's hello.
  func start(worker: String, kernel: String, initramfs: Data, prepared: [Timing]) async throws {
    var phases = prepared
    var clock = PhaseClock()
    let archive = try MemoryFile("initramfs of \(name)", initramfs)
    phases.append(clock.lap("write"))
    guard let program = Command.path(QEMU.program) else { throw QEMU.missing(name) }
    let command =
      ["guard", "--read", kernel, "--read", archive.path, "--write", consoleFile.path]
      + ["--group", "\(options.group)", "--file-size", "\(QEMU.longestConsole)", "--", program]
      + options.qemu.command().dropFirst()
    let (hello, continuation) = AsyncStream<Frame>.makeStream()
    streams[0] = continuation
    process = Task { await self.run(worker: worker, command: command) }
    let frame = await withTaskGroup(of: Frame?.self) { group in
      group.addTask { await hello.first { _ in true } }
      group.addTask { [options] in
        try? await Task.sleep(for: .seconds(options.bootDeadline))
        return nil
      }
      defer { group.cancelAll() }
      return await group.next() ?? nil
    }
    // QEMU keeps it mapped, though a kernel that has said hello has read it.
    archive.empty()
    guard let frame, frame.kind == .hello else {
      let failure = gone ?? self.failure("no hello within \(options.bootDeadline) s")
      await stop()
      throw failure
    }
    let words = String(decoding: frame.payload, as: UTF8.self).split(separator: " ")
    let version = words.count > 2 ? Int(words[2]) ?? 0 : 0
    guard version == WorkerProtocol.version else {
      await stop()
      throw WorkerProtocol.mismatch(of: "the worker in \(name)", version)
    }
    let total = clock.lap("QEMU and kernel")
    // The guest's own uptime begins with its kernel; what came before is QEMU's.
    let kernelMilliseconds = (words.count > 1 ? Double(words[1]) ?? 0 : 0) * 1000
    phases.append(Timing(part: "QEMU", milliseconds: max(0, total.milliseconds - kernelMilliseconds)))
    phases.append(Timing(part: "kernel and init", milliseconds: min(total.milliseconds, kernelMilliseconds)))
    boot = Boot(
      accelerator: options.qemu.accelerator.rawValue, phases: phases,
      release: words.first.map(String.init) ?? "")
  }

  private func run(worker: String, command: [String]) async {
    var platform = PlatformOptions()
    platform.processGroupID = 0
    platform.teardownSequence = []
    do {
      let turn = try await SpawnGate.shared.enter()
      defer { turn.leave() }
      let result = try await Subprocess.run(
        .path(FilePath(worker)), arguments: Arguments(command), platformOptions: platform,
        input: .inputWriter, output: .sequence, error: .string(limit: 1 << 20)
      ) { execution in
        turn.leave()
        self.connected(execution.standardInputWriter)
        var reader = Frame.Reader()
        for try await buffer in execution.standardOutput {
          guard let frames = buffer.withUnsafeBytes({ reader.add($0) }) else {
            self.end("what came from the guest is not a frame")
            break
          }
          for frame in frames { self.deliver(frame) }
        }
      }
      let text = result.standardError
      for line in text.split(separator: "\n") where line.hasPrefix("pawslab-guard: cpu ") {
        processorSeconds = line.split(separator: " ").last.flatMap { Double($0) }
      }
      let said = text.split(separator: "\n").filter { !$0.hasPrefix("pawslab-guard:") }.suffix(3)
      let full =
        result.terminationStatus == .exited(128 + SIGXFSZ)
        ? ", for its console is full at \(QEMU.longestConsole >> 20) MiB" : ""
      end(
        "QEMU ended (\(result.terminationStatus)\(full))"
          + (said.isEmpty ? "" : ": \(said.joined(separator: "; "))"))
    } catch {
      end("QEMU could not be run: \(error)")
    }
  }

  private func connected(_ writer: StandardInputWriter) { self.writer = writer }

  private func deliver(_ frame: Frame) {
    streams[frame.id]?.yield(frame)
    if frame.kind == .end || frame.kind == .hello { streams.removeValue(forKey: frame.id)?.finish() }
  }

  private func end(_ cause: String) {
    if gone == nil { gone = failure(cause) }
    for stream in streams.values { stream.finish() }
    streams = [:]
  }

  private func failure(_ cause: String) -> Failure {
    Self.failure(cause, of: name, console: consoleFile.text)
  }

  /// A failure with what the console said last.
  static func failure(_ cause: String, of name: String, console: String) -> Failure {
    let lines = console.split(whereSeparator: \.isNewline).map(String.init).filter { !$0.isEmpty }
    // What our own first process said, else the kernel's verdict: the last lines are often its registers.
    let panic =
      lines.last { $0.hasPrefix("pawslab: ") }
      ?? lines.last { $0.contains("Kernel panic") || $0.contains("Out of memory") }
    let last = lines.suffix(6).joined(separator: "\n         ")
    return Failure(
      stage: "guest", object: name,
      cause: (panic.map { "\($0.trimmingCharacters(in: .whitespaces)); " } ?? "") + cause
        + (last.isEmpty ? "; its console says nothing" : "; last lines of its console:\n         \(last)"),
      mend: last.isEmpty
        ? "the kernel needs CONFIG_VIRTIO_CONSOLE, and CONFIG_SERIAL_8250_CONSOLE to say what is wrong" : nil)
  }

  /// Sends a request and hands on what comes back, until the end.
  ///
  /// - Parameters:
  ///   - seconds: after which the worker is killed, and the guest given up if that does not help.
  ///   - silence: the same while nothing comes back.
  ///   - onBegin: is given the id, for what is added to it (``add(_:)``).
  /// - Returns: the cause where the worker or the request did not end well.
  public func exchange(
    _ kind: Frame.Kind, _ payload: [UInt8], within seconds: Int, silence: Int = .max,
    onBegin: (Int) -> Void = { _ in }, onFrame: (Frame) throws -> Void
  ) async throws -> String? {
    if let gone { throw gone }
    guard let writer else { throw failure("not connected") }
    let id = nextID
    nextID += 1
    let (stream, continuation) = AsyncStream<Frame>.makeStream()
    streams[id] = continuation
    defer { streams[id] = nil }
    do { try await send(Frame(id: id, kind: kind, payload: payload), by: writer) } catch {
      // Nobody reads: QEMU has ended, and how is told in a moment (`run`), which ends the stream.
      await withTaskGroup(of: Void.self) { group in
        group.addTask { for await _ in stream {} }
        group.addTask { try? await Task.sleep(for: .seconds(10)) }
        await group.next()
        group.cancelAll()
      }
      throw gone ?? failure("cannot be written to: \(error)")
    }
    onBegin(id)
    let late = Late()
    let words = silence < seconds ? "not a word for \(silence) s" : "no answer within \(seconds) s"
    let watchdog = Task {
      let begin = ContinuousClock.now
      while true {
        let end = min(
          begin + .seconds(seconds),
          silence == .max ? begin + .seconds(seconds) : late.heard + .seconds(silence))
        guard .now < end else { break }
        try await Task.sleep(until: end, clock: .continuous)
      }
      late.set()
      // The worker first; a guest that does not even answer that is given up by its reader below.
      try? await send(Frame(id: id, kind: .kill, payload: []), by: writer)
      try await Task.sleep(for: .seconds(5))
      self.giveUp(id, words)
    }
    defer { watchdog.cancel() }
    for await frame in stream {
      late.hear()
      if frame.kind == .end {
        if late.isSet { return words }
        return frame.payload.isEmpty ? nil : String(decoding: frame.payload, as: UTF8.self)
      }
      try onFrame(frame)
    }
    try Task.checkCancellation()
    throw gone ?? failure("\(words), and the guest does not end the worker either")
  }

  /// One more frame of a request that has begun.
  func add(_ frame: Frame) async throws {
    if let writer { try await send(frame, by: writer) }
  }

  /// One frame after the other: a write that has to wait for room must not let another's bytes in between.
  private func send(_ frame: Frame, by writer: StandardInputWriter) async throws {
    let task = Task { [lastWrite] in
      _ = await lastWrite?.result
      _ = try await writer.write(frame.bytes)
    }
    lastWrite = task
    try await task.value
  }

  private func giveUp(_ id: Int, _ words: String) {
    guard streams[id] != nil else { return }
    end("it hangs: \(words), and it does not end the worker either")
    process?.cancel()
  }

  /// Ends QEMU and waits until it is gone.
  public func stop() async {
    if gone == nil { gone = Failure(stage: "guest", object: name, cause: "stopped") }
    // End of file on the guard's standard input ends QEMU.
    try? await writer?.finish()
    if writer == nil { process?.cancel() }
    // A guard that was stopped does not see that end; QEMU ends with it, too.
    let watchdog = Task { [process] in
      try await Task.sleep(for: .seconds(5))
      process?.cancel()
    }
    await process?.value
    watchdog.cancel()
    for stream in streams.values { stream.finish() }
    streams = [:]
    console = consoleFile.text
  }

  private final class Late: @unchecked Sendable {
    private let lock = NSLock()
    private var late = false
    private var last = ContinuousClock.now
    var isSet: Bool { lock.withLock { late } }
    /// When something came last.
    var heard: ContinuousClock.Instant { lock.withLock { last } }
    func hear() { lock.withLock { last = .now } }
    func set() { lock.withLock { late = true } }
  }
}

/// Milliseconds between laps.
struct PhaseClock {
  private var last = ContinuousClock.now

  mutating func lap(_ part: String) -> Timing {
    let now = ContinuousClock.now
    defer { last = now }
    return Timing(part: part, milliseconds: last.duration(to: now) / .milliseconds(1))
  }
}
