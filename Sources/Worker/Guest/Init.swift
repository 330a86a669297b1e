import Linux
import Model
import Wire

/// The first process of a guest: loads modules, then runs one worker process per request, side by side.
///
/// A worker that crashes is one `end` frame with its cause; only this process' own death is a panic.
public enum Init {
  /// Never returns while the lab lives: the lab ends the guest by ending QEMU.
  public static func main() -> Int32 {
    do {
      try supervise()
      return 0
    } catch {
      // The console is all that is left to say it on.
      try? Stream.write(2, Array("pawslab: \(error)\n".utf8))
      return 3
    }
  }

  private static func supervise() throws {
    Stream.ignoreBrokenPipes()
    for (type, target) in [("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run"), ("tmpfs", "/tmp")] {
      try Guest.mount(type, at: target)
    }
    Guest.setEnvironment("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    let orders = try KernelWords()
    var modules = try Modules()
    try modules.load(["boot"])
    let port = try Guest.openPort()
    let up = try Guest.read("/proc/uptime").split(separator: " ").first ?? ""
    let (release, _) = try System.release()
    try Stream.write(
      port,
      Frame(id: 0, kind: .hello, payload: Array("\(release) \(up) \(WorkerProtocol.version)".utf8)).bytes)

    WorkerProgram.warmUp()
    // A guest can be up within less than a second, where no machine runs cases.
    SystemClock.awaitFirstSecond()
    var supervisor = Supervisor(port: port, modules: modules)
    guard orders.isVirtual else { while true { try supervisor.turn(listening: true) } }
    // Nothing comes in while time is the experiment's: what is asked lies in the machine's firmware.
    try supervisor.modules.load(orders.bundles)
    try? Rehearsal.run()
    Rehearsal.awaitItsEnd()
    try Guest.clearFreeMemory()
    // The machine's clock is moved to the next timer or not, and that is told by how far: so the next is not near.
    SystemClock.awaitTick()
    let paused = SystemClock.monotonic()
    try Guest.pauseMachine()
    // How far its clock went on while it stood still, by its tick, says at which moment it was saved: the lab wants one.
    let now = SystemClock.monotonic()
    let words = "\(now - paused) \(SystemClock.tick()) \(now)"
    try Stream.write(port, Frame(id: 0, kind: .hello, payload: Array(words.utf8)).bytes)
    try Guest.seedRandom(try Guest.firmwareFile(KernelWords.seed))
    var reader = Frame.Reader()
    guard let frames = reader.add(try Guest.firmwareFile(KernelWords.request)) else {
      throw Failure(stage: "guest", object: KernelWords.request, cause: "not a frame")
    }
    for frame in frames { try supervisor.take(frame) }
    while supervisor.isBusy { try supervisor.turn(listening: false) }
    try Guest.endMachine()
  }
}

/// What the lab says to a guest by its kernel's command line.
private struct KernelWords {
  /// `pawslab.time=virtual`: time is the guest's own.
  var isVirtual = false
  /// `pawslab.bundles=A,B`: modules that are loaded before the machine is saved.
  var bundles: [String] = []
  /// The file of QEMU's that has the frames to work through.
  static let request = "opt/pawslab/request"
  /// The one that its random numbers come from.
  static let seed = "opt/pawslab/seed"

  init() throws {
    for word in try Guest.read("/proc/cmdline").split(whereSeparator: \.isWhitespace) {
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { continue }
      switch parts[0] {
      case "pawslab.time": isVirtual = parts[1] == "virtual"
      case "pawslab.bundles": bundles = parts[1].split(separator: ",").map(String.init)
      default: break
      }
    }
  }
}

/// The workers that run, and the port by which the lab hears of them.
private struct Supervisor {
  let port: Int32
  var modules: Modules
  private var workers: [Int: Guest.Child] = [:]
  private var reader = Frame.Reader()
  private var terminals = Terminals()

  init(port: Int32, modules: Modules) { (self.port, self.modules) = (port, modules) }

  /// Whether a worker has not ended yet.
  var isBusy: Bool { !workers.isEmpty }

