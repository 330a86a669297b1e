import CLinux
public import SystemPackage

/// A system call that failed: which, on what, why.
public struct SystemError: Error, CustomStringConvertible, Sendable {
  /// The call or operation, e.g. `setns`.
  public var stage: String
  /// What it was done to.
  public var object: String
  /// The kernel's answer.
  public var errno: Errno
  /// More of its words: an extended ack, the verifier's log, a tool's standard error.
  public var detail: String?

  /// Makes an error.
  public init(stage: String, object: String, errno: Errno, detail: String? = nil) {
    self.stage = stage
    self.object = object
    self.errno = errno
    self.detail = detail
  }

  /// `setns(hop): Operation not permitted`
  public var description: String {
    "\(stage)(\(object)): \(errno)" + (detail.map { ": \($0)" } ?? "")
  }

  /// What a shim function returned, or the error in it; `object` is asked for in an error only.
  @discardableResult
  static func check(_ result: Int32, _ stage: String, _ object: @autoclosure () -> String) throws -> Int32 {
    guard result >= 0 else {
      throw SystemError(stage: stage, object: object(), errno: Errno(rawValue: -result))
    }
    return result
  }

  /// What a libc call returned, or errno.
  @discardableResult
  static func check<Number: SignedInteger>(
    libc result: Number, _ stage: String, _ object: @autoclosure () -> String
  ) throws -> Number {
    guard result >= 0 else {
      let errno = Errno.current
      throw SystemError(stage: stage, object: object(), errno: errno)
    }
    return result
  }
}

extension Errno {
  /// `ETIMEDOUT`, as in errno(3).
  public var name: String {
    String(cString: clinux_errno_name(rawValue))
  }
}

extension SystemError {
  /// Whether the kernel lacked something that it may have later, when others have given it back: descriptors, memory,
  /// processes, namespaces (unshare(2) says ENOSPC at user.max_net_namespaces).
  public var isScarcity: Bool {
    switch errno {
    case .tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory, .noBufferSpace: true
    case .noSpace: stage == "unshare"
    case .resourceTemporarilyUnavailable: ["spawn", "open", "fork"].contains(stage)
    default: false
    }
  }
}
