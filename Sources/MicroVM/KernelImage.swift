import Foundation
import Model

/// What a file that claims to be a kernel is, by its headers (x86 boot protocol, Documentation/arch/x86/boot.rst; ELF).
/// Any bytes may come: what is no x86-64 Linux kernel is a `Failure`, in a time that does not depend on them.
public struct KernelImage: Equatable, Sendable {
  /// A bzImage with its compressed payload, or an ELF kernel.
  public enum Format: Equatable, Sendable {
    /// The payload's place in the file, the bytes that it says to have unpacked, and the program that unpacks it; nil
    /// for one that we do not know.
    case bzImage(payload: Range<Int>, size: Int, unpacker: [String]?)
    /// `pvh`: it can be started directly (XEN_ELFNOTE_PHYS32_ENTRY).
    case elf(pvh: Bool)
  }

  public let format: Format
  /// The text that `file(1)` shows: the boot header's kernel_version (offset 0x20e); nil in an ELF kernel.
  public let release: String?

  /// Reads the headers.
  /// - Throws: `Failure` for a file that is no x86-64 Linux kernel; its object is `image`.
  public init(bytes: Data) throws(Failure) { try self.init(bytes: bytes, named: "image") }

  /// - Parameter path: what a failure calls the file.
  init(bytes: Data, named path: String) throws(Failure) {
    let bytes = Bytes(bytes)
    if bytes.number(0, 4) == 0x464c_457f {
      format = .elf(pvh: try Self.checked(elf: bytes, path))
      release = nil
    } else {
      format = try Self.checked(bzImage: bytes, path)
      release = Self.release(bytes)
    }
  }

  private static func refused(_ path: String, _ cause: String, _ mend: String) -> Failure {
    Failure(stage: "kernel image", object: path, cause: cause, mend: mend)
  }

  private static func foreign(_ path: String, _ what: String) -> Failure {
    refused(
      path, "it is a kernel for \(what), and guests are x86-64", "build or fetch the same kernel for amd64")
  }

  // MARK: bzImage

  private static func checked(bzImage bytes: Bytes, _ path: String) throws(Failure) -> Format {
    // Documentation/arch/arm64/booting.rst and arch/riscv/boot-image-header.rst
    if bytes.number(0x38, 4) == 0x644d_5241 { throw foreign(path, "arm64") }
    if bytes.number(0x38, 4) == 0x0543_5352 { throw foreign(path, "RISC-V") }
    guard bytes.count > 0x260, bytes.number(0x1fe, 2) == 0xaa55, bytes.number(0x202, 4) == 0x5372_6448 else {
      throw refused(
        path, "neither a bzImage nor an ELF kernel",
        "name the file that the boot loader starts, e.g. /boot/vmlinuz-6.1.0-18-amd64")
    }
    // xloadflags, XLF_KERNEL_64: since protocol 2.12, which is Linux 3.8, and guests load modules as that one does.
    guard let protocolVersion = bytes.number(0x206, 2), protocolVersion >= 0x20c else {
      throw refused(
        path, "its boot protocol is older than 2.12 (Linux 3.8)", "guests run kernels from 3.10 on")
    }
    guard let flags = bytes.number(0x236, 2), flags & 1 == 1 else { throw foreign(path, "i386") }
    guard let loadFlags = bytes.number(0x211, 1), loadFlags & 1 == 1 else {
      throw refused(path, "a zImage, which is loaded low", "make bzImage")
    }
    let sectors = bytes.number(0x1f1, 1) ?? 0
    let first = ((sectors == 0 ? 4 : sectors) + 1) * 512 + (bytes.number(0x248, 4) ?? 0)
    let length = bytes.number(0x24c, 4) ?? 0
    guard length > 4, bytes.slice(first, length) != nil else {
      throw refused(path, "the file is cut short", "fetch or copy it again")
    }
    let unpacker: [String]? =
      switch (bytes.number(first, 1), bytes.number(first, 2), bytes.number(first, 4)) {
      case (_, 0x8b1f, _): ["gzip", "-dc"]
      // The kernel is packed with windows of 32 MiB by xz and of 128 MiB by zstd.
      case (_, _, 0x587a_37fd): ["xz", "--memlimit-decompress=192MiB", "-dc"]
      case (_, _, 0xfd2f_b528): ["zstd", "--memory=192MB", "-dcq"]
      case (_, _, 0x184c_2102): ["lz4", "-dcq"]
      case (_, 0x5a42, _): ["bzip2", "-dc"]
      case (0x5d, _, _): ["xz", "--format=lzma", "--memlimit-decompress=192MiB", "-dc"]
      default: nil
      }
    // The last four bytes are its size unpacked (size_append in scripts/Makefile.lib): gzip's own, and nothing that
    // another unpacker expects.
    let end = unpacker?.first == "gzip" ? first + length : first + length - 4
    return .bzImage(
      payload: Int(first)..<Int(end), size: Int(bytes.number(first + length - 4, 4) ?? 0), unpacker: unpacker)
  }

