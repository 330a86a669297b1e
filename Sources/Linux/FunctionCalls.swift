import CLinux
import Glibc
import SystemPackage

/// How often functions of the kernel are called, whoever has it do so, in every namespace: kprobes that count.
/// `perf stat -a -e probe:FUNCTION`
///
/// Needs CAP_PERFMON outside of user namespaces, 4.17, and a kernel with kprobes. All ends with the descriptors.
public final class FunctionCalls {
  private var counters: [(function: String, descriptors: [Int32])] = []
  /// Those that cannot be counted, and why: no such symbol (a function that the compiler has put into its callers, or
  /// that this kernel does not have), or one that may not be probed.
  public private(set) var uncounted: [String: String] = [:]

  /// What compilers append to a function's name that they have changed or taken a part of (gcc(1), -fipa-sra).
  private static let suffixes = ["", ".isra.0", ".constprop.0", ".part.0"]

  /// Counts from now on.
  /// - Throws: `SystemError` where the kernel has no such events.
  public init(of functions: [String]) throws {
    let file = "/sys/bus/event_source/devices/kprobe/type"
    let type: UInt32
    do throws(Errno) { type = UInt32(try Files.read(file).filter(\.isNumber)) ?? 0 } catch {
      throw SystemError(
        stage: "perf_event_open", object: file, errno: error, detail: "no kprobes that count (4.17)")
    }
    for function in functions {
      var refusal: SystemError?
      for suffix in Self.suffixes {
        do {
          counters.append((function, try Self.open(function + suffix, type)))
          refusal = nil
          break
        } catch let error as SystemError {
          refusal = refusal ?? error
        }
      }
      if let refusal { uncounted[function] = "\(refusal)" }
    }
  }

  private static func open(_ symbol: String, _ type: UInt32) throws -> [Int32] {
    var descriptors: [Int32] = []
    for processor in 0..<sysconf(Int32(_SC_NPROCESSORS_CONF)) {
      let descriptor = clinux_count_calls(type, symbol, Int32(processor))
      if descriptor == -ENODEV { continue }  // a processor that is off
      do {
        descriptors.append(try SystemError.check(descriptor, "perf_event_open", "kprobe \(symbol)"))
      } catch {
        for descriptor in descriptors { close(descriptor) }
        throw error
      }
    }
    return descriptors
  }

  deinit { for descriptor in counters.flatMap(\.descriptors) { close(descriptor) } }

  /// How often each was called so far.
  public func read() throws -> [String: Int] {
    var calls: [String: Int] = [:]
    for (function, descriptors) in counters {
      for descriptor in descriptors {
        var count: UInt64 = 0
        let size = Glibc.read(descriptor, &count, 8)
        guard size == 8 else {
          throw SystemError(
            stage: "read", object: "kprobe \(function)", errno: size < 0 ? .current : .ioError)
        }
        calls[function, default: 0] += Int(clamping: count)
      }
    }
    return calls
  }
}
