import Glibc
import SystemPackage

/// The running kernel's types, as it describes them itself: `bpftool btf dump file /sys/kernel/btf/vmlinux`
/// (Documentation/bpf/btf.rst).
struct BTF {
  private let bytes: [UInt8]
  private let types: Int
  private let strings: Int
  /// Where each type stands in the type section, by its id; 0 is void.
  private var places: [Int] = [0]
  /// Ids of the structures, functions and enumerations that were asked for.
  private var found: [String: Int] = [:]

  private enum Kind: UInt32 {
    case int = 1, pointer, array, structure, union, enumeration, forward, typedef, volatile, const, restrict
    case function, prototype, variable, section, float, declarationTag, typeTag, enumeration64

    /// Bytes that follow the three words of every type.
    func tail(_ count: Int) -> Int {
      switch self {
      case .int, .variable, .declarationTag: 4
      case .array: 12
      case .structure, .union, .section, .enumeration64: 12 * count
      case .enumeration, .prototype: 8 * count
      default: 0
      }
    }
  }

  /// Reads what `names` are of the kernel's structures, functions and enumerations.
  init(names: Set<String>) throws {
    let path = "/sys/kernel/btf/vmlinux"
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError(stage: "open", object: path, errno: .current) }
    defer { close(descriptor) }
    do { bytes = try Files.readAll(descriptor) } catch {
      throw SystemError(stage: "read", object: path, errno: error)
    }
    let header = bytes.count < 24 ? 0 : Int(Self.word(bytes, 4))
    guard header >= 24, Self.word(bytes, 0) & 0xffff == 0xeb9f else {
      throw SystemError(stage: "read", object: path, errno: .invalidArgument, detail: "it is no BTF")
    }
    types = header + Int(Self.word(bytes, 8))
    strings = header + Int(Self.word(bytes, 16))
    let end = types + Int(Self.word(bytes, 12))
    guard end <= bytes.count, strings + Int(Self.word(bytes, 20)) <= bytes.count else {
      throw SystemError(stage: "read", object: path, errno: .invalidArgument, detail: "it is cut short")
    }
    let wanted = Dictionary(grouping: names, by: { $0.utf8.first ?? 0 })
    var place = types
    while place + 12 <= end {
      let (kind, count) = (kind(at: place), count(at: place))
      guard let kind else {
        throw SystemError(
          stage: "read", object: path, errno: .invalidArgument, detail: "a kind of type that is not known")
      }
      if kind == .structure || kind == .function || kind == .enumeration {
        let name = strings + Int(Self.word(bytes, place))
        if let match = wanted[bytes[name]]?.first(where: { isName($0, at: name) }) {
          found[match] = places.count
        }
      }
      places.append(place)
      place += 12 + kind.tail(count)
    }
  }

  /// A function's id, for `attach_btf_id`, and how many arguments it has.
  func function(_ name: String) throws -> (id: Int, arguments: Int) {
    guard let id = found[name], kind(at: places[id]) == .function else { throw missing(name) }
    return (id, count(at: places[Int(Self.word(bytes, places[id] + 8))]))
  }

  /// Bytes from a structure's beginning to a member, also through members and anonymous unions:
  /// `offset(of: "rx_opt.ts_recent", in: "tcp_sock")`. For a bit field also its first bit.
  func offset(of path: String, in structure: String) throws -> (bytes: Int, bit: Int) {
    guard var id = found[structure] else { throw missing(structure) }
    var bits = 0
    for name in path.split(separator: ".") {
      guard let member = member(String(name), of: id) else { throw missing("\(structure).\(path)") }
      bits += member.bits
      id = member.type
    }
    return (bits / 8, bits % 8)
  }

  /// The names of an enumeration's values.
  func names(of enumeration: String) throws -> [(name: String, value: Int)] {
    guard let id = found[enumeration], kind(at: places[id]) == .enumeration else {
      throw missing(enumeration)
    }
    return (0..<count(at: places[id])).map { index in
      let at = places[id] + 12 + 8 * index
      let name = bytes[(strings + Int(Self.word(bytes, at)))...].prefix { $0 != 0 }
      return (String(decoding: name, as: UTF8.self), Int(Int32(bitPattern: Self.word(bytes, at + 4))))
    }
  }

  private func member(_ name: String, of structure: Int) -> (bits: Int, type: Int)? {
    guard let id = resolved(structure) else { return nil }
    let place = places[id]
    let hasFields = Self.word(bytes, place + 4) >> 31 == 1
    for index in 0..<count(at: place) {
      let at = place + 12 + 12 * index
      let type = Int(Self.word(bytes, at + 4))
      let bits = Int(hasFields ? Self.word(bytes, at + 8) & 0xff_ffff : Self.word(bytes, at + 8))
      let own = Int(Self.word(bytes, at))
      if own == 0 || bytes[strings + own] == 0 {
        if let inner = member(name, of: type) { return (bits + inner.bits, inner.type) }
      } else if isName(name, at: strings + own) {
        return (bits, type)
      }
    }
    return nil
  }

  /// The structure or union behind typedefs and qualifiers.
  private func resolved(_ id: Int) -> Int? {
    var id = id
    while id > 0, id < places.count {
      switch kind(at: places[id]) {
      case .structure, .union: return id
      case .typedef, .const, .volatile, .typeTag: id = Int(Self.word(bytes, places[id] + 8))
      default: return nil
      }
    }
    return nil
  }

  private func missing(_ name: String) -> SystemError {
    SystemError(
      stage: "BTF", object: name, errno: .noSuchFileOrDirectory, detail: "this kernel has none of that name")
  }

  private func kind(at place: Int) -> Kind? { Kind(rawValue: (Self.word(bytes, place + 4) >> 24) & 0x1f) }
  private func count(at place: Int) -> Int { Int(Self.word(bytes, place + 4) & 0xffff) }

  private func isName(_ name: String, at start: Int) -> Bool {
    var place = start
    for byte in name.utf8 {
      guard place < bytes.count, bytes[place] == byte else { return false }
      place += 1
    }
    return place < bytes.count && bytes[place] == 0
  }

  private static func word(_ bytes: [UInt8], _ at: Int) -> UInt32 {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: UInt32.self) }
  }
}

extension [String: Int] {
  /// A place that was kept of a kernel's types.
  ///
  /// - Throws: where it was not, or is no such number: kept by another version of the lab, or misspelt.
  func kept(_ name: String) throws -> Int {
    guard let value = self[name], (0...1 << 28).contains(value) else {
      throw SystemError(
        stage: "layout", object: name, errno: .invalidArgument,
        detail: "where this kernel keeps it was not found out; its probe is of another version")
    }
    return value
  }
}
