import Foundation
import Model
import Testing
import Wire

@testable import MicroVM

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
  @Test func onlyAKernelWithAPVHEntryStartsOnTheSmallMachine() {
    let small = QEMU(accelerator: .tcg, pvh: true).command().joined(separator: " ")
    #expect(small.contains("-M microvm"))
    #expect(small.contains("virtio-serial-device"))
    #expect(small.contains("clearcpuid=141"))
    let big = QEMU(accelerator: .kvm, pvh: false).command().joined(separator: " ")
    #expect(big.contains("-M pc"))
    #expect(big.contains("virtio-serial-pci"))
    #expect(!big.contains("clearcpuid"))
  }

  /// Nothing that answers at a moment of the host's, and no order of files that the guard was not told.
  @Test func inVirtualTimeNothingComesFromOutside() {
    var qemu = QEMU(accelerator: .tcg, pvh: true)
    for life in [QEMU.Life.saving(bundles: ["base", "nat"]), .saved] {
      qemu.life = life
      let command = qemu.command().joined(separator: " ")
      #expect(command.contains("-icount shift=0,sleep=off"))
      #expect(command.contains("clock=vm"))
      #expect(!command.contains("rng"))
      for file in QEMU.File.order(in: life) where file != .devices {
        #expect(command.contains("/proc/self/fd/\(qemu.descriptor(of: file))"), "\(file)")
      }
    }
    qemu.life = .saving(bundles: ["base", "nat"])
    let saving = qemu.command().joined(separator: " ")
    #expect(saving.contains("pawslab.time=virtual pawslab.bundles=base,nat"))
    #expect(saving.contains("tsc_early_khz=1000000"))
    #expect(saving.contains("share=on"))
    qemu.life = .saved
    let saved = qemu.command().joined(separator: " ")
    #expect(saved.contains("share=off"))
    #expect(saved.contains("-incoming defer"))
    #expect(!saved.contains("-kernel"))
  }

  @Test func seedsDiffer() {
    let seeds: [UInt64] = [0, 1, 2, .max, 1 << 56]
    #expect(Set(seeds.map(SavedGuest.bytes(of:))).count == seeds.count)
    #expect(SavedGuest.bytes(of: 1).count == 32)
  }

  @Test func itGivesUpTheCallsThatItDoesNotNeed() {
    var qemu = QEMU(accelerator: .tcg, pvh: true)
    let refusals = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
    #expect(qemu.command().contains(refusals))
    qemu.sandboxed = false
    #expect(!qemu.command().contains("-sandbox"))
  }
}
