import Foundation
import Model

/// A cpio archive in the `newc` format (Documentation/driver-api/early-userspace/buffer-format.rst).
struct Cpio {
  private(set) var data = Data()
  private var made: Set<String> = []
  private var inode = 1

  private mutating func entry(_ path: String, mode: Int, content: Data, device: (Int, Int) = (0, 0)) {
    let name = path + "\0"
    let fields = [
      inode, mode, 0, 0, 1, 0, content.count, 0, 0, device.0, device.1, name.utf8.count, 0,
    ]
    inode += 1
    data.append(contentsOf: Array("070701".utf8))
    for field in fields { data.append(contentsOf: Array(Self.hex(field).utf8)) }
    data.append(contentsOf: Array(name.utf8))
    pad()
    data.append(content)
    pad()
  }

  private static func hex(_ number: Int) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: max(0, 8 - digits.count)) + digits
  }

  private mutating func pad() { data.append(contentsOf: [UInt8](repeating: 0, count: -data.count & 3)) }

  /// A folder with all above it. Paths have no leading slash.
  mutating func folder(_ path: String) {
    guard !path.isEmpty, made.insert(path).inserted else { return }
    folder(Self.parent(path))
    entry(path, mode: 0o040755, content: Data())
  }

  mutating func file(_ path: String, _ content: Data, executable: Bool = false) {
    guard made.insert(path).inserted else { return }
    folder(Self.parent(path))
    entry(path, mode: executable ? 0o100755 : 0o100644, content: content)
  }

  mutating func link(_ path: String, to target: String) {
    guard made.insert(path).inserted else { return }
    folder(Self.parent(path))
    entry(path, mode: 0o120777, content: Data(target.utf8))
  }

  mutating func characterDevice(_ path: String, _ major: Int, _ minor: Int) {
    guard made.insert(path).inserted else { return }
    folder(Self.parent(path))
    entry(path, mode: 0o020600, content: Data(), device: (major, minor))
  }

  /// The archive with its trailer.
  mutating func finish() -> Data {
    entry("TRAILER!!!", mode: 0, content: Data())
    return data
  }

  private static func parent(_ path: String) -> String {
    path.split(separator: "/").dropLast().joined(separator: "/")
  }
}

/// What a guest starts with: the worker as `/init`, the firewall tools of this machine with the libraries that
/// they need, and the modules of its kernel. Not compressed: a guest without KVM unpacks slowly.
enum Initramfs {
  /// - Parameters:
  ///   - worker: path of `pawslab-worker`.
  ///   - extraTools: programs of this machine that are taken along besides.
  ///   - hasShell: whether somebody is to look around in it (``ShellTools``).
  static func make(
    _ kernel: StoredKernel, in folder: URL, worker: String, extraTools: [String] = [],
    hasShell: Bool = false
  ) async throws -> Data {
    var archive = Cpio()
    archive.characterDevice("dev/console", 5, 1)
    for name in ["proc", "sys", "run", "tmp", "root"] { archive.folder(name) }
    // For programs that give up their rights by name.
    archive.file("etc/passwd", Data("root:x:0:0:root:/root:/bin/sh\n".utf8))
    archive.file("etc/group", Data("root:x:0:\n".utf8))
    var programs = [worker]
    archive.file("init", try read(worker), executable: true)
    for (program, names) in tools + (extraTools + (hasShell ? ShellTools.programs : [])).map({ ($0, []) }) {
      guard let path = Command.path(program) else { continue }
      programs.append(path)
      archive.file("usr/sbin/\(program)", try read(path), executable: true)
      for name in names { archive.link("usr/sbin/\(name)", to: program) }
    }
    for link in hasShell ? try await ShellTools.links() : [] { archive.link(link.name, to: link.program) }
    for library in try await libraries(of: programs) {
      archive.file(String(library.dropFirst()), try read(library), executable: true)
    }
    for folder in ["/usr/lib/\(triple)/xtables", "/usr/lib64/xtables", "/usr/lib/xtables"] {
      for name in extensions {
        let path = "\(folder)/lib\(name).so"
        guard FileManager.default.fileExists(atPath: path) else { continue }
        archive.file(String(path.dropFirst()), try read(path), executable: true)
      }
    }
    var order = ""
    for bundle in kernel.bundles {
      // As systemd and make have it: what may fail has a dash.
      let files = bundle.files.map { bundle.optional?.contains($0) == true ? "-\($0)" : $0 }
      order += ([bundle.name] + files).joined(separator: " ") + "\n"
      for file in bundle.files {
        archive.file("modules/\(file)", try read(folder.appendingPathComponent("modules/\(file)").path))
      }
    }
    archive.file("modules/order", Data(order.utf8))
    return archive.finish()
  }

  private static let triple = "x86_64-linux-gnu"

  /// Programs, and the names by which they are called.
  private static let tools: [(program: String, names: [String])] = [
    (
      "xtables-nft-multi",
      ["iptables-nft-restore", "iptables-nft-save", "ip6tables-nft-restore", "ip6tables-nft-save"]
    ),
    (
      "xtables-legacy-multi",
      [
        "iptables-legacy-restore", "iptables-legacy-save", "ip6tables-legacy-restore",
        "ip6tables-legacy-save",
      ]
    ),
    ("nft", []),
  ]

  /// Where those of them are that this machine has.
  static var programs: [String] { tools.compactMap { Command.path($0.program) } }

  /// What the rules of the lab ask of iptables.
  private static let extensions = [
    "xt_standard", "xt_tcp", "xt_conntrack", "xt_NAT", "xt_SNAT", "xt_DNAT", "xt_MASQUERADE", "xt_ipvs",
    "xt_TCPOPTSTRIP", "xt_SYNPROXY", "xt_statistic", "xt_CT", "ipt_REJECT", "ip6t_REJECT", "ipt_SNAT",
    "ip6t_SNAT", "ipt_MASQUERADE", "ip6t_MASQUERADE",
  ]

  /// Shared libraries and the loader, as `ldd` prints them; none for a static program.
  private static func libraries(of programs: [String]) async throws -> [String] {
    var found: [String] = []
    for program in programs {
      // "not a dynamic executable" is a failure of ldd's, and an answer.
      guard let lines = try? await Command("ldd", program).lines() else { continue }
      for line in lines {
        if line.contains("libswiftCore") {
          // Its libraries look for /proc before anything of ours could mount it.
          throw Failure(
            stage: "initramfs", object: program,
            cause: "linked to Swift's runtime dynamically; as a guest's first process it would not start",
            mend: "swift build --static-swift-stdlib --product pawslab-worker, as scripts/run does")
        }
        if line.contains("not found") {
          throw Failure(stage: "initramfs", object: program, cause: "ldd: \(line)")
        }
        if let path = line.split(whereSeparator: \.isWhitespace).first(where: { $0.hasPrefix("/") }),
          !found.contains(String(path))
        {
          found.append(String(path))
        }
      }
    }
    return found
  }

  private static func read(_ path: String) throws -> Data {
    do { return try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw Failure(stage: "initramfs", object: path, cause: Files.words(error))
    }
  }
}
