import Evidence
import Linux
import Netlink

extension SocketEntry {
  init(_ entry: SocketDiag.Entry) {
    self.init(
      state: entry.state, local: SocketAddress.text(entry.local, port: entry.localPort),
      peer: SocketAddress.text(entry.remote, port: entry.remotePort),
      timeWait: entry.isTimeWaitSocket ? entry.expires : nil)
  }
}

extension IPVSEntry {
  init(_ entry: IPVSConnection) {
    self.init(
      state: entry.state, client: SocketAddress.text(entry.client, port: entry.clientPort),
      virtual: SocketAddress.text(entry.virtual, port: entry.virtualPort),
      server: SocketAddress.text(entry.real, port: entry.realPort), seconds: entry.expires)
  }
}

extension Evidence.ConntrackEntry {
  /// Nil for what is not TCP.
  init?(_ entry: Netlink.ConntrackEntry) {
    guard entry.transport == "tcp", let state = entry.state else { return nil }
    self.init(
      state: state, original: Direction(entry.original), reply: Direction(entry.reply),
      assured: entry.status.contains(.assured), unreplied: !entry.status.contains(.seenReply),
      seconds: entry.timeout)
  }
}

extension Evidence.ConntrackEntry.Direction {
  fileprivate init(_ tuple: Netlink.ConntrackEntry.Tuple) {
    self.init(
      source: tuple.source, destination: tuple.destination, sourcePort: tuple.sourcePort,
      destinationPort: tuple.destinationPort)
  }
}
