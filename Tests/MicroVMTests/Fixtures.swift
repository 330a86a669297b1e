import Foundation

import Model

@testable import MicroVM

/// Little-endian numbers put into a file that is being made.
extension Data {
  mutating func put(_ offset: Int, _ bytes: [UInt8]) {
    if count < offset + bytes.count { append(Data(count: offset + bytes.count - count)) }
    replaceSubrange(startIndex + offset..<startIndex + offset + bytes.count, with: bytes)
  }

  mutating func put(_ offset: Int, _ number: Int, _ size: Int) {
    put(offset, (0..<size).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) })
  }
}

enum Fixtures {
  /// A boot header of protocol 2.15 with a payload, and behind that its size unpacked; nil for gzip's own.
  static func bzImage(_ payload: [UInt8], size: Int? = 0, release: String = "6.1.0-test") -> Data {
    var payload = payload
    if let size { payload += (0..<4).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) } }
    var data = Data(count: 4096)
    data.put(0x1f1, [1])
    data.put(0x1fe, [0x55, 0xaa])
    data.put(0x202, Array("HdrS".utf8))
    data.put(0x206, 0x20f, 2)
    data.put(0x20e, [0x00, 0x04])
    data.put(0x211, [1])
    data.put(0x236, [1])
    data.put(0x600, Array("\(release) (somebody) #1\0".utf8))
    data.put(0x248, 0x400, 4)
    data.put(0x24c, payload.count, 4)
    data.put(0x800, payload)
    return data
  }

  /// An x86-64 ELF program with one PT_NOTE, the note of a PVH entry.
  static var pvhKernel: Data {
    var data = Data(count: 0x40 + 56)
    data.put(0, [0x7f, 0x45, 0x4c, 0x46, 2, 1])
    data.put(0x10, 2, 2)
    data.put(0x12, 62, 2)
    data.put(0x20, 0x40, 8)
    data.put(0x36, 56, 2)
    data.put(0x38, 1, 2)
    data.put(0x40, 4, 4)
    data.put(0x48, 0x78, 8)
    data.put(0x60, 20, 8)
    return data + Data([4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0] + Array("Xen\0".utf8) + [0, 0, 0, 1])
  }

  /// A relocatable x86-64 ELF file with a section `.modinfo`.
  static func module(_ info: [String], machine: Int = 62) -> Data {
    let content = info.map { $0 + "\0" }.joined()
    let names = "\0.modinfo\0.shstrtab\0"
    let (start, strings) = (0x40, 0x40 + content.utf8.count)
    let headers = strings + names.utf8.count
    var data = Data()
    data.put(0, [0x7f, 0x45, 0x4c, 0x46, 2, 1])
    data.put(0x10, 1, 2)
    data.put(0x12, machine, 2)
    data.put(0x28, headers, 8)
    data.put(0x3a, 0x40, 2)
    data.put(0x3c, 3, 2)
    data.put(0x3e, 2, 2)
    data.put(start, Array(content.utf8))
    data.put(strings, Array(names.utf8))
    data.put(headers + 0xbf, [0])
    for (index, section) in [(1, start, content.utf8.count), (10, strings, names.utf8.count)].enumerated() {
      let header = headers + 0x40 * (index + 1)
      data.put(header, section.0, 4)
      data.put(header + 0x18, section.1, 8)
      data.put(header + 0x20, section.2, 8)
    }
    return data
  }

  /// One member of a tar archive (POSIX ustar), content and padding included.
  static func member(_ path: String, _ content: Data = Data(), type: Character = "0", target: String = "")
    -> Data
  {
    header(path, size: content.count, type: type, target: target) + content
      + Data(count: -content.count & 511)
  }

  /// The header of one alone.
  static func header(_ path: String, size: Int, type: Character = "0", target: String = "") -> Data {
    func octal(_ number: Int, _ digits: Int) -> [UInt8] {
      let text = String(number, radix: 8)
      return Array((String(repeating: "0", count: digits - text.count) + text + "\0").utf8)
    }
    var data = Data(count: 512)
    data.put(0, Array(path.utf8.prefix(100)))
    data.put(100, octal(0o644, 7))
    data.put(124, octal(size, 11))
    data.put(156, Array(String(type).utf8))
    data.put(157, Array(target.utf8.prefix(100)))
    data.put(257, Array("ustar\u{0}00".utf8))
    data.put(148, Array("        ".utf8))
    data.put(148, octal(data.reduce(0) { $0 + Int($1) }, 6))
    return data
  }

  /// A Debian package: `ar` of three members, the last a tar archive that is as it is.
  static func deb(_ members: [Data], name: String = "data.tar") -> Data {
    func part(_ name: String, _ content: Data) -> Data {
      func padded(_ text: String, _ size: Int) -> String {
        text.padding(toLength: size, withPad: " ", startingAt: 0)
      }
      let header =
        padded(name, 16) + padded("0", 12) + padded("0", 6) + padded("0", 6) + padded("100644", 8)
        + padded("\(content.count)", 10) + "`\n"
      return Data(header.utf8) + content + Data(count: content.count & 1)
    }
    let control =
      member("./control", Data("Package: x\nVersion: 1\nArchitecture: amd64\n".utf8)) + Data(count: 1024)
    return Data("!<arch>\n".utf8) + part("debian-binary", Data("2.0\n".utf8)) + part("control.tar", control)
      + part(name, members.reduce(Data(), +) + Data(count: 1024))
  }

  /// Runs `body` with an empty folder, which is removed.
  static func withFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("pawslab-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
  }

  /// Everything below a folder, but the files that are locked while it is changed.
  static func content(of folder: URL) -> [String] {
    ((try? FileManager.default.subpathsOfDirectory(atPath: folder.path)) ?? []).filter {
      !$0.hasSuffix(".lock")
    }.sorted()
  }
}
