import CLinux
import Glibc

/// Runs a program that works on what strangers made, with the rights of nobody, and that must not outlive whoever holds
/// the other end of our standard input.
public enum Guard {
  /// What it is told: `[--read FILE]... [--write FILE]... [--group ID] [--file-size BYTES] -- PROGRAM ARGUMENT...`
  ///
  /// The files are opened here, with our rights, and are the program's descriptors 3, 4, ... in that order.
  private struct Orders {
    var files: [(path: String, flags: Int32)] = []
    var group: gid_t = 0
    var fileSize: UInt64 = 0
    var command: [String] = []

    init?(_ words: [String]) {
      var left = words[...]
      while let word = left.popFirst(), word != "--" {
        guard let value = left.popFirst() else { return nil }
        switch word {
        case "--read": files.append((value, O_RDONLY))
        case "--write": files.append((value, O_RDWR))
        case "--group":
          guard let number = gid_t(value) else { return nil }
          group = number
        case "--file-size":
          guard let number = UInt64(value) else { return nil }
          fileSize = number
        default: return nil
        }
      }
      command = Array(left)
      guard let program = command.first, program.hasPrefix("/"), files.count <= 16 else { return nil }
    }
  }

  /// Its exit status; 128 plus the signal that ended it. 127 where it cannot be started, and 2 for orders that are none.
  public static func run(_ words: [String]) -> Int32 {
    guard let orders = Orders(words) else { return say("guard: not what it is told by the lab", 2) }
    var descriptors: [Int32] = []
    for file in orders.files {
      let descriptor = open(file.path, file.flags | O_CLOEXEC)
      guard descriptor >= 0 else { return say("open \(file.path): \(String(cString: strerror(errno)))", 127) }
      descriptors.append(descriptor)
    }
    let program = orders.command[0]
    let name = String(program.split(separator: "/").last ?? "")
    let arguments = ([name] + orders.command.dropFirst()).map { strdup($0) } + [nil]
    // Nothing of the environment is the program's business, and some of it may be secret.
    let environment =
      ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"].map { (word: String) in strdup(word) } + [nil]
    let result = descriptors.withUnsafeBufferPointer { descriptors in
      var how = clinux_confinement(
        descriptors: descriptors.baseAddress, count: Int32(descriptors.count),
        user: clinux_unowned_user(UInt32(getpid())), group: orders.group, file_size: orders.fileSize,
        memory: 0)
      return clinux_guard(program, arguments, environment, &how)
    }
    if result < 0 { return say("guard: \(String(cString: strerror(-result)))", 127) }
    // For whoever wants to know what a guest has cost.
    return say("pawslab-guard: cpu \(System.processorSeconds(RUSAGE_CHILDREN))", result)
  }

  private static func say(_ line: String, _ status: Int32) -> Int32 {
    try? Stream.write(2, Array("\(line)\n".utf8))
    return status
  }
}
