import Foundation
import Testing

@testable import pawslab

/// Where an installed program looks for what came with it (`scripts/package`).
@Suite struct InstalledTests {
  @Test(arguments: ["/usr", "/usr/local", "/home/u/pawslab-0.1"]) func aPrefixHasAll(prefix: String) {
    let program = prefix + "/bin/pawslab"
    #expect(
      Running.workers(of: program) == [
        prefix + "/bin/pawslab-worker", prefix + "/libexec/pawslab/pawslab-worker",
      ])
    #expect(LabFolder.places(of: program) == [prefix + "/share/pawslab/lab"])
  }

  /// Packages are built in a scratch folder of their own, whose program knows the repository.
  @Test func aBuildFolderIsOfItsRepository() {
    let program = "/r/.build/package/x86_64-unknown-linux-gnu/release/pawslab"
    #expect(LabFolder.places(of: program).first == "/r/lab")
  }
}
