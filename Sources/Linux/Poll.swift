import Glibc
import SystemPackage

/// poll(2).
public enum Poll {
  /// A descriptor and what is awaited of it.
  public struct Request {
    /// The descriptor.
    public var descriptor: Int32
    /// ``Poll/readable``, ``Poll/writable``.
    public var events: Int16
    /// What it is ready for; errors and hang-ups count.
    public fileprivate(set) var ready: Int16 = 0

    /// Makes a request.
    public init(descriptor: Int32, events: Int16) {
      self.descriptor = descriptor
      self.events = events
    }
  }

  public static let readable = Int16(POLLIN)
  public static let writable = Int16(POLLOUT)

  /// Waits until one is ready or so many milliseconds have passed; how many are ready.
  public static func wait(_ requests: inout [Request], timeout: Int) throws -> Int {
    var descriptors = requests.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
    let count = poll(&descriptors, nfds_t(descriptors.count), Int32(clamping: timeout))
    if count < 0, errno != EINTR { throw SystemError(stage: "poll", object: "", errno: .current) }
    for index in requests.indices { requests[index].ready = count > 0 ? descriptors[index].revents : 0 }
    return Int(max(0, count))
  }
}
