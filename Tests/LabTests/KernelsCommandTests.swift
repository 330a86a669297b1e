import Foundation
import MicroVM
import Model
import Testing

/// `pawslab kernels`, as a user calls it, on a cache of its own.
@Suite struct KernelsCommandTests {
  private struct Ended {
    var status: Int32
    var output: String
    var errors: String
  }

  /// Runs `body` with an empty folder whose subfolder `cache` is the program's cache.
  private func withFolder(_ body: (URL) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("kernels-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("cache/pawslab/kernels"), withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder)
  }

  private func run(_ arguments: [String], in folder: URL, path: String? = nil) throws -> Ended {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: ProgramTests.program)
    process.arguments = arguments
    process.currentDirectoryURL = folder
    var environment = ProcessInfo.processInfo.environment
    environment["XDG_CACHE_HOME"] = folder.appendingPathComponent("cache").path
    if let path { environment["PATH"] = path }
    process.environment = environment
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let complaint = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Ended(
      status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: complaint, as: UTF8.self))
  }

  @Test(arguments: ["../../../victim", "..", "", "../kernels", ".", "debian-99", "host"])
  func removeRemovesNothingThatIsNoKernel(_ name: String) throws {
    try withFolder { folder in
      let victim = folder.appendingPathComponent("victim/sub")
      try FileManager.default.createDirectory(at: victim, withIntermediateDirectories: true)
      let kernel = folder.appendingPathComponent("cache/pawslab/kernels/precious")
      try FileManager.default.createDirectory(at: kernel, withIntermediateDirectories: true)
      let ended = try run(["kernels", "remove", name], in: folder)
      #expect(ended.status == 2, "\(ended.errors)")
      #expect(!ended.errors.isEmpty && !ended.errors.contains("NSCocoa"))
      #expect(FileManager.default.fileExists(atPath: victim.path))
      #expect(FileManager.default.fileExists(atPath: kernel.path))
    }
  }

  @Test(arguments: ["../../x", "debian-12-emulated", "", "a/b", "-x", "debian-99"])
  func aKernelThatIsNoneIsAMistakeInUsageThatNamesThoseThereAre(_ name: String) throws {
    try withFolder { folder in
      let lab = ProgramTests.repository + "/lab/direct.yaml"
      let ended = try run(["run", lab, "--kernel=\(name)"], in: folder)
      #expect(ended.status == 2, "\(ended.errors)")
      if name == "debian-99" {
        for known in ["host", "running", "debian-12", "debian-12-rt", "debian-sid"] {
          #expect(ended.errors.contains(known), "\(ended.errors)")
        }
      }
    }
  }

  @Test func whatCannotBeAddedSaysItsNameAndTheSystemsWords() throws {
    try withFolder { folder in
      func said(_ arguments: String...) throws -> String {
        let ended = try run(["kernels", "add", "mine"] + arguments, in: folder)
        #expect(ended.status == 3 || ended.status == 2, "\(ended.errors)")
        for word in ["NSCocoa", "The operation", "Error Domain", "The file", " : "] {
          #expect(!ended.errors.contains(word), "\(ended.errors)")
        }
        return ended.errors
      }
      #expect(try said("--image", "nothing").contains("nothing: No such file or directory"))
      #expect(try said("--image", ".").contains("Is a directory"))
      #expect(try said("--deb", "").contains("the name of a package is empty"))
      #expect(try said("--deb", "nothing.deb").contains("nothing.deb: No such file or directory"))
      #expect(try said("--image", "").contains("the name that --image takes is empty"))
      let text = folder.appendingPathComponent("text")
      try Data("text".utf8).write(to: text)
      #expect(try said("--image", "text").contains("neither a bzImage nor an ELF kernel"))
      #expect(try said("--image", "text", "--modules", "nowhere").contains("neither a bzImage"))
      #expect(try run(["kernels", "add", "x-emulated", "--image", "text"], in: folder).status == 2)
      #expect(try run(["kernels", "add", "host", "--image", "text"], in: folder).status == 2)
      let left = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/cache/pawslab/kernels")
      #expect(left.filter { $0 != ".lock" }.isEmpty)
    }
  }

  @Test func aptAndDpkgThatAreNotThereAreSaidWithTheMend() throws {
    try withFolder { folder in
      let none = try run(["kernels", "fetch", "debian-12"], in: folder, path: folder.path)
      #expect(none.status == 3)
      #expect(none.errors.contains("no apt-get on this machine"))
      #expect(none.errors.contains("pawslab kernels add debian-12 --deb FILE"))
      try FileManager.default.createSymbolicLink(
        atPath: folder.path + "/apt-get", withDestinationPath: "/usr/bin/apt-get")
      let half = try run(["kernels", "fetch", "debian-12"], in: folder, path: folder.path)
      #expect(half.status == 3)
      #expect(half.errors.contains("no dpkg-deb on this machine; apt-get install dpkg"))
      try Data().write(to: folder.appendingPathComponent("kernel.rpm"))
      let rpm = try run(["kernels", "add", "mine", "--rpm", "kernel.rpm"], in: folder, path: folder.path)
      #expect(rpm.errors.contains("there is no bsdtar on this machine; apt-get install libarchive-tools"))
      let unknown = try run(["kernels", "fetch", "debian-1"], in: folder)
      #expect(unknown.status == 2)
      #expect(unknown.errors.contains("debian-12-generic"))
    }
  }

  /// A fetch that was killed, and the guest of an older version.
  @Test func whatAKilledCommandLeftIsGoneWithTheNext() throws {
    try withFolder { folder in
      let cache = folder.appendingPathComponent("cache/pawslab")
      let left = [
        cache.appendingPathComponent("kernels/.partial-Xy12"), cache.appendingPathComponent("guests/1-4711"),
      ]
      for made in left {
        try FileManager.default.createDirectory(at: made, withIntermediateDirectories: true)
        try Data("left".utf8).write(to: made.appendingPathComponent("lock"))
      }
      var long = [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)]
      utimes(left[1].path, &long)
      let ended = try run(["kernels", "list"], in: folder)
      #expect(ended.status == 0, "\(ended.errors)")
      for gone in left + [cache.appendingPathComponent("guests")] {
        #expect(!FileManager.default.fileExists(atPath: gone.path), "\(gone.path)")
      }
    }
  }

  @Test func aDamagedKernelIsListedWithItsMend() throws {
    try withFolder { folder in
      let kernel = folder.appendingPathComponent("cache/pawslab/kernels/mine")
      try FileManager.default.createDirectory(at: kernel, withIntermediateDirectories: true)
      try Data("{".utf8).write(to: kernel.appendingPathComponent("manifest.json"))
      let listed = try run(["kernels"], in: folder)
      #expect(listed.status == 0)
      #expect(
        listed.output.contains("mine        cannot be used: kernel mine: its manifest.json cannot be read"))
      let used = try run(
        ["run", ProgramTests.repository + "/lab/direct.yaml", "--kernel", "mine"], in: folder)
      #expect(used.status == 3)
      #expect(used.errors.contains("its manifest.json cannot be read; pawslab kernels remove mine"))
      #expect(try run(["kernels", "remove", "mine"], in: folder).status == 0)
      #expect(!FileManager.default.fileExists(atPath: kernel.path))
    }
  }
}
