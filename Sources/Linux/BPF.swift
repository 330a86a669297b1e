import CLinux
import Glibc
import SystemPackage

/// bpf(2), as far as the lab's own programs need it. Everything lives as long as its instance, or as what uses it.
public enum BPF {
  /// A map of values of a fixed size by keys of a fixed size.
  public class Map {
    let fileDescriptor: Int32
    let keySize: Int
    let valueSize: Int

    /// By number in `enum bpf_map_type`.
    enum Kind: UInt32 {
      case hash = 1
      case array = 2
      case perCPUArray = 6
    }

    /// `bpftool map create ... type KIND key KEY value VALUE entries ENTRIES`, sizes in bytes.
    init(_ kind: Kind, key: Int, value: Int, entries: Int) throws {
      _ = clinux_lift_memlock()  // best effort: a user namespace may not
      (keySize, valueSize) = (key, value)
      fileDescriptor = try SystemError.check(
        clinux_bpf_map_create(kind.rawValue, UInt32(key), UInt32(value), UInt32(entries)),
        "bpf(BPF_MAP_CREATE)", "\(kind)")
    }

    deinit { close(fileDescriptor) }

    /// `bpftool map update`
    func set(_ key: [UInt8], _ value: [UInt8]) throws {
      precondition(key.count == keySize && value.count == valueSize)
      try SystemError.check(
        clinux_bpf_map_update(fileDescriptor, key, value), "bpf(BPF_MAP_UPDATE_ELEM)", "map")
    }

    /// `bpftool map lookup`
    func value(_ key: [UInt8]) -> [UInt8]? {
      var value = [UInt8](repeating: 0, count: valueSize)
      return clinux_bpf_map_lookup(fileDescriptor, key, &value) == 0 ? value : nil
    }

    /// `bpftool map delete`
    func remove(_ key: [UInt8]) { _ = clinux_bpf_map_delete(fileDescriptor, key) }

    /// `bpftool map dump`
    func all() -> [(key: [UInt8], value: [UInt8])] {
      var all: [(key: [UInt8], value: [UInt8])] = []
      var key: [UInt8]?
      var next = [UInt8](repeating: 0, count: keySize)
      while clinux_bpf_map_next_key(fileDescriptor, key, &next) == 0 {
        if let value = value(next) { all.append((next, value)) }
        key = next
      }
      return all
    }
  }

  /// An array of 32-bit values.
  public final class Array32: Map {
    /// `bpftool map create ... type array key 4 value 4`
    public init(entries: Int) throws { try super.init(.array, key: 4, value: 4, entries: entries) }

    /// `bpftool map update`
    public func set(_ index: Int, _ value: UInt32) throws {
      try set(UInt32(index).nativeBytes, value.nativeBytes)
    }
  }

  /// What a program is loaded for.
  enum Purpose {
    /// A tc filter.
    case classifier
    /// The beginning, the end, or the returned value of the kernel function with that BTF id.
    case entry(Int), exit(Int), returnValue(Int)
    /// A tracepoint by name, with what the kernel gives it.
    case tracepoint(String)
  }

  /// A loaded program.
  public class LoadedProgram {
    /// For the tc filter that attaches it.
    public let fileDescriptor: Int32

    /// Loads; the error carries the verifier's log.
    init(_ program: Program, for purpose: Purpose) throws {
      var words = try program.assembled()
      var log = [CChar](repeating: 0, count: 65536)
      let (kind, function) =
        switch purpose {
        case .classifier: (CLINUX_BPF_CLASSIFIER, 0)
        case .entry(let id): (CLINUX_BPF_FENTRY, id)
        case .exit(let id): (CLINUX_BPF_FEXIT, id)
        case .returnValue(let id): (CLINUX_BPF_MODIFY_RETURN, id)
        case .tracepoint: (CLINUX_BPF_RAW_TRACEPOINT, 0)
        }
      let result = clinux_bpf_load(
        Int32(kind), UInt32(function), &words, UInt32(words.count), &log, UInt32(log.count))
      guard result >= 0 else {
        let text = String(
          decoding: log.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        throw SystemError(
          stage: "bpf(BPF_PROG_LOAD)", object: "\(purpose)", errno: Errno(rawValue: -result),
          detail: text.isEmpty ? nil : text)
      }
      fileDescriptor = result
    }

    deinit { close(fileDescriptor) }
  }

  /// A BPF_PROG_TYPE_SCHED_CLS program, for a tc filter.
  public final class Classifier: LoadedProgram {
    /// Loads; the error carries the verifier's log.
    public init(_ program: Program) throws { try super.init(program, for: .classifier) }
  }

  /// A program that runs with a kernel function (BPF_PROG_TYPE_TRACING) or a tracepoint, attached while this lives.
  final class Trampoline: LoadedProgram {
    private var link: Int32 = -1

    /// Loads and attaches.
    override init(_ program: Program, for purpose: Purpose) throws {
      try super.init(program, for: purpose)
      var tracepoint: String?
      if case .tracepoint(let name) = purpose { tracepoint = name }
      link = try SystemError.check(
        clinux_bpf_attach(fileDescriptor, tracepoint), "bpf(BPF_RAW_TRACEPOINT_OPEN)", "\(purpose)")
    }

    /// How often it was not run because it was running already: an interrupt within it.
    var misses: Int { max(0, Int(clinux_bpf_misses(fileDescriptor))) }

    deinit { if link >= 0 { close(link) } }
  }
}

extension FixedWidthInteger {
  /// As it lies in memory.
  var nativeBytes: [UInt8] { withUnsafeBytes(of: self) { Array($0) } }
}

extension [UInt8] {
  /// The number that lies there in memory.
  func native<Number: FixedWidthInteger>(at offset: Int, as type: Number.Type = Number.self) -> Number {
    withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
  }
}
