import Foundation
import Model
import Testing

@testable import MicroVM

@Suite struct PackageTests {
  private let kernel = Fixtures.bzImage([0, 1, 2])
  private func image(_ release: String = "6.1.0-test") -> Data {
    Fixtures.member("./boot/vmlinuz-\(release)", kernel)
  }
  private let modules = "./lib/modules/6.1.0-test"
  private let veth = Fixtures.module(["depends="])

  /// Makes a package, adds it, and returns what is in the store then.
  private func add(_ members: [Data], _ body: (KernelStore, StoredKernel) throws -> Void) async throws {
    try await Fixtures.withFolder { folder in
      let package = folder.appendingPathComponent("linux.deb")
      try Fixtures.deb(members).write(to: package)
      let store = KernelStore(root: folder.appendingPathComponent("store"))
      do {
        try body(
          store, try await Packages(store: store).add(name: try KernelName("mine"), packages: [package.path]))
      } catch {
        #expect(Fixtures.content(of: store.root) == ["kernels"], "nothing is left")
        throw error
      }
    }
  }

  private func refusal(_ members: [Data]) async -> String {
    do {
      try await add(members) { _, _ in }
      return "taken"
    } catch { return (error as? Failure)?.cause ?? "\(error)" }
  }

  @Test func aPackageIsAnEntry() async throws {
    try await add([image(), Fixtures.member("\(modules)/kernel/veth.ko", veth)]) { store, kernel in
      #expect(kernel.release == "6.1.0-test")
      #expect(kernel.source == "linux.deb")
      #expect(kernel.bundles.first { $0.name == "base" }?.files == ["veth.ko"])
      #expect(store.all() == [kernel])
    }
  }

  @Test func aLinkInAPackageNamesWhatIsInThePackage() async throws {
    let path = "\(modules)/kernel/veth.ko"
    for target in ["/etc/shadow", "../../../../../../../etc/shadow", "/etc/passwd", "nothing.ko"] {
      let cause = await refusal([image(), Fixtures.member(path, type: "2", target: target)])
      #expect(cause.contains("it is a link to \(target), which is no file of the packages"), "\(cause)")
    }
    #expect(
      await refusal([image(), Fixtures.member(path, type: "1", target: "etc/shadow")]).contains("no file of"))
    // A link to a link, in a circle.
    let circle = await refusal([
      image(), Fixtures.member(path, type: "2", target: "x.ko"),
      Fixtures.member("\(modules)/kernel/x.ko", type: "2", target: "veth.ko"),
    ])
    #expect(circle.contains("which is no file of the packages"), "\(circle)")
    for target in ["real.ko", "../kernel/real.ko", "/lib/modules/6.1.0-test/kernel/real.ko"] {
      let members = [
        Fixtures.member("\(modules)/kernel/real.ko", veth), image(),
        Fixtures.member(path, type: "2", target: target),
      ]
      try await add(members) { store, kernel in
        let file = store.folder(kernel.key).appendingPathComponent("modules/veth.ko")
        let content = try Data(contentsOf: file)
        #expect(content == veth)
      }
    }
    // A folder that is a link, then something in it: no link is ever made, so it is a folder of ours.
    try await add([
      image(), Fixtures.member("./lib/modules/6.1.0-test", type: "2", target: "/tmp"),
      Fixtures.member("\(modules)/kernel/veth.ko", veth),
    ]) { store, kernel in #expect(kernel.bundles.contains { $0.files == ["veth.ko"] }) }
  }

  @Test func aMemberThatLeadsOutIsRefused() async {
    for path in ["../../victim", "./boot/../../vmlinuz-x", "boot/.."] {
      #expect(await refusal([image(), Fixtures.member(path, Data("x".utf8))]).contains("leads out of it"))
    }
  }

