import Foundation
import Model
import Testing

@testable import MicroVM

@Suite struct KeyringTests {
  /// gpgv's own words (2.2.40).
  @Test func oneGoodSignatureIsNeededAndNoBadOne() {
    let good = """
      [GNUPG:] NEWSIG
      [GNUPG:] GOODSIG B36A7628F7D64DA5 Test <t@example.org>
      [GNUPG:] VALIDSIG 3966AE75 2026-11-29 1795972813 0 4 0 1 10 00 3966AE75E839F1E6

      """
    let unknown = "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG AA 1 10 00 1795972813 9 AA\n[GNUPG:] NO_PUBKEY AA\n"
    #expect(Keyring.verdict(good) == .signed("3966AE75E839F1E6"))
    #expect(Keyring.verdict(unknown + good) == .signed("3966AE75E839F1E6"))
    #expect(Keyring.verdict(good + unknown) == .signed("3966AE75E839F1E6"))
    #expect(Keyring.verdict(good + "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG BB x\n") != .signed("3966AE75E839F1E6"))
    for (word, cause) in [
      ("EXPKEYSIG", "has expired"), ("REVKEYSIG", "was taken back"), ("EXPSIG", "its signature"),
    ] {
      let verdict = Keyring.verdict(good.replacing("GOODSIG", with: word))
      guard case .refused(let said) = verdict else {
        Issue.record("\(word): \(verdict)")
        continue
      }
      #expect(said.contains(cause), "\(said)")
    }
    // A good one without what makes it valid does not lend that to the next.
    let mixed = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG A x\n" + good.replacing("GOODSIG", with: "REVKEYSIG")
    #expect(Keyring.verdict(mixed) == .refused("signed by a key that was taken back: B36A7628F7D64DA5"))
    #expect(Keyring.verdict("GOODSIG x\nVALIDSIG x\n") == .nothing)
    #expect(Keyring.verdict("") == .nothing)
  }

  @Test func keysComeOutOfTheirArmour() throws {
    let (one, two) = (Data([0x99, 1, 2, 3, 4]), Data([0x98, 9]))
    func armour(_ key: Data, _ newline: String) -> String {
      [
        "-----BEGIN PGP PUBLIC KEY BLOCK-----", "Version: x", "Comment: = y", "", key.base64EncodedString(),
        "=abcd",
        "-----END PGP PUBLIC KEY BLOCK-----", "",
      ].joined(separator: newline)
    }
    for newline in ["\n", "\r\n"] {
      let text = "words before\n" + armour(one, newline) + "words between\n" + armour(two, newline)
      #expect(Keyring.unarmoured(Data(text.utf8)) == one + two)
    }
    #expect(Keyring.unarmoured(one) == one)
    #expect(Keyring.unarmoured(Data("text".utf8)) == nil)
    #expect(Keyring.unarmoured(Data()) == nil)
    #expect(Keyring.unarmoured(Data(armour(one, "\n").dropLast(30).utf8)) == nil)
    #expect(Keyring.unarmoured(Data(armour(one, "\n").replacing("mQ", with: "m*").utf8)) == nil)
  }

  @Test func aFileWithoutKeysIsSaid() async throws {
    try await Fixtures.withFolder { folder in
      let text = folder.appendingPathComponent("text")
      try Data("text".utf8).write(to: text)
      for path in [text.path, folder.path, "/nothing"] {
        let failure = #expect(throws: Failure.self) { try Keyring([path], in: folder) }
        #expect(failure?.stage == "keyring" && failure?.mend?.contains("--keyring FILE") == true)
      }
    }
  }
}

