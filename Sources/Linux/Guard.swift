import CLinux
import Glibc

/// Runs a program that must not outlive whoever holds the other end of our standard input.
public enum Guard {
  /// Its exit status; 128 plus the signal that ended it. 127 where it cannot be started.
  public static func run(_ command: [String]) -> Int32 {
    let arguments = command.map { strdup($0) } + [nil]
    guard !command.isEmpty else { return 127 }
    let result = clinux_guard(arguments, environ)
    // For whoever wants to know what a guest has cost.
    try? Stream.write(2, Array("pawslab-guard: cpu \(System.processorSeconds(RUSAGE_CHILDREN))\n".utf8))
    return result < 0 ? 127 : result
  }
}
