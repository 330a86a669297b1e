import Foundation
import Scenario
import Testing

@testable import MicroVM

@Suite struct KernelImageTests {
  private func format(_ data: Data) throws -> KernelImage.Format {
    try KernelImage.format(of: data, named: "test")
  }

  /// A boot header with a payload of 20 bytes that begins so.
  private func bzImage(_ magic: [UInt8]) -> Data {
    var data = Data(count: 4096)
    func put(_ offset: Int, _ bytes: [UInt8]) {
      data.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
    put(0x1f1, [1])
    put(0x1fe, [0x55, 0xaa])
    put(0x202, Array("HdrS".utf8))
    put(0x20e, [0x00, 0x04])
    put(0x600, Array("6.1.0-test (somebody) #1\0".utf8))
    put(0x248, [0x10])
    put(0x24c, [20])
    put(0x410, magic)
    return data
  }

  @Test func thePayloadIsFoundAndItsUnpackerNamed() throws {
    for (magic, program) in [
      ([0x1f, 0x8b, 8], "gzip"), ([0xfd, 0x37, 0x7a, 0x58], "xz"), ([0x28, 0xb5, 0x2f, 0xfd], "zstd"),
      ([0x02, 0x21, 0x4c, 0x18], "lz4"),
    ] as [([UInt8], String)] {
      guard case .bzImage(let payload, let unpacker) = try format(bzImage(magic)) else {
        Issue.record("no bzImage")
        return
      }
      // Without the four bytes of its size at the end.
      #expect(payload == 0x410..<0x410 + 16)
      #expect(unpacker?.first == program)
    }
    #expect(KernelStore.release(in: bzImage([])) == "6.1.0-test")
  }

  @Test func anythingElseIsNoKernel() throws {
    #expect(throws: Failure.self) { try format(Data("not a kernel, however long it may be".utf8)) }
    #expect(throws: Failure.self) { try format(Data()) }
    let shortened = bzImage([0x1f, 0x8b])[0..<0x418]
    #expect(throws: Failure.self) { try format(Data(shortened)) }
    #expect(
      try format(Data([0x7f, 0x45, 0x4c, 0x46] + [UInt8](repeating: 0, count: 64))) == .elf(pvh: false))
  }

  @Test func aModuleSaysWhatItNeeds() {
    let module = Data("\u{7f}ELF...\0license=GPL\0depends=nf-conntrack,x_tables\0name=x\0".utf8)
    #expect(ModuleTree.dependencies(module) == ["nf_conntrack", "x_tables"])
    #expect(ModuleTree.dependencies(Data("\0depends=\0".utf8)) == [])
    #expect(ModuleTree.dependencies(Data("nothing".utf8)) == [])
  }
}

@Suite struct CpioTests {
  /// GNU cpio reads what we write, where it is there; the kernel does in every guest.
  @Test func theArchiveHasItsFoldersFilesAndLinks() throws {
    var archive = Cpio()
    archive.file("usr/bin/tool", Data("abc".utf8), executable: true)
    archive.link("usr/bin/alias", to: "tool")
    archive.folder("usr/bin")
    let text = String(decoding: archive.finish(), as: UTF8.self)
    let names = ["usr\0", "usr/bin\0", "usr/bin/tool\0", "usr/bin/alias\0", "TRAILER!!!\0"]
    var at = text.startIndex
    for name in names {
      let range = try #require(text.range(of: name, range: at..<text.endIndex), "\(name) in this order")
      at = range.upperBound
    }
    #expect(text.components(separatedBy: "070701").count == names.count + 1)
    #expect(text.utf8.count % 4 == 0)
  }
}

@Suite struct FrameTests {
  @Test func framesArriveHoweverTheyAreCut() throws {
    let frames = [
      Frame(id: 0, kind: .hello, payload: Array("6.1 0.9".utf8)), Frame(id: 12, kind: .output, payload: []),
      Frame(id: 3, kind: .end, payload: [10, 32, 10]),
    ]
    let bytes = frames.flatMap(\.bytes)
    for size in [1, 2, 7, bytes.count] {
      var reader = Frame.Reader()
      var seen: [Frame] = []
      for start in stride(from: 0, to: bytes.count, by: size) {
        let complete = reader.add(bytes[start..<min(start + size, bytes.count)])
        seen += try #require(complete)
      }
      #expect(seen == frames)
    }
  }

