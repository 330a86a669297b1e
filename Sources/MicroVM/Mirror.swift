import Foundation
import Model

/// Where files of a distribution are had: below an address that the user, or this machine, has named. Everything that is
/// fetched from there is a stranger's until its signature says otherwise.
struct Mirror: Sendable {
  /// `http://`, `https://` or `file:///`, without a slash at its end.
  let address: String
  /// Seconds for each file.
  let deadline: Int

  /// - Throws: `Failure` of usage for what is no address of one.
  init(_ text: String, example: String, deadline: Int) throws(Failure) {
    let isURL = text.utf8.allSatisfy { (0x21...0x7e).contains($0) && !"[]\"#?\\".utf8.contains($0) }
    guard isURL, ["http://", "https://", "file:///"].contains(where: text.hasPrefix) else {
      throw Failure(
        stage: "kernels fetch", object: "--mirror \(Files.printable(text))",
        cause: "not the address of a mirror", mend: "\(example), or file:///FOLDER", isUsage: true)
    }
    var address = text[...]
    while address.hasSuffix("/"), address != "file:///" { address.removeLast() }
    self.address = String(address)
    self.deadline = deadline
  }

  private init(address: String, deadline: Int) {
    self.address = address
    self.deadline = deadline
  }

  /// The one below it; the path is ours, or was checked.
  func below(_ path: String) -> Mirror {
    path.isEmpty ? self : Mirror(address: "\(address)/\(path)", deadline: deadline)
  }

  /// A path out of a repository's own index, as it may be asked for: below the repository, and nothing else. No scheme, no
  /// host, no root, no `..`, nothing that a server could read as one of them (`%2e`, `\`, `?`).
  static func checked(_ path: String) throws(Failure) -> String {
    let isPlain = path.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "/._-+~^:=@,".utf8.contains(byte)
      }
    }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard isPlain, path.utf8.count <= 512, parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else {
      throw Failure(
        stage: "repository", object: Files.printable(path), cause: "a path that leaves the mirror",
        mend: "the repository's index is not to be trusted: name another mirror with --mirror URL")
    }
    return path
  }

  /// Fetches a file; the path is ours, or was checked.
  /// - Parameters:
  ///   - size: bytes that it has; nil where nobody has said.
  ///   - limit: bytes that it may have.
  /// - Throws: `Failure` in the words of curl or the system; where there is more or less than that. What was written stays.
  func get(_ path: String, to file: URL, atMost limit: Int, size: Int? = nil) throws {
    guard try find(path, to: file, atMost: limit, size: size) else {
      throw Failure(
        stage: "mirror", object: Files.printable("\(address)/\(path)"), cause: "it is not there",
        mend: "is the mirror whole? name another with --mirror URL")
    }
  }

  /// As ``get(_:to:atMost:size:)``; false where the mirror says that it has no such file.
  func find(_ path: String, to file: URL, atMost limit: Int, size: Int? = nil) throws -> Bool {
    let place = "\(address)/\(path)"
    func failure(_ cause: String, _ mend: String) -> Failure {
      Failure(stage: "mirror", object: Files.printable(place), cause: cause, mend: mend)
    }
    let wrong = "the mirror is not whole, or is being changed: try again, or name another with --mirror URL"
    if let size, size > limit { throw Bounds.exceeded("mirror", Files.printable(place), Bounds.text(limit)) }
    let program: Unpacker
    if place.hasPrefix("file://") {
      let source = String(place.dropFirst("file://".count))
      var status = stat()
      guard stat(source, &status) == 0 else {
        if errno == ENOENT || errno == ENOTDIR { return false }
        throw failure(Files.words(errno: errno), "may it be read?")
      }
      guard status.st_mode & S_IFMT == S_IFREG else { throw failure("it is no regular file", wrong) }
      program = Unpacker(["cat"], from: source, deadline: deadline)
    } else {
      program = Unpacker(
        Self.curl(place, deadline: deadline), from: "/dev/null", environment: Self.proxies(),
        deadline: deadline)
    }
    let made = try NewFile(file.path)
    do {
      try program.run { bytes in
        if let size, made.count + bytes.count > size {
          throw failure("it has more than the \(size) bytes that the index gives it", wrong)
        }
        guard made.count + bytes.count <= limit else {
          throw Bounds.exceeded("mirror", Files.printable(place), Self.text(limit))
        }
        try made.append(bytes, atMost: limit, of: "mirror")
      }
    } catch let failed as Failure where failed.stage == "curl" {
      guard Command.exists("curl") else { throw failed }
      if Self.isMissing(failed.cause) { return false }
      throw failure(failed.cause, "is it reachable from here, and a mirror of this distribution?")
    }
    if let size, made.count != size {
      throw failure("it has \(made.count) bytes where the index says \(size)", wrong)
    }
    return true
  }

  private static func text(_ bytes: Int) -> String {
    bytes < 1 << 20 ? "\(bytes >> 10) KiB" : Bounds.text(bytes)
  }

  /// curl(1): nobody's settings, no other scheme by a redirection, and none that is less than asked for.
  static func curl(_ place: String, deadline: Int) -> [String] {
    let schemes = place.hasPrefix("https:") ? "=https" : "=http,https"
    return [
      "curl", "--disable", "--silent", "--show-error", "--fail", "--globoff", "--path-as-is", "--proto",
      schemes,
      "--location", "--proto-redir", schemes, "--max-redirs", "5", "--connect-timeout", "30",
      "--speed-limit", "1000", "--speed-time", "60", "--max-time", "\(deadline)", "--", place,
    ]
  }

  /// Whether curl says that the server answered that there is none: some stores answer 403 to that.
  static func isMissing(_ cause: String) -> Bool {
    ["error: 403", "error: 404", "error: 410"].contains(where: cause.contains)
  }

  /// How this machine reaches mirrors, as curl reads it.
  private static func proxies() -> [String] {
    let names = [
      "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
    ]
    return (names + ["CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]).compactMap { name in
      ProcessInfo.processInfo.environment[name].map { "\(name)=\($0)" }
    }
  }
}
