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
    var modules = try Modules()
    try modules.load(["boot"])
    let port = try Guest.openPort()
    let up = try Guest.read("/proc/uptime").split(separator: " ").first ?? ""
    let (release, _) = try System.release()
    try Stream.write(
      port,
      Frame(id: 0, kind: .hello, payload: Array("\(release) \(up) \(WorkerProtocol.version)".utf8)).bytes)

    WorkerProgram.warmUp()
    var workers: [Int: Guest.Child] = [:]
    var terminals = Terminals()
    var reader = Frame.Reader()
    while true {
      let order = workers.keys.sorted()
      var requests = [Poll.Request(descriptor: port, events: Poll.readable)]
      for id in order {
        guard let worker = workers[id] else { continue }
        requests.append(Poll.Request(descriptor: worker.output, events: Poll.readable))
        requests.append(Poll.Request(descriptor: worker.errors, events: Poll.readable))
      }
      let shells = terminals.ids
      let first = requests.count
      requests += shells.compactMap { terminals.request($0) }
      _ = try Poll.wait(&requests, timeout: 60_000)
      for (index, id) in shells.enumerated() where requests[first + index].ready != 0 {
        for frame in terminals.serve(id) { try Stream.write(port, frame.bytes) }
      }
      for (index, id) in order.enumerated() {
        guard let worker = workers[id] else { continue }
        if requests[2 + 2 * index].ready != 0 {
          let bytes = try Guest.readAvailable(worker.errors)
          if !bytes.isEmpty { try Stream.write(port, Frame(id: id, kind: .errors, payload: bytes).bytes) }
        }
        if requests[1 + 2 * index].ready != 0 {
          let bytes = try Guest.readAvailable(worker.output)
          if !bytes.isEmpty {
            try Stream.write(port, Frame(id: id, kind: .output, payload: bytes).bytes)
          } else {
            workers[id] = nil
            try end(id, Guest.reap(worker), on: port)
          }
        }
      }
      guard requests[0].ready != 0 else { continue }
      let bytes = try Guest.readAvailable(port)
      guard let frames = reader.add(bytes) else {
        throw Failure(stage: "guest", object: "virtio port", cause: "not a frame")
      }
      for frame in frames {
        switch frame.kind {
        case .request:
          do {
            workers[frame.id] = try start(frame.payload, with: &modules)
          } catch {
            try end(frame.id, "\(error)", on: port)
          }
        case .settings:
          do {
            try apply(String(decoding: frame.payload, as: UTF8.self), with: &modules)
            try end(frame.id, nil, on: port)
          } catch {
            try end(frame.id, "\(error)", on: port)
          }
        case .kill:
          if let worker = workers[frame.id] { Guest.kill(worker) }
          terminals.take(frame)
        case .terminal:
          do { try terminals.start(frame.id, frame.payload) } catch {
            try end(frame.id, "\(error)", on: port)
          }
        case .input, .window: terminals.take(frame)
        case .hello, .output, .errors, .end:
          break
        }
      }
    }
  }

  private static func end(_ id: Int, _ cause: String?, on port: Int32) throws {
    try Stream.write(port, Frame(id: id, kind: .end, payload: Array((cause ?? "").utf8)).bytes)
  }

  /// Loads what the request needs, then forks a worker for it.
  private static func start(_ payload: [UInt8], with modules: inout Modules) throws -> Guest.Child {
    let line = payload.prefix { $0 != UInt8(ascii: "\n") }
    try modules.load(String(decoding: line, as: UTF8.self).split(separator: " ").map(String.init))
    let child = try Guest.fork { WorkerProgram.main() }
    // At most a pipe's 64 KiB; a request is far smaller.
    try Stream.write(child.input, Array(payload.dropFirst(line.count + 1)))
    return child
  }

  /// Loads what the first line names, then does `sysctl -w` in the first namespace: for settings that are one per kernel.
  private static func apply(_ text: String, with modules: inout Modules) throws {
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
