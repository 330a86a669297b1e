import Glibc

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Inputs on their way to a process that may die of one: a file of them, and a page on which that process keeps how far
/// it has come.
public struct Batch: Sendable {
  /// What the process has come to.
  public struct Progress: Sendable {
    /// The input at hand; how many there were, if it ended well.
    public var index = 0
    /// Microseconds of processor that the slowest took, and which it was.
    public var slowest = 0
    public var slowestIndex = 0
    /// Bytes of memory at most.
    public var peak = 0
    /// Inputs that were taken to the very end; the others were refused.
    public var taken = 0
  }

  /// What one input may take.
  public struct Limits: Sendable {
    /// Milliseconds of processor; sixty times as much of wall clock, for who waits in vain on a busy machine.
    public var milliseconds = 1_000
    /// MiB of address space beyond what the process begins with.
    public var megabytes = 300

    public init() {}
  }

  /// Writes a batch to a file.
  public static func write(_ inputs: [[UInt8]], to path: String) throws {
    var bytes = Data()
    for input in inputs {
      withUnsafeBytes(of: UInt32(input.count).littleEndian) { bytes.append(contentsOf: $0) }
      bytes.append(contentsOf: input)
    }
    try bytes.write(to: URL(fileURLWithPath: path))
  }

  /// How far a process has come.
  public static func progress(_ path: String) -> Progress {
    let data = [UInt8]((try? Data(contentsOf: URL(fileURLWithPath: path))) ?? Data())
    func number(_ place: Int) -> Int { ByteMutator.read(8, false, at: 8 * place, in: data) }
    return Progress(
      index: number(0), slowest: number(1), slowestIndex: number(2), peak: number(3),
      taken: number(4))
  }

  /// Feeds each input in turn to `body`, in this process, which ends by a signal where one takes too long (SIGPROF,
  /// SIGALRM), too much, or is a trap.
  ///
  /// What `body` throws is an answer. Returns an exit status: 0, or 2 where the batch cannot be read.
  public static func run(
    _ path: String, progress: String, limits: Limits, _ body: ([UInt8]) throws -> Void
  ) -> Int32 {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else { return 2 }
    let page = open(progress, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard page >= 0 else { return 2 }
    bound(megabytes: limits.megabytes)
    var state = Progress()
    func keep() {
      var words = [state.index, state.slowest, state.slowestIndex, state.peak, state.taken]
      pwrite(page, &words, 40, 0)
    }
    var at = 0
    while at + 4 <= data.count {
      let count = Int(data[at..<at + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
      guard at + 4 + count <= data.count else { return 2 }
      let input = [UInt8](data[(at + 4)..<(at + 4 + count)])
      keep()
      let began = clock(CLOCK_PROCESS_CPUTIME_ID)
      watch(milliseconds: limits.milliseconds)
      // Its words are part of the answer.
      do {
        try body(input)
        state.taken += 1
      } catch { _ = "\(error)".utf8.count }
      watch(milliseconds: 0)
      let microseconds = clock(CLOCK_PROCESS_CPUTIME_ID) - began
      if microseconds > state.slowest { (state.slowest, state.slowestIndex) = (microseconds, state.index) }
      state.index += 1
      at += 4 + count
    }
    state.peak = peak
    keep()
    return 0
  }

  /// VmHWM (proc(5)): what getrusage(2) says is as much as the parent's, who starts this process by a copy of itself.
  private static var peak: Int {
    let status = (try? Data(contentsOf: URL(fileURLWithPath: "/proc/self/status"))) ?? Data()
    let line = status.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: Array("VmHWM:".utf8)) }
    let digits = (line ?? Data()).filter { (0x30...0x39).contains($0) }
    return (Int(String(decoding: digits, as: UTF8.self)) ?? 0) << 10
  }

  private static func clock(_ id: clockid_t) -> Int {
    var time = timespec()
    clock_gettime(id, &time)
    return time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
  }

  /// Wall clock for each unit of processor.
  public static let patience = 60

  /// Timers whose signals end the process; 0 takes them back.
  private static func watch(milliseconds: Int) {
    for (timer, factor) in [(ITIMER_PROF, 1), (ITIMER_REAL, patience)] {
      let time = timeval(tv_sec: milliseconds * factor / 1000, tv_usec: milliseconds * factor % 1000 * 1000)
      var value = itimerval(it_interval: timeval(), it_value: time)
      setitimer(__itimer_which_t(timer.rawValue), &value, nil)
    }
  }

  private static func bound(megabytes: Int) {
    // Pages of address space are the first number (proc(5), statm).
    let statm = (try? Data(contentsOf: URL(fileURLWithPath: "/proc/self/statm"))) ?? Data()
    let digits = statm.prefix { (0x30...0x39).contains($0) }
    let pages = Int(String(decoding: digits, as: UTF8.self)) ?? 0
    let bytes = UInt(pages * Int(getpagesize()) + megabytes << 20)
    var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
  }
}
