import Fuzz
import Netlink

extension WorkerProgram {
  /// `fuzz BATCH PROGRESS MILLISECONDS`: reads each input of a batch as every answer of a kernel's that the lab asks
  /// for. Started by `pawslab bench fuzz`.
  static func fuzz(_ arguments: [String]) -> Int32 {
    guard arguments.count == 3, let milliseconds = Int(arguments[2]) else { return 2 }
    var limits = Batch.Limits()
    limits.milliseconds = milliseconds
    return Batch.run(arguments[0], progress: arguments[1], limits: limits) {
      _ = NetlinkMessages.everyReading(of: $0)
    }
  }
}
