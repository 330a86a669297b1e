import Foundation
import Testing

@testable import Judging
@testable import Model

/// What the lab brings back is a value, and a name in results that can be told from every other.
@Suite struct EmulationTests {
  @Test func eachHasANameAMarkAndSettingsOfItsOwn() {
    let all = Emulation.all
    #expect(!all.isEmpty)
    #expect(Set(all.map(\.name)).count == all.count)
    // No mark is the end of another: a name has one reading.
    for one in all {
      #expect(!all.contains { $0 != one && ($0.mark.hasSuffix(one.mark) || one.mark.hasSuffix($0.mark)) })
      #expect(one.settings.allSatisfy { Setting.named($0)?.optional == true })
      #expect(!one.settings.isEmpty && !one.limits.isEmpty)
      #expect(one.settings.allSatisfy { Emulation.giving($0) == one })
      // A counter of its own is one that no kernel has.
      for (kernels, own) in one.counters {
        #expect(KnownCounters.ofKernels.contains(kernels), "\(kernels)")
        #expect(!KnownCounters.ofKernels.contains(own), "\(own)")
        #expect(ExpectedCounters.guarded.contains(own), "\(own) would move unseen")
      }
    }
    let settings = all.flatMap(\.settings)
    #expect(Set(settings).count == settings.count)
  }

  @Test func aKernelGetsWhatItLacksAndOnlyThat() throws {
    let emulation = TimeWaitRecycling.emulation
    let kernel = Kernel.current()
    let emulating = try #require(kernel.emulating(emulation))
    #expect(emulating.emulation == emulation)
    #expect(emulating.emulates("tcp_tw_recycle") && !emulating.emulates("tcp_rfc1337"))
    #expect(emulating.capabilities.contains(.setting("tcp_tw_recycle")))
    #expect(emulating.counting("TcpExt.PAWSPassive") == "emulated.PAWSPassive")
    #expect(emulating.counting("TcpExt.ListenDrops") == "TcpExt.ListenDrops")
    #expect(kernel.counting("TcpExt.PAWSPassive") == "TcpExt.PAWSPassive")
    // It has that itself, then.
    #expect(emulating.emulating(emulation) == nil)
    var old = kernel
    old.perKernelSettings = ["tcp_tw_recycle"]
    #expect(old.emulating(emulation) == nil)
    #expect(Kernel.current(without: [.feature(emulation.means)]).emulating(emulation) == nil)
  }

  @Test func itIsSavedByItsName() throws {
    let kernel = try #require(Kernel.current().emulating(TimeWaitRecycling.emulation))
    let data = try JSONEncoder().encode(kernel)
    #expect(String(decoding: data, as: UTF8.self).contains(#""emulation":"tw_recycle""#))
    #expect(try JSONDecoder().decode(Kernel.self, from: data) == kernel)
    let other = String(decoding: data, as: UTF8.self).replacing("\"tw_recycle\"", with: "\"recycling\"")
    do {
      _ = try JSONDecoder().decode(Kernel.self, from: Data(other.utf8))
      Issue.record("an emulation that there is not was taken")
    } catch DecodingError.dataCorrupted(let context) {
      #expect(context.debugDescription == "no emulation of that name; there is tw_recycle")
    }
  }
}
