import CLinux
import SystemPackage

extension TCP {
  /// Has a connection lose every segment that comes, or none any more: SO_ATTACH_FILTER with a filter that keeps nothing
  /// of any packet, socket(7), and SO_DETACH_FILTER. The kernel throws the segment away before TCP has looked at it
  /// (`tcp_filter`, net/ipv4/tcp_ipv4.c), so that the sender sends it again.
  public static func setDeaf(_ socket: Socket, _ isDeaf: Bool) throws {
    try SystemError.check(
      clinux_set_deaf(socket.descriptor, isDeaf ? 1 : 0), "setsockopt",
      isDeaf ? "SO_ATTACH_FILTER" : "SO_DETACH_FILTER")
  }
}
