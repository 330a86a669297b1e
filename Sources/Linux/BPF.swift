import CLinux
import Glibc
import SystemPackage

/// bpf(2), as far as a tc classifier with one array needs it.
public enum BPF {
  /// An array of 32-bit values. Lives as long as the instance or a program that uses it.
  public final class Array32 {
    let fileDescriptor: Int32

    /// `bpftool map create ... type array key 4 value 4`
    public init(entries: Int) throws {
      _ = clinux_lift_memlock()  // best effort: a user namespace may not
      fileDescriptor = try SystemError.check(
        clinux_bpf_array_create(4, UInt32(entries)), "bpf(BPF_MAP_CREATE)", "array")
    }

    deinit { close(fileDescriptor) }

    /// `bpftool map update`
    public func set(_ index: Int, _ value: UInt32) throws {
      var value = value
      try SystemError.check(
        clinux_bpf_array_update(fileDescriptor, UInt32(index), &value), "bpf(BPF_MAP_UPDATE_ELEM)",
        "array[\(index)]")
    }
  }

  /// A loaded BPF_PROG_TYPE_SCHED_CLS program. Lives as long as the instance or a filter that holds it.
  public final class Classifier {
    /// For the tc filter that attaches it.
    public let fileDescriptor: Int32

    /// Loads; the error carries the verifier's log.
    public init(_ program: Program) throws {
      var words = try program.assembled()
      var log = [CChar](repeating: 0, count: 65536)
      let result = clinux_bpf_load_classifier(&words, UInt32(words.count), &log, UInt32(log.count))
      guard result >= 0 else {
        let text = String(
          decoding: log.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        throw SystemError(
          stage: "bpf(BPF_PROG_LOAD)", object: "classifier", errno: Errno(rawValue: -result),
          detail: text.isEmpty ? nil : text)
      }
      fileDescriptor = result
    }

    deinit { close(fileDescriptor) }
  }

}
