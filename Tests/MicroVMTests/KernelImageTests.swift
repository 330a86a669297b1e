import Foundation
import Model
import Testing

@testable import MicroVM

@Suite struct KernelImageTests {
  private func refusal(_ data: Data) -> String {
    do {
      _ = try KernelImage(bytes: data)
      return "taken"
    } catch { return error.cause }
  }

  @Test func thePayloadIsFoundAndItsUnpackerNamed() throws {
    for (magic, program) in [
      ([0x1f, 0x8b, 8], "gzip"), ([0xfd, 0x37, 0x7a, 0x58], "xz"), ([0x28, 0xb5, 0x2f, 0xfd], "zstd"),
      ([0x02, 0x21, 0x4c, 0x18], "lz4"),
    ] as [([UInt8], String)] {
      let image = try KernelImage(
        bytes: Fixtures.bzImage(magic + [UInt8](repeating: 0, count: 16), size: 5_000_000))
      guard case .bzImage(let payload, let size, let unpacker) = image.format else {
        Issue.record("no bzImage")
        return
      }
      // Without the four bytes of its size at the end, but gzip's.
      #expect(payload == 0x800..<0x800 + 16 + magic.count + (program == "gzip" ? 4 : 0))
      #expect(size == 5_000_000)
      #expect(unpacker?.first == program)
      #expect(image.release == "6.1.0-test")
    }
  }

  @Test func anythingElseIsNoKernel() throws {
    let none = "neither a bzImage nor an ELF kernel"
    #expect(refusal(Data("not a kernel, however long it may be".utf8)) == none)
    #expect(refusal(Data()) == none)
    let whole = Fixtures.bzImage([UInt8](repeating: 0x1f, count: 3000))
    #expect(refusal(whole) == "taken")
    #expect(refusal(whole[0..<3000]) == "the file is cut short")
    // A slice begins elsewhere than a file.
    #expect(refusal((Data(count: 10) + whole)[10...]) == "taken")
    #expect(refusal(Data([0x7f, 0x45, 0x4c, 0x46])) == "the file is cut short")
    #expect(try KernelImage(bytes: Fixtures.pvhKernel).format == .elf(pvh: true))
  }

  @Test func anotherMachinesKernelIsRefusedAtOnce() {
    var i386 = Fixtures.bzImage([0x1f, 0x8b, 8])
    i386.put(0x236, [0])
    #expect(refusal(i386) == "it is a kernel for i386, and guests are x86-64")
    var old = i386
    old.put(0x206, 0x20a, 2)
    #expect(refusal(old).contains("boot protocol is older than 2.12"))
    var low = Fixtures.bzImage([0x1f, 0x8b, 8])
    low.put(0x211, [0])
    #expect(refusal(low) == "a zImage, which is loaded low")
    for (machine, name) in [(3, "i386"), (183, "arm64"), (243, "RISC-V")] {
      var elf = Fixtures.pvhKernel
      elf.put(0x12, machine, 2)
      #expect(refusal(elf) == "it is a kernel for \(name), and guests are x86-64")
    }
    var s390 = Fixtures.pvhKernel
    s390.put(5, [2])
    s390.put(0x12, [0, 22])
    #expect(refusal(s390) == "it is a kernel for s390x, and guests are x86-64")
    var object = Fixtures.pvhKernel
    object.put(0x10, 1, 2)
    #expect(refusal(object) == "an ELF file that is no program: a module, an object or a core")
    var arm = Data(count: 4096)
    arm.put(0x38, Array("ARM\u{64}".utf8))
    #expect(refusal(arm) == "it is a kernel for arm64, and guests are x86-64")
  }

