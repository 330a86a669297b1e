import Foundation
import Model

/// The keys by which a distribution is known here. What they have not signed is refused.
struct Keyring: Sendable {
  /// What the user or this machine calls them.
  let names: [String]
  /// As gpgv reads them: binary, below a folder of ours.
  let files: [String]
  /// Fingerprints that their makers have taken back (`archlinux-revoked` beside `archlinux.gpg`).
  private let revoked: Set<String>

  /// Takes copies, armoured ones without their armour (RFC 4880, 6).
  ///
  /// - Parameters:
  ///   - paths: files with keys.
  ///   - folder: one of ours.
  /// - Throws: `Failure` for a file that has none, or cannot be read.
  init(_ paths: [String], in folder: URL) throws {
    var files: [String] = []
    var revoked: Set<String> = []
    for (number, path) in paths.enumerated() {
      let mend = "name a file with the distribution's public keys: --keyring FILE"
      let bytes = try Files.read(path, stage: "keyring", atMost: Bounds.keyring, mend: mend)
      guard let keys = Self.unarmoured(bytes), !keys.isEmpty else {
        throw Failure(
          stage: "keyring", object: Files.printable(path), cause: "there is no public key in it", mend: mend)
      }
      let file = folder.appendingPathComponent("keyring-\(number).gpg").path
      try NewFile(file).append(keys, atMost: Bounds.keyring, of: "keyring")
      files.append(file)
      if path.hasSuffix(".gpg"),
        let list = try? Files.read(
          path.dropLast(4) + "-revoked", stage: "keyring", atMost: Bounds.keyring)
      {
        let lines = String(decoding: list, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        revoked.formUnion(lines.map { $0.uppercased() })
      }
    }
    self.names = paths
    self.files = files
    self.revoked = revoked
  }

  /// The keys in armour, one after another; bytes that are not in armour as they are; nil where it cannot be read.
  static func unarmoured(_ bytes: Data) -> Data? {
    guard bytes.prefix(64 << 10).range(of: Data("-----BEGIN PGP PUBLIC KEY BLOCK-----".utf8)) != nil else {
      // A packet's first byte (RFC 4880, 4.2), or a keybox of GnuPG's.
      let isKeybox = bytes.dropFirst(8).prefix(4).elementsEqual("KBXf".utf8)
      return bytes.first.map { $0 & 0x80 != 0 } == true || isKeybox ? bytes : nil
    }
    guard let text = String(data: bytes, encoding: .utf8) else { return nil }
    var keys = Data()
    var block: String?
    var isHeader = false
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      let line = line.trimmingCharacters(in: .whitespaces)
      if line == "-----BEGIN PGP PUBLIC KEY BLOCK-----" {
        (block, isHeader) = ("", true)
      } else if line == "-----END PGP PUBLIC KEY BLOCK-----" {
        guard let whole = block, let key = Data(base64Encoded: whole) else { return nil }
        keys += key
        block = nil
      } else if isHeader {
        // `Version: ...` until an empty line.
        isHeader = !line.isEmpty
      } else if !line.hasPrefix("=") {
        block?.append(line)
      }
    }
    return block == nil ? keys : nil
  }

  /// Checks a detached signature by gpgv(1), as nobody.
  ///
  /// - Parameters:
  ///   - object: what failures call the signed file.
  /// - Returns: the fingerprint of the key that signed it.
  /// - Throws: `Failure` where it is not signed by one of these keys, is another's, or was changed.
  func check(_ signature: URL, of file: URL, as object: String) throws -> String {
    // SHA-1 and MD5 have been broken; gpgv refuses the latter by itself.
    let words =
      ["gpgv", "--status-fd", "1", "--weak-digest", "SHA1"]
      + files.indices.flatMap { ["--keyring", Unpacker.path($0 + 1)] } + [Unpacker.path(0), "-"]
    var output = Data()
    var said: Failure?
    do {
      try Unpacker(words, from: file.path, files: [signature.path] + files, deadline: 120).run { bytes in
        guard output.count + bytes.count <= Bounds.record else {
          throw Bounds.exceeded("gpgv", Files.printable(object), Bounds.text(Bounds.record))
        }
        output.append(contentsOf: bytes)
      }
    } catch let failure as Failure where failure.stage == "gpgv" {
      guard Command.exists("gpgv") else { throw failure }
      said = failure
    }
    switch Self.verdict(String(decoding: output, as: UTF8.self)) {
    case .signed(let by) where !revoked.contains(by): return by
    case .signed(let by):
      throw refused(object, "signed by \(by), a key that was taken back")
    case .refused(let cause): throw refused(object, cause)
    case .nothing: throw refused(object, said?.cause ?? "its signature is none")
    }
  }

  private func refused(_ object: String, _ cause: String) -> Failure {
    Failure(
      stage: "signature", object: Files.printable(object), cause: cause,
      mend:
        "keys were read from \(names.map(Files.printable).joined(separator: ", ")): name the distribution's with "
        + "--keyring FILE, or another mirror with --mirror URL")
  }

  enum Verdict: Equatable {
    /// By the primary key of this fingerprint.
    case signed(String)
    case refused(String)
    case nothing
  }

  /// gpgv's status lines (doc/DETAILS of GnuPG). There may be several signatures, of which one must be good, by a key that
  /// is neither expired nor revoked, and none may be of other content.
  static func verdict(_ status: String) -> Verdict {
    var isGood = false
    var signer: String?
    var cause: String?
    for line in status.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      guard words.count > 1, words[0] == "[GNUPG:]" else { continue }
      let key = Files.printable(words.count > 2 ? words[2] : "?")
      switch words[1] {
      case "BADSIG":
        return .refused("it is not what was signed: it was changed, or the signature is another's")
      case "NEWSIG": isGood = false
      case "GOODSIG": isGood = true
      case "VALIDSIG": if isGood, signer == nil { signer = words.last }
      case "NO_PUBKEY": cause = "signed by a key that is not among those it is known by: \(key)"
      case "EXPKEYSIG": cause = "signed by a key that has expired: \(key)"
      case "REVKEYSIG": cause = "signed by a key that was taken back: \(key)"
      case "EXPSIG": cause = "its signature has expired"
      default: break
      }
    }
    return signer.map { .signed($0) } ?? cause.map { .refused($0) } ?? .nothing
  }
}
