import Model
import Testing

@Suite struct KernelNameTests {
  @Test(
    arguments: [
      "", ".", "..", ".hidden", "-rf", "_x", "../../victim", "a/b", "/etc", "a\\b", "a b", "a\nb", "a\0b",
      "a\u{1b}[31m",
      "ä", "a\u{301}", "debian-12-emulated", "-emulated", String(repeating: "a", count: 65), "a:b", "~",
      "$HOME", "*",
    ]) func aNameThatCouldLeadElsewhereIsNone(_ text: String)
  {
    #expect(throws: Failure.self) { try KernelName(text) }
    #expect(throws: Failure.self) { try KernelName(ofEntry: text) }
    let failure = #expect(throws: Failure.self) { try ResultName(text.isEmpty ? "" : text + "/") }
    #expect(failure?.isUsage == true)
    // It can be printed as it is.
    #expect("\(failure?.description ?? "")".unicodeScalars.allSatisfy { (0x20...0x7e).contains($0.value) })
  }

  @Test(arguments: [
    "debian-12", "linux-4.9", "a", "9", "Mine_2", "debian-12-rt", String(repeating: "a", count: 64),
  ])
  func aPlainNameIsOne(_ text: String) throws {
    #expect(try KernelName(text).text == text)
    #expect(try KernelName(ofEntry: text).text == text)
  }

  @Test func thisMachinesOwnKernelIsNoNameToGive() throws {
    #expect(try KernelName("host") == .host)
    #expect(try KernelName("running") == .running)
    for name in ["host", "running"] { #expect(throws: Failure.self) { try KernelName(ofEntry: name) } }
  }

  @Test func aResultsNameMayBeThatOfAnEmulation() throws {
    let emulated = try ResultName("debian-12-emulated")
    #expect(emulated.kernel.text == "debian-12" && emulated.emulation == TimeWaitRecycling.emulation)
    #expect("\(emulated)" == "debian-12-emulated")
    #expect(try ResultName("host").emulation == nil)
    for name in ["../x", "../x-emulated", "-emulated", "a-emulated-emulated"] {
      #expect(throws: Failure.self) { try ResultName(name) }
    }
  }
}
