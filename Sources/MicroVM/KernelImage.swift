import Foundation
import Scenario

/// What a file that claims to be a kernel is (x86 boot protocol, Documentation/arch/x86/boot.rst; ELF notes).
enum KernelImage {
  /// A bzImage with its compressed payload, or an ELF kernel.
  enum Format: Equatable {
    /// The payload's place in the file, and the program that unpacks it; nil for one that we do not know.
    case bzImage(payload: Range<Int>, unpacker: [String]?)
    /// `pvh`: it can be started directly (XEN_ELFNOTE_PHYS32_ENTRY).
    case elf(pvh: Bool)
  }

  /// Reads the headers.
  /// - Throws: `Failure` for a file that is no x86-64 Linux kernel.
  static func format(of data: Data, named path: String) throws -> Format {
    func number(_ offset: Int, _ size: Int) -> Int {
      guard offset >= 0, offset + size <= data.count else { return 0 }
      return data[data.startIndex + offset..<data.startIndex + offset + size].reversed()
        .reduce(0) { $0 << 8 | Int($1) }
    }
    if number(0, 4) == 0x464c_457f { return .elf(pvh: hasPVHEntry(number)) }
    guard data.count > 0x260, number(0x1fe, 2) == 0xaa55, number(0x202, 4) == 0x5372_6448 else {
      throw Failure(
        stage: "kernel image", object: path, cause: "neither a bzImage nor an ELF kernel",
        mend: "name the file that the boot loader starts, e.g. /boot/vmlinuz-6.1.0-18-amd64")
    }
    let sectors = number(0x1f1, 1) == 0 ? 4 : number(0x1f1, 1)
    // The last four bytes of the payload are its unpacked size, which no unpacker expects.
    let first = (sectors + 1) * 512 + number(0x248, 4)
    let end = first + number(0x24c, 4) - 4
    guard first < end, end <= data.count else {
      throw Failure(
        stage: "kernel image", object: path, cause: "the file is cut short",
        mend: "fetch or copy it again")
    }
    let unpacker: [String]? =
      switch (number(first, 1), number(first, 2), number(first, 4)) {
      case (_, 0x8b1f, _): ["gzip", "-dc"]
      case (_, _, 0x587a_37fd): ["xz", "-dc"]
      case (_, _, 0xfd2f_b528): ["zstd", "-dcq"]
      case (_, _, 0x184c_2102): ["lz4", "-dcq"]
      case (_, 0x5a42, _): ["bzip2", "-dc"]
      case (0x5d, _, _): ["xz", "--format=lzma", "-dc"]
      default: nil
      }
    return .bzImage(payload: first..<end, unpacker: unpacker)
  }

  /// ELF64: a PT_NOTE of the name `Xen` and the type 18.
  private static func hasPVHEntry(_ number: (Int, Int) -> Int) -> Bool {
    let (headers, size, count) = (number(0x20, 8), number(0x36, 2), number(0x38, 2))
    for index in 0..<count {
      let header = headers + index * size
      guard number(header, 4) == 4 else { continue }
      var at = number(header + 8, 8)
      let end = at + number(header + 32, 8)
      while at + 12 <= end {
        let (name, length, type) = (number(at, 4), number(at + 4, 4), number(at + 8, 4))
        if type == 18, name == 4, number(at + 12, 4) == 0x006e_6558 { return true }
        at += 12 + ((name + 3) & ~3) + ((length + 3) & ~3)
      }
    }
    return false
  }

  /// The ELF kernel inside a bzImage, where it can be started directly: that saves the guest the unpacking.
  /// Nil where it cannot be had, for the bzImage boots too.
  static func unpacked(_ data: Data, payload: Range<Int>, unpacker: [String], scratch: URL) async -> Data? {
    guard Command.exists(unpacker[0]) else { return nil }
    let packed = scratch.appendingPathComponent("payload")
    defer { try? FileManager.default.removeItem(at: packed) }
    let range = data.startIndex + payload.lowerBound..<data.startIndex + payload.upperBound
    guard (try? data[range].write(to: packed)) != nil,
      let kernel = try? await Command(unpacker + [packed.path]).output(),
      case .elf(pvh: true)? = try? format(of: kernel, named: "vmlinux")
    else { return nil }
    return kernel
  }
}
