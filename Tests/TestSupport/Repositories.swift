import Foundation

/// A tool that failed, with its words.
public struct ToolFailure: Error, CustomStringConvertible {
  public let description: String
}

/// Runs a tool to its end, and returns what it printed.
@discardableResult
public func tool(_ words: String..., in folder: URL, environment: [String: String] = [:]) throws -> String {
  guard let program = Needs.program(words[0]) else { throw ToolFailure(description: "no \(words[0]) here") }
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = Array(words.dropFirst())
  process.currentDirectoryURL = folder
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
  // What it says may be more than a pipe holds.
  let said = folder.appendingPathComponent(".said-\(UUID().uuidString)")
  try Data().write(to: said)
  defer { try? FileManager.default.removeItem(at: said) }
  let errors = try FileHandle(forWritingTo: said)
  let output = Pipe()
  process.standardInput = FileHandle.nullDevice
  process.standardOutput = output
  process.standardError = errors
  try process.run()
  let text = output.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  guard process.terminationStatus == 0 else {
    let words = words.joined(separator: " ")
    throw ToolFailure(
      description: "\(words): \(String(decoding: try Data(contentsOf: said), as: UTF8.self))")
  }
  return String(decoding: text, as: UTF8.self)
}

/// A key of somebody who signs, in a home of its own.
public struct SigningKey: Sendable {
  private let home: URL
  /// Its public part, in armour as distributions give theirs.
  public let file: URL
  public let fingerprint: String

  /// Runs `body` with a new one; its agent is gone with it.
  public static func with<Result>(in folder: URL, _ name: String, _ body: (SigningKey) async throws -> Result)
    async throws -> Result
  {
    let key = try SigningKey(in: folder, name)
    defer { _ = try? tool("gpgconf", "--kill", "all", in: folder, environment: key.environment) }
    return try await body(key)
  }

  private init(in folder: URL, _ name: String) throws {
    home = folder.appendingPathComponent("gnupg-\(name)")
    file = folder.appendingPathComponent("RPM-GPG-KEY-\(name)")
    try FileManager.default.createDirectory(
      at: home, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let environment = ["GNUPGHOME": home.path]
    try tool(
      "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", name, "rsa2048", "sign",
      "never",
      in: folder, environment: environment)
    try tool(
      "gpg", "--batch", "--armor", "--output", file.path, "--export", in: folder, environment: environment)
    let listed = try tool(
      "gpg", "--batch", "--with-colons", "--list-keys", in: folder, environment: environment)
    fingerprint =
      listed.split(separator: "\n").first { $0.hasPrefix("fpr:") }?.split(separator: ":").last.map(
        String.init) ?? ""
  }

  private var environment: [String: String] { ["GNUPGHOME": home.path] }

  /// Signs a file, beside it.
  public func sign(_ file: URL, as signature: URL, armoured: Bool) throws {
    try? FileManager.default.removeItem(at: signature)
    let words = armoured ? "--armor" : "--no-armor"
    try tool(
      "gpg", "--batch", "--quiet", words, "--output", signature.path, "--detach-sign", file.path,
      in: file.deletingLastPathComponent(), environment: environment)
  }

  /// Signs a file with its content (`InRelease`).
  public func clearSign(_ file: URL, as signed: URL) throws {
    try tool(
      "gpg", "--batch", "--quiet", "--output", signed.path, "--clear-sign", file.path,
      in: file.deletingLastPathComponent(), environment: environment)
  }

  /// Signs a package of rpm's, by rpm's own tool.
  /// - Parameter whole: header and payload together too, as was usual before rpm 4.14.
  public func sign(package: URL, whole: Bool = false) throws {
    let folder = package.deletingLastPathComponent()
    let gpg = Needs.program("gpg") ?? "gpg"
    let words = [
      "--define", "_gpg_name \(fingerprint)", "--define", "_gpg_path \(home.path)", "--define",
      "__gpg \(gpg)",
    ]
    try tool(
      "rpmsign", "--addsign", words[0], words[1], words[2], words[3], words[4], words[5],
      whole ? "--rpmv3" : "--quiet", package.path, in: folder, environment: environment)
  }
}

/// A repository of RPM packages, made by rpmbuild and createrepo_c.
public struct RpmMaker {
  /// The folder that has `repodata`.
  public let folder: URL

  /// - Parameter folder: one that is not there yet.
  public init(_ folder: URL) throws {
    self.folder = folder
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// Builds a package of a tree, and puts it into the repository.
  /// - Parameter version: with its release, `6.1.0-1.fc44`.
  public func add(_ name: String, _ version: String, tree: URL) throws -> URL {
    let parts = version.split(separator: "-")
    let build = folder.appendingPathComponent("../build-\(UUID().uuidString)").standardizedFileURL
    try FileManager.default.createDirectory(at: build, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: build) }
    let spec = build.appendingPathComponent("package.spec")
    try Data(
      """
      Name: \(name)
      Version: \(parts[0])
      Release: \(parts[1])
      Summary: a kernel
      License: GPL-2.0-only
      AutoReqProv: no
      %description
      %install
      mkdir -p %{buildroot}
      cp -a \(tree.path)/. %{buildroot}/
      %files
      /lib

      """.utf8
    ).write(to: spec)
    // Fast: none of what rpm does to programs, and no more packing than needed.
    try tool(
      "rpmbuild", "-bb", "--quiet", "--target", "x86_64", "--define", "_topdir \(build.path)", "--define",
      "_build_id_links none", "--define", "__os_install_post %{nil}", "--define", "_binary_payload w1.gzdio",
      "--define", "debug_package %{nil}", spec.path, in: build)
    let made = build.appendingPathComponent("RPMS/x86_64/\(name)-\(version).x86_64.rpm")
    let package = folder.appendingPathComponent(made.lastPathComponent)
    try FileManager.default.moveItem(at: made, to: package)
    return package
  }

  /// Makes its index anew.
  public func index() throws {
    try? FileManager.default.removeItem(at: folder.appendingPathComponent("repodata"))
    try tool("createrepo_c", "--quiet", "--no-database", ".", in: folder)
  }

  /// Signs its index.
  public func sign(by key: SigningKey) throws {
    let summary = folder.appendingPathComponent("repodata/repomd.xml")
    try key.sign(summary, as: summary.appendingPathExtension("asc"), armoured: true)
  }
}

/// A server of files on loopback, by Python; whatever is below `/endless/` has no end, and what is below `/elsewhere/` is
/// at a file of the machine's.
public final class FileServer {
  private let process: Process
  private let input = Pipe()
  /// `http://127.0.0.1:PORT`
  public let address: String

  public init(_ folder: URL) throws {
    process = Process()
    process.executableURL = URL(fileURLWithPath: Needs.program("python3") ?? "/usr/bin/python3")
    process.arguments = [
      "-c",
      """
      import http.server, os, sys, threading
      class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words): pass
        def do_GET(self):
          if self.path.startswith("/elsewhere/"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
          elif self.path.startswith("/endless/"):
            self.send_response(200)
            self.end_headers()
            try:
              while True: self.wfile.write(bytes(65536))
            except OSError: pass
          else:
            super().do_GET()
      server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
      threading.Thread(target=server.serve_forever, daemon=True).start()
      print(server.server_address[1], flush=True)
      sys.stdin.read()
      """,
    ]
    process.currentDirectoryURL = folder
    let output = Pipe()
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    var port = ""
    while let byte = try output.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8) {
      port += String(decoding: byte, as: UTF8.self)
    }
    address = "http://127.0.0.1:\(port)"
  }

  /// Ends it: it does when its standard input does.
  public func stop() {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }
}