  @Test func whatIsNoFrameIsSaidSo() {
    var reader = Frame.Reader()
    #expect(reader.add(Array("Kernel panic\n".utf8)) == nil)
    reader = Frame.Reader()
    #expect(reader.add([UInt8](repeating: 65, count: 100)) == nil)
    reader = Frame.Reader()
    #expect(reader.add(Array("1 o -5\n".utf8)) == nil)
  }
}

@Suite struct QEMUTests {
  private let files = QEMU.Files(kernel: "k", initramfs: "i", console: "c")

  @Test func onlyAKernelWithAPVHEntryStartsOnTheSmallMachine() {
    let small = QEMU(accelerator: .tcg, pvh: true).command(files).joined(separator: " ")
    #expect(small.contains("-M microvm"))
    #expect(small.contains("virtio-serial-device"))
    #expect(small.contains("clearcpuid=141"))
    let big = QEMU(accelerator: .kvm, pvh: false).command(files).joined(separator: " ")
    #expect(big.contains("-M pc"))
    #expect(big.contains("virtio-serial-pci"))
    #expect(!big.contains("clearcpuid"))
  }
}

@Suite struct KernelStoreTests {
  private func withStore(_ body: (KernelStore) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("store-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try await body(KernelStore(root: folder))
  }

  @Test func aFileThatIsNoKernelLeavesNothing() async throws {
    try await withStore { store in
      let file = FileManager.default.temporaryDirectory.appendingPathComponent("text-\(UUID().uuidString)")
      try Data("hello".utf8).write(to: file)
      defer { try? FileManager.default.removeItem(at: file) }
      let failure = await #expect(throws: Failure.self) {
        try await store.add(name: "mine", image: file, modules: nil, source: "test")
      }
      #expect(failure?.cause == "neither a bzImage nor an ELF kernel")
      await #expect(throws: Failure.self) {
        try await Packages(store: store).add(name: "mine", packages: [file.path + ".deb"])
      }
      #expect(store.all().isEmpty)
      #expect(
        (try? FileManager.default.contentsOfDirectory(atPath: store.root.path + "/kernels"))?.isEmpty != false
      )
    }
  }

  @Test func aFileThatChangedIsNotUsed() async throws {
    try await withStore { store in
      let image = FileManager.default.temporaryDirectory.appendingPathComponent("image-\(UUID().uuidString)")
      defer { try? FileManager.default.removeItem(at: image) }
      try elf.write(to: image)
      let kernel = try await store.add(
        name: "mine", image: image, modules: nil, source: "test", release: "1.2.3")
      #expect(kernel.pvh)
      #expect(store.all().map(\.release) == ["1.2.3"])
      try await store.verify(kernel)
      try Data("changed".utf8).write(to: store.folder("mine").appendingPathComponent("vmlinux"))
      let failure = await #expect(throws: Failure.self) { try await store.verify(kernel) }
      #expect(failure?.cause == "vmlinux is not what was stored (SHA-256 differs)")
      try store.remove("mine")
      #expect(store.all().isEmpty)
      #expect(throws: Failure.self) { try store.remove("mine") }
    }
  }

  /// An ELF header, one program header of type PT_NOTE, and the note.
  private var elf: Data {
    var data = Data(count: 0x40 + 56)
    func put(_ offset: Int, _ bytes: [UInt8]) {
      data.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
    put(0, [0x7f, 0x45, 0x4c, 0x46])
    put(0x20, [0x40])
    put(0x36, [56])
    put(0x38, [1])
    put(0x40, [4])
    put(0x48, [0x78])
    put(0x60, [20])
    return data + Data([4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0] + Array("Xen\0".utf8) + [0, 0, 0, 1])
  }
}
