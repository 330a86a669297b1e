import CLibNL
import Linux

/// Says that some link or IPv6 route of the namespace in which it was opened has changed:
/// `ip -6 monitor link route`.
public final class LinkMonitor {
  private let socket: Socket

  /// Subscribes in the calling thread's namespace.
  public init() throws {
    socket = try Socket(protocol: NETLINK_ROUTE, bus: "NETLINK_ROUTE")
    try socket.join(group: 1)  // RTNLGRP_LINK
    try socket.join(group: 11)  // RTNLGRP_IPV6_ROUTE
  }

  /// Readable when something has changed since ``reset()``.
  public var fileDescriptor: Int32 { socket.fileDescriptor }

  /// Forgets what has changed.
  public func reset() { socket.discardNotifications() }
}
