import CLinux
import Glibc
import SystemPackage

/// Calls of connect(2) at the same instant, from as many threads as there are processors.
///
/// The threads are made before, each on a processor of its own, and wait for a lock that is given to all of them. Before
/// each call they meet: a lock wakes one after the other, some tens of microseconds apart, and a SYN is through the stack
/// in ten. A socket belongs to the namespace that it was made in, whichever thread connects it.
public enum Volley {
  /// One call.
  public struct Call {
    public var socket: TCP.Socket
    public var address: SocketAddress

    public init(socket: TCP.Socket, address: SocketAddress) {
      (self.socket, self.address) = (socket, address)
    }
  }

  /// Processors of this machine: `nproc --all`.
  public static var processors: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

  /// What all threads share. A result is written by one thread only, and read when that has been joined; the rest is
  /// written before the gate is opened.
  private final class Gate {
    let calls: [(descriptor: Int32, address: SocketAddress)]
    let results: UnsafeMutableBufferPointer<Int32>
    let lock: UnsafeMutablePointer<pthread_rwlock_t>
    let ready: UnsafeMutablePointer<sem_t>
    /// How many threads have the lock.
    let awake: UnsafeMutablePointer<UInt32>
    var isOff = false

    init(_ calls: [Call]) {
      self.calls = calls.map { ($0.socket.descriptor, $0.address) }
      results = .allocate(capacity: calls.count)
      results.initialize(repeating: 0)
      lock = .allocate(capacity: 1)
      pthread_rwlock_init(lock, nil)
      pthread_rwlock_wrlock(lock)
      ready = .allocate(capacity: 1)
      sem_init(ready, 0, 0)
      awake = .allocate(capacity: 1)
      awake.initialize(to: 0)
    }

    deinit {
      results.deallocate()
      pthread_rwlock_destroy(lock)
      lock.deallocate()
      sem_destroy(ready)
      ready.deallocate()
      awake.deallocate()
    }

    func run(_ first: Int, by stride: Int) {
      // Where it is not allowed they meet as they may.
      _ = clinux_pin(UInt32(first))
      sem_post(ready)
      pthread_rwlock_rdlock(lock)
      defer { pthread_rwlock_unlock(lock) }
      guard !isOff else { return }
      for index in Swift.stride(from: first, to: calls.count, by: stride) {
        let (descriptor, address) = calls[index]
        // Each has called before once for every turn that is over, and the last turn may not be everybody's.
        clinux_meet(awake, UInt32(min(index - first + stride, calls.count)))
        let result = address.withPointer { Glibc.connect(descriptor, $0, $1) }
        results[index] = result < 0 ? errno : 0
      }
    }
  }

  /// A thread's part: every `stride`th call from `first` on.
  private final class Share {
    let gate: Gate
    let first: Int
    let stride: Int

    init(_ gate: Gate, _ first: Int, _ stride: Int) {
      (self.gate, self.first, self.stride) = (gate, first, stride)
    }
  }

  /// The results, in the order of the calls: nil where it connected at once; EINPROGRESS is the usual answer.
  /// - Throws: EAGAIN where a thread cannot be had; then nothing is connected.
  public static func connect(_ calls: [Call]) throws -> [Errno?] {
    let count = min(processors, calls.count)
    let gate = Gate(calls)
    var threads: [pthread_t] = []
    var failure: Int32 = 0
    for first in 0..<count where failure == 0 {
      let share = Unmanaged.passRetained(Share(gate, first, count))
      var thread = pthread_t()
      failure = pthread_create(
        &thread, nil,
        { pointer in
          guard let pointer else { return nil }
          let share = Unmanaged<Share>.fromOpaque(pointer).takeRetainedValue()
          share.gate.run(share.first, by: share.stride)
          return nil
        }, share.toOpaque())
      if failure == 0 { threads.append(thread) } else { share.release() }
    }
    for _ in threads { while sem_wait(gate.ready) < 0, errno == EINTR {} }
    gate.isOff = failure != 0
    pthread_rwlock_unlock(gate.lock)
    for thread in threads { pthread_join(thread, nil) }
    guard failure == 0 else {
      throw SystemError(stage: "pthread_create", object: "burst", errno: Errno(rawValue: failure))
    }
    return gate.results.map { $0 == 0 ? nil : Errno(rawValue: $0) }
  }
}