  @Test func aReleaseThatIsNoneIsRefused() async {
    let name = "./lib/modules/6.1\u{1b}[31m/kernel/veth.ko"
    #expect(
      await refusal([image(), Fixtures.member(name, veth)]).contains("its release is none: 6.1\\u{1B}[31m"))
    let two = await refusal([
      image(), Fixtures.member("./lib/modules/a/kernel/veth.ko", veth),
      Fixtures.member("./lib/modules/b/kernel/veth.ko", veth),
    ])
    #expect(two == "packages of 2 kernels: a, b")
  }

  @Test func aPackageWithoutAnImageOrThatIsNoneSaysSo() async throws {
    #expect(
      await refusal([Fixtures.member("./etc/x", Data("x".utf8))]) == "no boot/vmlinuz-* in the packages")
    try await Fixtures.withFolder { folder in
      let packages = Packages(store: KernelStore(root: folder.appendingPathComponent("store")))
      let name = try KernelName("mine")
      func failure(_ path: String) async -> Failure? {
        await #expect(throws: Failure.self) { try await packages.add(name: name, packages: [path]) }
      }
      #expect(await failure("")?.cause == "the name of a package is empty")
      #expect(await failure("/nothing/x.deb")?.cause == "No such file or directory")
      #expect(await failure(folder.path)?.cause == "it is no regular file")
      let text = folder.appendingPathComponent("text.deb")
      try Data("hello".utf8).write(to: text)
      let said = await failure(text.path)
      #expect(said?.stage == "dpkg-deb" && said?.mend != nil, "\(said?.description ?? "")")
      let cut = folder.appendingPathComponent("cut.deb")
      try Fixtures.deb([image()]).prefix(3000).write(to: cut)
      #expect(await failure(cut.path) != nil)
    }
  }

  /// 3 GB out of 3 MB, and members without end.
  @Test func aPackageWithoutEndIsGivenUpAtItsBound() async throws {
    var reader = TarReader(name: "many")
    var sink = Counting()
    let member = Fixtures.member("./boot/x")
    let failure = #expect(throws: Failure.self) {
      for _ in 0...Bounds.members { try member.withUnsafeBytes { try reader.read($0, into: &sink) } }
    }
    #expect(failure?.cause == "it has more than \(Bounds.members) members")
    #expect(sink.members == Bounds.members)
    // Each is small enough, all are not.
    try await Fixtures.withFolder { folder in
      var tree = PackageTree(folder)
      let failure = #expect(throws: Failure.self) {
        for number in 0..<100 { try tree.begin("lib/modules/6.1/m\(number).ko", .file(Bounds.module)) }
      }
      #expect(failure?.cause == "it has more than 2 GiB")
      #expect(Fixtures.content(of: folder).count < 40)
    }
    for (path, size, bound) in [
      ("./boot/vmlinuz-big", 3 << 30, "256 MiB"), ("\(modules)/veth.ko", 65 << 20, "64 MiB"),
      ("./usr/share/doc/big", 5 << 30, "4 GiB"),
    ] {
      #expect(await refusal([Fixtures.header(path, size: size)]) == "it has more than \(bound)")
    }
  }

  private struct Counting: TarReader.Sink {
    var members = 0
    mutating func begin(_ path: String, _ member: TarReader.Member) { members += 1 }
    mutating func content(_ bytes: UnsafeRawBufferPointer) {}
  }

  @Test func longNamesAreReadHoweverTheyAreWritten() throws {
    let long = "lib/modules/6.1.0-test/" + String(repeating: "a", count: 120) + "/veth.ko"
    let gnu =
      Fixtures.member("././@LongLink", Data((long + "\0").utf8), type: "L")
      + Fixtures.member("short", Data("1".utf8))
    let record = "path=\(long)\n"
    let pax =
      Fixtures.member("x", Data("\(record.utf8.count + 4) \(record)".utf8), type: "x")
      + Fixtures.member("short", Data("2".utf8))
    for archive in [gnu, pax] {
      for size in [1, 511, 512, 513, archive.count] {
        var reader = TarReader(name: "x")
        var sink = Names()
        for start in stride(from: 0, to: archive.count, by: size) {
          try archive[start..<min(start + size, archive.count)].withUnsafeBytes {
            try reader.read($0, into: &sink)
          }
        }
        try reader.end()
        #expect(sink.names == [long])
        #expect(sink.bytes == 1)
      }
    }
  }

  private struct Names: TarReader.Sink {
    var names: [String] = []
    var bytes = 0
    mutating func begin(_ path: String, _ member: TarReader.Member) { names.append(path) }
    mutating func content(_ content: UnsafeRawBufferPointer) { bytes += content.count }
  }
}

