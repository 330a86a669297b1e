import CLinux
import Glibc
import SystemPackage

/// Everything that passes an interface, both ways, with kernel time stamps: `tcpdump -i IF -s 192`.
public final class PacketCapture {
  /// Readable when packets wait.
  public private(set) var fileDescriptor: Int32
  private let interface: String
  private var buffer = [UInt8](repeating: 0, count: PacketCapture.snap)
  private var losses = 0

  /// Bytes that are kept of each packet: headers with all options, and little else.
  public static let snap = 192

  /// Opens on an interface of the calling thread's namespace.
  public init(interface: String) throws {
    self.interface = interface
    fileDescriptor = try SystemError.check(
      clinux_packet_socket(interface, UInt32(Self.snap), 8 << 20), "packet socket", interface)
  }

  deinit { if fileDescriptor >= 0 { Glibc.close(fileDescriptor) } }

  /// Closes all of them at once, which takes as long as one: see `clinux_close_all`. Nothing can be asked of them any
  /// more.
  public static func close(_ captures: [PacketCapture]) {
    let descriptors = captures.map(\.fileDescriptor).filter { $0 >= 0 }
    for capture in captures { capture.fileDescriptor = -1 }
    clinux_close_all(descriptors, descriptors.count)
  }

  /// Hands on all packets that wait: nanoseconds since 1970, whether the node sent it, bytes on the wire,
  /// the first bytes.
  public func drain(_ body: (Int64, Bool, Int, ArraySlice<UInt8>) throws -> Void) throws {
    var packet = clinux_packet()
    while true {
      let result = clinux_packet_receive(fileDescriptor, &buffer, buffer.count, &packet)
      // The link went down (packet_notifier): what came before is still there, and what comes after will be.
      if result == -ENETDOWN { continue }
      guard try SystemError.check(result, "recvmsg", interface) == 1 else { return }
      // The socket filter cut it, so MSG_TRUNC tells no more than the snap length; the IP header tells the rest.
      try body(
        packet.time, packet.outgoing != 0, wireLength(Int(packet.copied)), buffer[..<Int(packet.copied)])
    }
  }

  /// Packets that found the buffer full, since the start.
  public func lost() throws -> Int {
    losses += Int(try SystemError.check(clinux_packet_losses(fileDescriptor), "PACKET_STATISTICS", interface))
    return losses
  }

  /// Ethernet header plus the length that IP states; the copied length for anything else.
  private func wireLength(_ copied: Int) -> Int {
    guard copied >= 34 else { return copied }
    let u16 = { [buffer] (at: Int) in Int(buffer[at]) << 8 | Int(buffer[at + 1]) }
    return switch u16(12) {
    case 0x0800: max(copied, 14 + u16(16))
    case 0x86dd: max(copied, 54 + u16(18))
    default: copied
    }
  }
}

/// Has the kernel stamp every packet with the time at which it passes, for as long as the instance lives.
///
/// SO_TIMESTAMPNS is not in force when setsockopt(2) is back: the first socket that asks for it leaves the patching
/// of the kernel's code to a work queue (`net_enable_timestamp`, 4.11 and later), milliseconds on an idle machine.
/// A packet until then is stamped when it is read (`__sock_recv_timestamp`), so after others that came later.
public final class PacketTimestamps {
  private let socket: Int32

  /// Asks for it, in the calling thread's namespace, whose loopback need not be up yet.
  public init() throws {
    socket = try SystemError.check(clinux_timestamping_socket(), "SO_TIMESTAMPNS", "UDP socket")
  }

  deinit { close(socket) }

  /// Waits until a datagram on loopback is stamped before it is read, for five seconds at most.
  public func awaitForce() throws {
    try SystemError.check(clinux_connect_to_itself(socket), "connect", "127.0.0.1")
    let deadline = SystemClock.monotonic() + 5_000_000_000
    while try SystemError.check(clinux_timestamping_holds(socket), "send and receive", "127.0.0.1") == 0 {
      guard SystemClock.monotonic() < deadline else {
        throw SystemError(
          stage: "SO_TIMESTAMPNS", object: "127.0.0.1", errno: .timedOut,
          detail: "for 5 s packets were stamped only when they were read")
      }
      sched_yield()
    }
  }
}