  /// Whatever the numbers in the headers say, there is an answer, and soon: each field at its extremes, and bytes by chance.
  @Test func noBytesAreATrapOrALongWait() {
    let seeds = [
      Fixtures.bzImage([0x1f, 0x8b, 8, 0, 0, 0]), Fixtures.pvhKernel,
      Fixtures.module(["depends=a,b", "alias=c*"]),
      Fixtures.member("boot/vmlinuz-1", Data("abc".utf8)),
      Data("kernel/a.ko: kernel/b.ko\nalias a* b\n".utf8),
    ]
    var random = SplitMix(state: 42)
    let start = ContinuousClock.now
    var count = 0
    for seed in seeds {
      for round in 0..<2000 {
        var data = seed
        for _ in 0...(round % 4) {
          let at = Int(random.next() % UInt64(data.count))
          let values: [UInt8] = [0, 1, 0x7f, 0x80, 0xff, UInt8(truncatingIfNeeded: random.next())]
          let value = values[Int(random.next() % 6)]
          data.put(
            at, [UInt8](repeating: value, count: min(data.count - at, [1, 2, 4, 8][Int(random.next() % 4)])))
        }
        if round % 7 == 0 { data = data.prefix(Int(random.next() % UInt64(data.count + 1))) }
        _ = try? KernelImage(bytes: data)
        _ = try? ModuleInfo(bytes: data)
        _ = try? ModuleIndex(bytes: data)
        _ = try? StoredKernel(bytes: data, of: .running)
        _ = try? ArchiveListing(bytes: data)
        count += 1
      }
    }
    #expect(count == 10_000)
    // A wide class: a hundred times what it takes.
    #expect(ContinuousClock.now - start < .seconds(100))
  }

  private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
  }

  /// 400 MiB of zeros in half a MiB: those that say so are not begun, those that say less are given up there. Nothing of
  /// it stays, and the image is still one.
  @Test(arguments: [["gzip", "-c"], ["xz", "-0", "-c"], ["zstd", "-qc"]])
  func aPayloadWithoutEndIsNotUnpacked(_ packer: [String]) async throws {
    try await Fixtures.withFolder { folder in
      let zeros = folder.appendingPathComponent("zeros")
      try Data().write(to: zeros)
      let handle = try FileHandle(forWritingTo: zeros)
      try handle.truncate(atOffset: 400 << 20)
      try handle.close()
      let packed = Array(try await Command(packer + [zeros.path]).output())
      for size in [400 << 20, 0, 1000, 0xffff_ffff] {
        // What gzip says of itself is changed too.
        let isGzip = packer[0] == "gzip"
        let data = Fixtures.bzImage(isGzip ? packed.dropLast(4) : packed, size: size)
        guard case .bzImage(let payload, size, let unpacker?) = try KernelImage(bytes: data).format else {
          Issue.record("no bzImage")
          return
        }
        let target = folder.appendingPathComponent("vmlinux")
        #expect(!KernelImage.unpack(data, payload: payload, size: size, by: unpacker, to: target))
        #expect(!FileManager.default.fileExists(atPath: target.path))
        let store = KernelStore(root: folder.appendingPathComponent("store-\(size)"))
        let image = folder.appendingPathComponent("bzImage")
        try data.write(to: image)
        let kernel = try await store.add(
          name: try KernelName("bomb"), image: image, modules: nil, source: "test")
        #expect(!kernel.pvh)
        #expect(
          Fixtures.content(of: store.root) == [
            "kernels", "kernels/bomb", "kernels/bomb/image", "kernels/bomb/manifest.json",
            "kernels/bomb/modules",
          ])
      }
    }
  }

  @Test(arguments: [["gzip", "-c"], ["xz", "-c"], ["zstd", "-qc"], ["lz4", "-lqc"]])
  func thePayloadIsUnpackedWhereItStartsDirectly(_ packer: [String]) async throws {
    try await Fixtures.withFolder { folder in
      let kernel = folder.appendingPathComponent("kernel")
      try Fixtures.pvhKernel.write(to: kernel)
      let packed = Array(try await Command(packer + [kernel.path]).output())
      let data = Fixtures.bzImage(packed, size: packer[0] == "gzip" ? nil : Fixtures.pvhKernel.count)
      guard case .bzImage(let payload, let size, let unpacker?) = try KernelImage(bytes: data).format else {
        Issue.record("no bzImage")
        return
      }
      #expect(size == Fixtures.pvhKernel.count)
      let target = folder.appendingPathComponent("vmlinux")
      #expect(KernelImage.unpack(data, payload: payload, size: size, by: unpacker, to: target))
      #expect(try Data(contentsOf: target) == Fixtures.pvhKernel)
    }
  }
}
