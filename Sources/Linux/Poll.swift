import CLinux
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

/// epoll(7): many descriptors, of which few are ready at a time. What that costs does not grow with the many.
public final class PollGroup {
  /// Itself to be waited for: readable while one of them is ready.
  public let fileDescriptor: Int32

  /// An empty one.
  public init() throws {
    fileDescriptor = try SystemError.check(clinux_epoll(), "epoll_create1", "")
  }

  deinit { close(fileDescriptor) }

  /// Adds a descriptor, or changes what is awaited of it (``Poll/readable``, ``Poll/writable``) until it is removed or
  /// closed; false where it cannot be asked in this way, as a plain file cannot.
  public func set(_ descriptor: Int32, events: Int16) -> Bool {
    clinux_epoll_set(fileDescriptor, descriptor, UInt32(UInt16(bitPattern: events))) == 0
  }

  /// Takes one out; nothing where it is not in it.
  public func remove(_ descriptor: Int32) { _ = clinux_epoll_remove(fileDescriptor, descriptor) }

  /// Waits until one is ready or so many milliseconds have passed: the ready ones, at the most `most`.
  public func wait(most: Int, timeout: Int) throws -> [Int32] {
    let most = Int32(clamping: max(1, most))
    var failed: Int32 = 0
    let found = [Int32](unsafeUninitializedCapacity: Int(most)) { buffer, filled in
      let count = clinux_epoll_wait(fileDescriptor, buffer.baseAddress, most, Int32(clamping: timeout))
      if count < 0 { failed = count }
      filled = Int(max(0, count))
    }
    try SystemError.check(failed, "epoll_wait", "")
    return found
  }
}