  private static func release(_ bytes: Bytes) -> String? {
    guard let offset = bytes.number(0x20e, 2), offset > 0,
      let text = bytes.slice(
        offset + 0x200, min(128, UInt64(bytes.count) - min(UInt64(bytes.count), offset + 0x200)))
    else { return nil }
    return Release.checked(String(decoding: text.prefix { $0 != 0 && $0 != 0x20 }, as: UTF8.self))
  }

  // MARK: ELF

  /// Machines by their number in elf(5).
  private static let machines: [UInt64: String] = [
    3: "i386", 8: "MIPS", 20: "PowerPC", 21: "PowerPC", 22: "s390x", 40: "arm", 43: "SPARC", 183: "arm64",
    243: "RISC-V", 258: "LoongArch",
  ]

  /// Whether it has a PVH entry: a PT_NOTE of the name `Xen` and the type 18.
  private static func checked(elf bytes: Bytes, _ path: String) throws(Failure) -> Bool {
    guard let machine = bytes.number(0x12, 2), bytes.count >= 0x40 else {
      throw refused(path, "the file is cut short", "fetch or copy it again")
    }
    // Big-endian ones have the number's bytes the other way round.
    let swapped = machine >> 8 | (machine & 0xff) << 8
    guard machine == 62 else {
      throw foreign(
        path, machines[bytes.number(5, 1) == 2 ? swapped : machine] ?? "another machine (\(machine))")
    }
    guard bytes.number(4, 1) == 2 else { throw foreign(path, "x32") }
    guard let type = bytes.number(0x10, 2), type == 2 || type == 3 else {
      throw refused(
        path, "an ELF file that is no program: a module, an object or a core",
        "name vmlinux, or the bzImage that the boot loader starts")
    }
    guard let headers = bytes.number(0x20, 8), let size = bytes.number(0x36, 2),
      let count = bytes.number(0x38, 2)
    else { return false }
    // A kernel has less than ten of either.
    for index in 0..<min(count, 64) {
      let (header, overflow) = headers.addingReportingOverflow(index * size)
      guard !overflow, bytes.number(header, 4) == 4, header < UInt64(bytes.count),
        let offset = bytes.number(header + 8, 8), let length = bytes.number(header + 32, 8),
        let notes = bytes.slice(offset, min(length, 64 << 10))
      else { continue }
      if hasPVHEntry(Bytes(notes)) { return true }
    }
    return false
  }

  private static func hasPVHEntry(_ notes: Bytes) -> Bool {
    var at: UInt64 = 0
    while let name = notes.number(at, 4), let length = notes.number(at + 4, 4),
      let type = notes.number(at + 8, 4)
    {
      if type == 18, name == 4, notes.number(at + 12, 4) == 0x006e_6558 { return true }
      at += 12 + ((name + 3) & ~3) + ((length + 3) & ~3)
    }
    return false
  }

  // MARK: the kernel inside

  /// The ELF kernel inside a bzImage, where it can be started directly: that saves the guest the unpacking.
  ///
  /// - Parameters:
  ///   - size: bytes that it may have, as its header says.
  ///   - target: is made, and filled by an unpacker that is nobody.
  /// - Returns: false, and no file, where it cannot be had so, for the bzImage boots too.
  static func unpack(_ image: Data, payload: Range<Int>, size: Int, by unpacker: [String], to target: URL)
    -> Bool
  {
    guard size <= Bounds.unpackedKernel else { return false }
    do {
      let packed = try MemoryFile(
        "payload", image[image.startIndex + payload.lowerBound..<image.startIndex + payload.upperBound])
      let file = try NewFile(target.path)
      try Unpacker(unpacker, from: packed.path, deadline: Bounds.seconds).run { bytes in
        try file.append(bytes, atMost: size, of: "kernel image")
      }
      let kernel = try Files.read(target.path, stage: "kernel image", atMost: Bounds.unpackedKernel)
      if try KernelImage(bytes: kernel).format == .elf(pvh: true) { return true }
    } catch {}
    try? FileManager.default.removeItem(at: target)
    return false
  }
}

/// `uname -r`: at most 64 characters (include/uapi/linux/utsname.h), of those that folders of modules are named by.
enum Release {
  /// The text, if it can be one.
  static func checked(_ text: String) -> String? {
    let isOne =
      (1...64).contains(text.utf8.count) && !text.hasPrefix(".") && !text.hasPrefix("-")
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "._+~-:@".utf8.contains(byte)
        }
      }
    return isOne ? text : nil
  }
}
