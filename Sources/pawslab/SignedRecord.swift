import Foundation
import Model
import Report
import Subprocess

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// A record and its signature, by ssh-keygen(1) `-Y`: OpenSSH is where pawslab is, its keys are those that people have,
/// and the format is written down (PROTOCOL.sshsig).
enum SignedRecord {
  /// What a signature is for: one that was made for something else is none.
  private static let namespace = "pawslab-record"
  /// Who may sign, in the folder of the records (ssh-keygen(1), ALLOWED SIGNERS).
  private static let signers = "allowed_signers"

  /// What is known of who signed.
  enum Signature: Equatable {
    case none
    /// By whom, as `allowed_signers` calls them.
    case by(String)
    /// Nobody says whose key that is.
    case unknown(key: String)

    var words: String {
      switch self {
      case .none: "not signed"
      case .by(let who): "signed by \(who)"
      case .unknown(let key): "signed with \(key), which no \(SignedRecord.signers) beside it names"
      }
    }
  }

  static func signature(of path: String) -> String { path + ".sig" }

  /// Reads a record, and its signature where there is one.
  ///
  /// - Throws: `Failure` where a signature is not of this file, or of somebody who may not sign.
  static func read(_ path: String) async throws -> (record: KernelRecord, signature: Signature) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Failure(stage: "read", object: path, cause: "it cannot be read", isUsage: true)
    }
    guard data.count <= KernelRecord.limit else {
      throw Failure(
        stage: "read", object: path, cause: "\(data.count) bytes; no more than \(KernelRecord.limit) are read"
      )
    }
    // First who says so, then what.
    let signature = try await verified(path, data)
    return (try KernelRecord(data, file: path), signature)
  }

  private static func verified(_ path: String, _ data: Data) async throws -> Signature {
    let file = signature(of: path)
    guard FileManager.default.fileExists(atPath: file) else { return .none }
    let allowed = URL(fileURLWithPath: path).deletingLastPathComponent().appendingPathComponent(signers).path
    func refused(_ said: String) -> Failure {
      let line = said.split(separator: "\n").first.map(String.init) ?? ""
      return Failure(
        stage: "verify", object: file,
        cause: "no signature of this file by anybody who may: \(Visible.line(line))",
        mend: "get both files anew, or take the signature away if you trust the file without")
    }
    guard FileManager.default.fileExists(atPath: allowed) else {
      let ended = try await keygen(["-Y", "check-novalidate", "-n", namespace, "-s", file], data)
      guard ended.isFine else { throw refused(ended.text) }
      return .unknown(
        key: ended.text.split(separator: " ").first { $0.hasPrefix("SHA256:") }.map(String.init) ?? "a key")
    }
    let found = try await keygen(["-Y", "find-principals", "-s", file, "-f", allowed], nil)
    guard found.isFine, let who = found.text.split(whereSeparator: \.isNewline).first.map(String.init) else {
      throw refused("its key is not in \(signers)")
    }
    let ended = try await keygen(
      ["-Y", "verify", "-f", allowed, "-I", who, "-n", namespace, "-s", file], data)
    guard ended.isFine else { throw refused(ended.text) }
    return .by(who)
  }

  /// Signs a file.
  static func sign(_ path: String, with key: String) async throws {
    let ended = try await keygen(["-Y", "sign", "-f", key, "-n", namespace, path], nil)
    guard ended.isFine else {
      throw Failure(
        stage: "--sign", object: key,
        cause: Visible.line(ended.text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""),
        mend: "ssh-keygen -t ed25519 -f KEY makes one", isUsage: true)
    }
  }

  private static func keygen(_ arguments: [String], _ input: Data?) async throws -> (
    isFine: Bool, text: String
  ) {
    do {
      let ended = try await Subprocess.run(
        .name("ssh-keygen"), arguments: Arguments(arguments), input: .array([UInt8](input ?? Data())),
        output: .string(limit: 1 << 16), error: .string(limit: 1 << 16))
      guard case .exited(0) = ended.terminationStatus else {
        return (false, ended.standardError + ended.standardOutput)
      }
      return (true, ended.standardOutput)
    } catch {
      throw Failure(
        stage: "start", object: "ssh-keygen", cause: "there is no ssh-keygen on this machine",
        mend: "apt-get install openssh-client")
    }
  }
}