@Suite struct OwnSourcesTests {
  /// What the package manager of a machine that runs `id` has, for a kernel of a name.
  private func found(_ name: String, id: String, version: String, _ files: [String: String]) async throws
    -> [String]
  {
    try await Fixtures.withFolder { folder in
      let own = ["etc/os-release": "NAME=x\nID=\"\(id)\"\nVERSION_ID='\(version)'\n"]
      for (path, text) in files.merging(own, uniquingKeysWith: { $1 }) {
        let file = folder.appendingPathComponent(path)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
      }
      return OwnSources(root: folder.path + "/").repositories(for: try #require(KnownKernel.named(name)))
    }
  }

  @Test func theMachinesOwnRepositoriesAreTakenForItsOwnRelease() async throws {
    let repo = [
      "etc/yum.repos.d/a.repo": """
      [baseos]
      name = x
      baseurl = http://h/alma/$releasever/BaseOS/$basearch/os/ http://other/
      enabled=1
      [appstream]
      baseurl=http://h/no
      [baseos-source]
      baseurl=http://h/no
      """,
      "etc/yum.repos.d/b.repo": """
      [baseos]
      enabled=0
      baseurl=http://h/no
      [baseos]
      mirrorlist=http://h/no
      [baseos]
      #baseurl=http://h/no
      [baseos]
      baseurl=http://$unknown/no
      """,
      "etc/yum.repos.d/c.repo.old": "[baseos]\nbaseurl=http://h/no\n",
    ]
    #expect(
      try await found("almalinux-9", id: "almalinux", version: "9.4", repo) == [
        "http://h/alma/9/BaseOS/x86_64/os/"
      ])
    #expect(try await found("almalinux-9", id: "almalinux", version: "8.9", repo) == [])
    #expect(try await found("almalinux-9", id: "almalinux", version: "90", repo) == [])
    #expect(try await found("almalinux-9", id: "rocky", version: "9.4", repo) == [])
    let zypp = ["etc/zypp/repos.d/oss.repo": "[repo-oss]\nenabled=1\nbaseurl=http://h/$releasever/oss\n"]
    #expect(
      try await found("opensuse-leap-15.6", id: "opensuse-leap", version: "15.6", zypp) == [
        "http://h/15.6/oss"
      ])
    #expect(try await found("opensuse-leap-15.5", id: "opensuse-leap", version: "15.6", zypp) == [])
    let pacman = [
      "etc/pacman.d/mirrorlist": "# no\n#Server = http://no/\nServer = http://h/$repo/os/$arch\nServer = x\n"
    ]
    #expect(try await found("arch", id: "arch", version: "", pacman) == ["http://h/core/os/x86_64"])
    #expect(try await found("arch", id: "debian", version: "12", pacman) == [])
  }

  @Test func everyNameIsANameAndEveryPathStaysBelowItsMirror() throws {
    #expect(Set(KnownKernel.all.map(\.name)).count == KnownKernel.all.count)
    for known in KnownKernel.all {
      #expect(try KernelName(known.name).text == known.name)
      #expect(known.keyrings.allSatisfy { $0.hasPrefix("/") } && !known.keyrings.isEmpty)
      switch known.source {
      case .apt(let suites, let package): #expect(!suites.isEmpty && package.hasPrefix("linux-image-"))
      case .rpm(let folders, let packages):
        #expect(!packages.isEmpty && !folders.isEmpty)
        for folder in folders where !folder.isEmpty { #expect(try Mirror.checked(folder) == folder) }
      case .pacman(let folder, let database, _):
        #expect(try Mirror.checked("\(folder)/\(database)") == "\(folder)/\(database)")
      }
    }
    for distribution in Distribution.allCases {
      #expect(KnownKernel.all.contains { $0.distribution == distribution })
    }
  }

  @Test func whereNoMirrorIsKnownItIsSaidWhatToGive() async throws {
    try await Fixtures.withFolder { folder in
      let packages = Packages(store: KernelStore(root: folder))
      for (name, words) in [
        (
          "fedora-44",
          ["Fedora", "releases/44/Everything/x86_64/os", "kernels add fedora-44 --rpm kernel-core-*.rpm"]
        ),
        ("ubuntu-24.04", ["Ubuntu", "dists/noble", "kernels add ubuntu-24.04 --deb linux-image-*.deb"]),
        ("arch", ["Arch Linux", "core/os/x86_64", "kernels add arch --rpm linux-*.pkg.tar.zst"]),
        ("centos-7", ["a past release", "7.9.2009/os/x86_64", "--rpm kernel-*.rpm"]),
        ("debian-9", ["a past release", "dists/stretch", "kernels add debian-9 --deb linux-image-*.deb"]),
      ] {
        let failure = await #expect(throws: Failure.self) {
          try await packages.fetch(try #require(KnownKernel.named(name)), mirror: nil) { _ in }
        }
        #expect(failure?.isUsage == true)
        for word in words + ["--mirror URL"] {
          #expect(failure?.description.contains(word) == true, "\(failure?.description ?? "")")
        }
      }
      let keyless = await #expect(throws: Failure.self) {
        try await packages.fetch(try #require(KnownKernel.named("rocky-9")), mirror: "file:///nothing") { _ in
        }
      }
      #expect(keyless?.description.contains("--keyring FILE") == true, "\(keyless?.description ?? "")")
    }
  }
}