  /// Waits until a worker, or the lab where it is listened to, has something to say, and passes it on.
  mutating func turn(listening: Bool) throws {
    let order = workers.keys.sorted()
    var requests = listening ? [Poll.Request(descriptor: port, events: Poll.readable)] : []
    let first = requests.count
    for id in order {
      guard let worker = workers[id] else { continue }
      requests.append(Poll.Request(descriptor: worker.output, events: Poll.readable))
      requests.append(Poll.Request(descriptor: worker.errors, events: Poll.readable))
    }
    let shells = terminals.ids
    let firstShell = requests.count
    requests += shells.compactMap { terminals.request($0) }
    _ = try Poll.wait(&requests, timeout: 60_000)
    for (index, id) in shells.enumerated() where requests[firstShell + index].ready != 0 {
      for frame in terminals.serve(id) { try Stream.write(port, frame.bytes) }
    }
    for (index, id) in order.enumerated() {
      guard let worker = workers[id] else { continue }
      if requests[first + 1 + 2 * index].ready != 0 {
        let bytes = try Guest.readAvailable(worker.errors)
        if !bytes.isEmpty { try Stream.write(port, Frame(id: id, kind: .errors, payload: bytes).bytes) }
      }
      if requests[first + 2 * index].ready != 0 {
        let bytes = try Guest.readAvailable(worker.output)
        if !bytes.isEmpty {
          try Stream.write(port, Frame(id: id, kind: .output, payload: bytes).bytes)
        } else {
          workers[id] = nil
          try end(id, Guest.reap(worker))
        }
      }
    }
    guard listening, requests[0].ready != 0 else { return }
    guard let frames = reader.add(try Guest.readAvailable(port)) else {
      throw Failure(stage: "guest", object: "virtio port", cause: "not a frame")
    }
    for frame in frames { try take(frame) }
  }

  /// Does what a frame says; what fails of it is that frame's end.
  mutating func take(_ frame: Frame) throws {
    switch frame.kind {
    case .request:
      do { workers[frame.id] = try start(frame.payload) } catch { try end(frame.id, "\(error)") }
    case .settings:
      do {
        try apply(String(decoding: frame.payload, as: UTF8.self))
        try end(frame.id, nil)
      } catch {
        try end(frame.id, "\(error)")
      }
    case .kill:
      if let worker = workers[frame.id] { Guest.kill(worker) }
      terminals.take(frame)
    case .terminal:
      do { try terminals.start(frame.id, frame.payload) } catch { try end(frame.id, "\(error)") }
    case .input, .window:
      // A worker reads what it is told at once; of one that has gone nobody waits.
      if frame.kind == .input, let worker = workers[frame.id] {
        try? Stream.write(worker.input, frame.payload)
      }
      terminals.take(frame)
    case .hello, .output, .errors, .end:
      break
    }
  }

  private func end(_ id: Int, _ cause: String?) throws {
    try Stream.write(port, Frame(id: id, kind: .end, payload: Array((cause ?? "").utf8)).bytes)
  }

  /// Loads what the request needs, then forks a worker for it.
  private mutating func start(_ payload: [UInt8]) throws -> Guest.Child {
    let line = payload.prefix { $0 != UInt8(ascii: "\n") }
    try modules.load(String(decoding: line, as: UTF8.self).split(separator: " ").map(String.init))
    let child = try Guest.fork { WorkerProgram.main() }
    // At most a pipe's 64 KiB; a request is far smaller.
    try Stream.write(child.input, Array(payload.dropFirst(line.count + 1)))
    return child
  }

  /// Loads what the first line names, then does `sysctl -w` in the first namespace: for settings that are one per kernel.
  private mutating func apply(_ text: String) throws {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    try modules.load((lines.first ?? "").split(separator: " ").map(String.init))
    for line in lines.dropFirst() {
      let words = line.split(separator: " ", maxSplits: 1).map(String.init)
      guard words.count == 2 else { continue }
      try Sysctl.write(words[0], words[1])
    }
  }
}

/// The modules in the initramfs: `/modules/order` has a line per bundle with its files in the order of loading; a dash
/// before a file says that the others are loaded though this one is not: kmod's softdeps.
struct Modules {
  private var bundles: [String: [String]] = [:]
  private var loaded: Set<String> = []

  init() throws {
    for line in try Guest.read("/modules/order").split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      guard let name = words.first else { continue }
      bundles[name] = Array(words.dropFirst())
    }
  }

  mutating func load(_ names: [String]) throws {
    for name in names {
      for word in bundles[name] ?? [] {
        let isOptional = word.hasPrefix("-")
        let file = isOptional ? String(word.dropFirst()) : word
        guard loaded.insert(file).inserted else { continue }
        do { try Guest.loadModule("/modules/\(file)") } catch {
          if !isOptional { throw error }
        }
      }
    }
  }
}
