import CLinux
import Glibc
import SystemPackage

/// Everything that passes an interface, both ways, with kernel time stamps: `tcpdump -i IF -s 192`.
public final class PacketCapture {
  /// Readable when packets wait.
  public let fileDescriptor: Int32
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

  deinit { close(fileDescriptor) }

  /// Hands on all packets that wait: nanoseconds since 1970, whether the node sent it, bytes on the wire,
  /// the first bytes.
  public func drain(_ body: (Int64, Bool, Int, ArraySlice<UInt8>) throws -> Void) throws {
    var packet = clinux_packet()
    while try SystemError.check(
      clinux_packet_receive(fileDescriptor, &buffer, buffer.count, &packet), "recvmsg", interface) == 1
    {
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
