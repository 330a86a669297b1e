import Glibc
import SystemPackage

/// The kernel's clocks.
public enum SystemClock {
  /// Nanoseconds, CLOCK_MONOTONIC.
  public static func monotonic() -> Int64 { read(CLOCK_MONOTONIC) }
  /// Nanoseconds since 1970, CLOCK_REALTIME: the clock of packet time stamps.
  public static func realtime() -> Int64 { read(CLOCK_REALTIME) }

  /// Comes back once CLOCK_MONOTONIC has counted a whole second since the kernel's start: `ktime_get_seconds`, which is
  /// what CLOCK_MONOTONIC_COARSE shows, is no longer 0.
  ///
  /// The kernel notes by it when a timestamp came, and 0 means that none did (`tcp_store_ts_recent`; `tw_ts_recent_stamp`
  /// in `tcp_timewait_state_process` and `tcp_twsk_unique`): a TIME_WAIT from the first second refuses nothing by
  /// timestamp, and lets nobody have its port.
  public static func awaitFirstSecond() {
    var second = timespec(tv_sec: 1, tv_nsec: 0)
    while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &second, nil) == EINTR {}
    // The next tick shows it: some milliseconds.
    while read(CLOCK_MONOTONIC_COARSE) < 1_000_000_000 {}
  }

  /// Nanoseconds between two ticks: the resolution of CLOCK_MONOTONIC_COARSE (clock_getres(2)), a second by CONFIG_HZ.
  public static func tick() -> Int64 {
    var resolution = timespec()
    clock_getres(CLOCK_MONOTONIC_COARSE, &resolution)
    return Int64(resolution.tv_sec) * 1_000_000_000 + Int64(resolution.tv_nsec)
  }

  /// Waits for the kernel's next tick, awake: from then on the one after is a whole one away.
  public static func awaitTick() {
    let now = read(CLOCK_MONOTONIC_COARSE)
    while read(CLOCK_MONOTONIC_COARSE) == now {}
  }

  /// Sets the wall clock of the whole kernel forward: `date -s '+N seconds'`. For guests only.
  public static func setRealtime(forward seconds: Int) throws {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    time.tv_sec += seconds
    try SystemError.check(libc: clock_settime(CLOCK_REALTIME, &time), "clock_settime", "+\(seconds) s")
  }

  private static func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

/// uname(2).
public enum System {
  /// User and system time of this process and of its children that have ended: getrusage(2).
  public static func processorSeconds() -> Double {
    processorSeconds(RUSAGE_SELF) + processorSeconds(RUSAGE_CHILDREN)
  }

  /// The nice value of whoever has started us: setpriority(2).
  ///
  /// A process inherits that of the thread it was started from, and libdispatch gives its threads one of their own
  /// (`_dispatch_worker_thread`: 0 where root may raise it again), so that what `nice pawslab run` started was not nice.
  public static func takeNiceOfParent() {
    errno = 0
    let nice = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(getppid()))
    // Going down is anybody's right; what is refused or cannot be asked changes nothing that is seen.
    if errno == 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, nice) }
  }

  /// geteuid(2)
  public static var userID: UInt32 { geteuid() }

  /// A small file of `/proc`, without the white space around it; nil where it cannot be read.
  public static func words(of path: String) -> String? {
    (try? Files.read(path)).map { text in
      text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
  }

  /// Descriptors that this process may have open: getrlimit(2), RLIMIT_NOFILE.
  public static var descriptorLimit: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
    return Int(clamping: limit.rlim_cur)
  }

  /// getpid(2)
  public static var processID: Int32 { getpid() }

  /// Of either alone.
  static func processorSeconds(_ who: __rusage_who) -> Double {
    var usage = rusage()
    getrusage(who.rawValue, &usage)
    let seconds = { (time: timeval) in Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  /// `uname -r` and `uname -m`.
  public static func release() throws -> (release: String, machine: String) {
    var name = utsname()
    try SystemError.check(libc: uname(&name), "uname", "")
    func text<Field>(_ field: Field) -> String {
      withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
    return (text(name.release), text(name.machine))
  }
}
