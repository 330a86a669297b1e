import Linux
import Model
import Wire

/// The shells of a guest, by the id of the request that each is.
struct Terminals {
  private var all: [Int: GuestTerminal] = [:]
  private var hasDevices = false

  /// In a certain order, for one look at all of them.
  var ids: [Int] { all.keys.sorted() }

  func request(_ id: Int) -> Poll.Request? {
    all[id].map { Poll.Request(descriptor: $0.descriptor, events: $0.events) }
  }

  /// Starts a shell on a terminal.
  mutating func start(_ id: Int, _ payload: [UInt8]) throws {
    let order = try TerminalOrder(payload)
    if !hasDevices {
      // The terminals' own file system; devtmpfs has the multiplexer only.
      try Guest.mount("devpts", at: "/dev/pts")
      hasDevices = true
    }
    all[id] = try GuestTerminal(
      [TerminalOrder.shell], in: order.namespace, rows: order.size.rows, columns: order.size.columns,
      environment: order.environment)
  }

  /// What a frame of the lab's asks of a shell; one that has ended meanwhile is asked nothing.
  func take(_ frame: Frame) {
    guard let terminal = all[frame.id] else { return }
    switch frame.kind {
    case .input: terminal.write(frame.payload)
    case .window:
      if let size = TerminalSize(frame.payload) { terminal.resize(rows: size.rows, columns: size.columns) }
    case .kill: terminal.kill()
    default: break
    }
  }

  /// What a shell has to say: its output, and where it has ended its status.
  mutating func serve(_ id: Int) -> [Frame] {
    guard let terminal = all[id] else { return [] }
    terminal.write()
    guard let bytes = terminal.read() else {
      all[id] = nil
      return [Frame(id: id, kind: .end, payload: Array("\(terminal.status())".utf8))]
    }
    return bytes.isEmpty ? [] : [Frame(id: id, kind: .output, payload: bytes)]
  }
}
