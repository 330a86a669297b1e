import CLinux
import Glibc

/// Runs a program that must not outlive whoever holds the other end of our standard input.
public enum Guard {
  /// Its exit status; 128 plus the signal that ended it. 127 where it cannot be started.
  public static func run(_ command: [String]) -> Int32 {
    let arguments = command.map { strdup($0) } + [nil]
    guard !command.isEmpty else { return 127 }
    let result = clinux_guard(arguments, environ)
    var usage = rusage()
    getrusage(RUSAGE_CHILDREN.rawValue, &usage)
    let microseconds =
      (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000 + usage.ru_utime.tv_usec
      + usage.ru_stime.tv_usec
    // For whoever wants to know what a guest has cost.
    try? Stream.write(2, Array("pawslab-guard: cpu \(Double(microseconds) / 1_000_000)\n".utf8))
    return result < 0 ? 127 : result
  }
}
