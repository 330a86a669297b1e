import SystemPackage

extension BPF {
  /// r0 the result, r1 to r5 arguments, r6 to r9 kept over calls, r10 the frame.
  public enum Register: UInt8, Sendable {
    case r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10
  }

  /// Helpers, by their number in `enum bpf_func_id`.
  public enum Helper: Int32, Sendable {
    case mapLookup = 1
    case mapUpdate = 2
    case monotonicNanoseconds = 5
    case storeBytes = 9
    case l4ChecksumReplace = 11
    case loadBytes = 26
    case readKernel = 113
    case processInNamespace = 120
  }

  /// How many bytes a load or store moves.
  public enum Size: UInt8, Sendable {
    case word = 0x00
    case half = 0x08
    case byte = 0x10
    case double = 0x18
  }

  /// A program with named targets for forward jumps. All but the comparisons of 32 bits (5.1) is of the first BPF
  /// instruction set, which 4.9 loads.
  public struct Program {
    private var words: [UInt64] = []
    private var jumps: [(at: Int, target: String)] = []
    private var targets: [String: Int] = [:]

    /// An empty program.
    public init() {}

    /// `to = from`
    public mutating func move(_ to: Register, _ from: Register) { emit(0xbf, to, from) }
    /// `to = value`, 64 bits
    public mutating func set(_ to: Register, long value: UInt64) {
      emit(0x18, to, immediate: Int32(truncatingIfNeeded: value))
      words.append((value >> 32) << 32)
    }
    /// `to = value`
    public mutating func set(_ to: Register, _ value: Int32) { emit(0xb7, to, immediate: value) }
    /// `to += value`
    public mutating func add(_ to: Register, _ value: Int32) { emit(0x07, to, immediate: value) }
    /// `to += from`
    public mutating func add(_ to: Register, _ from: Register) { emit(0x0f, to, from) }
    /// `to -= from`
    public mutating func subtract(_ to: Register, _ from: Register) { emit(0x1f, to, from) }
    /// `to *= value`
    public mutating func multiply(_ to: Register, _ value: Int32) { emit(0x27, to, immediate: value) }
    /// `to /= value`, unsigned
    public mutating func divide(_ to: Register, _ value: Int32) { emit(0x37, to, immediate: value) }
    /// `to >>= bits`, unsigned
    public mutating func shiftRight(_ to: Register, _ bits: Int32) { emit(0x77, to, immediate: bits) }
    /// `to &= value`
    public mutating func and(_ to: Register, _ value: Int32) { emit(0x57, to, immediate: value) }
    /// `to += from`, modulo 2^32
    public mutating func add32(_ to: Register, _ from: Register) { emit(0x0c, to, from) }
    /// `to -= from`, modulo 2^32
    public mutating func subtract32(_ to: Register, _ from: Register) { emit(0x1c, to, from) }
    /// `to = htonl(to)`
    public mutating func bigEndian32(_ to: Register) { emit(0xdc, to, immediate: 32) }
    /// `to = *(size *)(from + offset)`
    public mutating func load(_ size: Size, _ to: Register, _ from: Register, _ offset: Int16) {
      emit(0x61 | size.rawValue, to, from, offset: offset)
    }
    /// `*(size *)(to + offset) = from`
    public mutating func store(
      _ size: Size, _ to: Register, _ offset: Int16, _ from: Register
    ) {
      emit(0x63 | size.rawValue, to, from, offset: offset)
    }
    /// `to = map`
    public mutating func load(_ to: Register, map: Map) {
      emit(0x18, to, .r1, immediate: map.fileDescriptor)  // source 1 is BPF_PSEUDO_MAP_FD
      words.append(0)
    }
    /// `if (register == value) goto target`
    public mutating func jump(if register: Register, equals value: Int32, to target: String) {
      jumps.append((words.count, target))
      emit(0x15, register, immediate: value)
    }
    /// `if (register != value) goto target`
    public mutating func jump(if register: Register, differsFrom value: Int32, to target: String) {
      jumps.append((words.count, target))
      emit(0x55, register, immediate: value)
    }
    /// `if (register > value) goto target`, unsigned
    public mutating func jump(if register: Register, exceeds value: Int32, to target: String) {
      jumps.append((words.count, target))
      emit(0x25, register, immediate: value)
    }
    /// `if (register == other) goto target`
    public mutating func jump(if register: Register, equals other: Register, to target: String) {
      jumps.append((words.count, target))
      emit(0x1d, register, other)
    }
    /// `if ((s32)register > value) goto target`
    public mutating func jump(ifSigned32 register: Register, exceeds value: Int32, to target: String) {
      jumps.append((words.count, target))
      emit(0x66, register, immediate: value)
    }
    /// `goto target`
    public mutating func jump(to target: String) {
      jumps.append((words.count, target))
      emit(0x05, .r0)
    }
    /// `target:`
    public mutating func label(_ target: String) { targets[target] = words.count }
    /// `r0 = helper(r1, r2, r3, r4, r5)`
    public mutating func call(_ helper: Helper) { emit(0x85, .r0, immediate: helper.rawValue) }
    /// `return r0`
    public mutating func exit() { emit(0x95, .r0) }

    // MARK: a few of these together; `frame` is an offset below r10

    /// `*(u64 *)(frame) = 0`
    mutating func zero(_ frame: Int16) {
      set(.r1, 0)
      store(.double, .r10, frame, .r1)
    }
    /// `memcpy(frame, base + offset, size)` of kernel memory; zeros where that cannot be read.
    mutating func read(_ size: Int32, _ base: Register, _ offset: Int, to frame: Int16) {
      move(.r1, .r10)
      add(.r1, Int32(frame))
      set(.r2, size)
      move(.r3, base)
      add(.r3, Int32(offset))
      call(.readKernel)
    }
    /// `register = base->member` of so many bytes, by way of the 8 bytes at `frame`; 0 where it cannot be read.
    mutating func fetch(
      _ register: Register, _ size: Int32, _ base: Register, _ offset: Int, through frame: Int16
    ) {
      zero(frame)
      read(size, base, offset, to: frame)
      load(.double, register, .r10, frame)
    }
    /// `r0 = bpf_map_lookup_elem(map, key)`
    mutating func lookup(_ map: Map, _ key: Int16) {
      load(.r1, map: map)
      move(.r2, .r10)
      add(.r2, Int32(key))
      call(.mapLookup)
    }
    /// `bpf_map_update_elem(map, key, value, BPF_ANY)`
    mutating func update(_ map: Map, _ key: Int16, _ value: Int16) {
      load(.r1, map: map)
      move(.r2, .r10)
      add(.r2, Int32(key))
      move(.r3, .r10)
      add(.r3, Int32(value))
      set(.r4, 0)
      call(.mapUpdate)
    }

    /// The instructions with their jumps resolved; every jump goes forward, so there is no loop.
    func assembled() throws -> [UInt64] {
      var words = words
      for jump in jumps {
        guard let target = targets[jump.target], target > jump.at else {
          throw SystemError(stage: "assemble", object: "jump to \(jump.target)", errno: .invalidArgument)
        }
        words[jump.at] |= UInt64(UInt16(target - jump.at - 1)) << 16
      }
      return words
    }

    private mutating func emit(
      _ code: UInt8, _ destination: Register, _ source: Register = .r0, offset: Int16 = 0,
      immediate: Int32 = 0
    ) {
      words.append(
        UInt64(code) | UInt64(destination.rawValue | source.rawValue << 4) << 8
          | UInt64(UInt16(bitPattern: offset)) << 16 | UInt64(UInt32(bitPattern: immediate)) << 32)
    }
  }
}