@Suite struct UnpackerTests {
  private func status(_ words: [String], from input: String = "/dev/null", deadline: Int = 20) throws
    -> [String: String]
  {
    var text = Data()
    try Unpacker(words, from: input, deadline: deadline).run { text.append(contentsOf: $0) }
    var found: [String: String] = [:]
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { found[String(parts[0])] = parts[1].trimmingCharacters(in: .whitespaces) }
    }
    return found
  }

  @Test func itIsNobodyAndHasNothing() throws {
    let status = try status(["cat", "/proc/self/status"])
    #expect(status["NoNewPrivs"] == "1")
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
      #expect(status[set] == "0000000000000000", "\(set)")
    }
    let users = Set((status["Uid"] ?? "").split(separator: "\t").compactMap { Int($0) })
    #expect(users.count == 1)
    if geteuid() == 0 {
      #expect(users.allSatisfy { (60578..<61184).contains($0) }, "\(users)")
      #expect(status["Groups"] == "")
    }
    let limits = try self.status(["sed", "s/  */:/", "/proc/self/limits"])
    #expect(limits["Max"] != nil)
    // Its streams, and the folder that is being listed.
    var listed = Data()
    try Unpacker(["ls", "/proc/self/fd"], from: "/dev/null", deadline: 20).run {
      listed.append(contentsOf: $0)
    }
    #expect(String(decoding: listed, as: UTF8.self).split(separator: "\n") == ["0", "1", "2", "3"])
  }

  @Test func itReadsWhatWeMayReadAndWritesNoFile() async throws {
    try await Fixtures.withFolder { folder in
      chmod(folder.path, 0o777)
      let secret = folder.appendingPathComponent("secret")
      try Data("secret: yes\n".utf8).write(to: secret)
      chmod(secret.path, 0o600)
      #expect(try status(["cat"], from: secret.path) == ["secret": "yes"])
      if geteuid() == 0 {
        let failure = #expect(throws: Failure.self) { try status(["cat", secret.path]) }
        #expect(failure?.cause.contains("Permission denied") == true)
      }
      let failure = #expect(throws: Failure.self) {
        try status(["dd", "if=/dev/zero", "of=\(folder.path)/made", "bs=1", "count=1"])
      }
      #expect(failure?.cause == "ended by signal \(SIGXFSZ)", "\(failure?.cause ?? "")")
    }
  }

  @Test func whatHangsIsEndedWithItsChildren() async throws {
    try await Fixtures.withFolder { folder in
      chmod(folder.path, 0o777)
      let fifo = folder.appendingPathComponent("held").path
      mkfifo(fifo, 0o666)
      chmod(fifo, 0o666)
      let held = open(fifo, O_RDONLY | O_NONBLOCK)
      defer { close(held) }
      let failure = #expect(throws: Failure.self) {
        try status(["sh", "-c", "sleep 1000 > \(fifo) & wait"], deadline: 1)
      }
      #expect(failure?.cause == "not done within 1 s")
      // The pipe ends when the last of its writers does.
      var awaited = [pollfd(fd: held, events: Int16(POLLIN), revents: 0)]
      #expect(poll(&awaited, 1, 10_000) == 1, "its child is gone within ten seconds")
      #expect(awaited[0].revents & Int16(POLLHUP) != 0)
    }
  }

  @Test func whatIsNotThereOrFailsSaysSo() {
    let none = #expect(throws: Failure.self) { try status(["no-such-unpacker"]) }
    #expect(none?.cause == "there is no no-such-unpacker on this machine")
    #expect(none?.mend == "apt-get install no-such-unpacker")
    let failing = #expect(throws: Failure.self) {
      try status(["sh", "-c", "echo what is wrong >&2; exit 7"])
    }
    #expect(failing?.cause == "what is wrong")
    let dumb = #expect(throws: Failure.self) { try status(["sh", "-c", "exit 7"]) }
    #expect(dumb?.cause == "exit status 7")
  }
}
