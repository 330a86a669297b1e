import Foundation
import Model

/// What this machine's own package manager has for the distribution that it runs: addresses of repositories. Taken only
/// where they are written out; what is behind a list of mirrors is not asked for.
struct OwnSources {
  /// The folder that stands for `/`.
  var root = "/"

  private func text(_ path: String) -> String? {
    try? String(contentsOfFile: root + path, encoding: .utf8)
  }

  /// Repositories for a kernel of the release that this machine runs; empty for others.
  func repositories(for known: KnownKernel) -> [String] {
    guard let text = text("etc/os-release") ?? text("usr/lib/os-release") else { return [] }
    func value(_ key: String) -> String {
      text.split(separator: "\n").first { $0.hasPrefix("\(key)=") }
        .map { $0.dropFirst(key.count + 1).trimmingCharacters(in: CharacterSet(charactersIn: "\"'")) } ?? ""
    }
    let (id, version) = (value("ID"), value("VERSION_ID"))
    let identity = known.distribution.identity
    guard
      id == identity || known.distribution == .opensuse && !id.isEmpty && known.name.hasPrefix(id),
      known.release.isEmpty || version == known.release || version.hasPrefix(known.release + ".")
    else { return [] }
    if case .pacman = known.source { return pacman() }
    return ["etc/yum.repos.d", "etc/zypp/repos.d"].flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: root + folder)) ?? []).sorted()
        .filter { $0.hasSuffix(".repo") }
        .flatMap { Self.addresses(self.text("\(folder)/\($0)") ?? "", of: known) }
    }
  }

  /// Those of a `.repo` file (dnf.conf(5)) that are enabled and of the distribution's own.
  static func addresses(_ text: String, of known: KnownKernel) -> [String] {
    var found: [String] = []
    var (id, address, isEnabled) = ("", "", true)
    func take() {
      if isEnabled, known.distribution.repositories.contains(id), !address.isEmpty, !address.contains("$") {
        found.append(address)
      }
    }
    for line in text.split(separator: "\n") {
      let line = line.trimmingCharacters(in: .whitespaces)
      if line.hasPrefix("["), line.hasSuffix("]") {
        take()
        (id, address, isEnabled) = (String(line.dropFirst().dropLast()), "", true)
        continue
      }
      let parts = line.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
      guard parts.count == 2 else { continue }
      switch parts[0] {
      case "enabled": isEnabled = ["1", "true", "yes"].contains(parts[1].lowercased())
      case "baseurl":
        let first = parts[1].split { $0 == " " || $0 == "," }.first.map(String.init) ?? ""
        address = ["releasever": known.release, "basearch": "x86_64", "arch": "x86_64"].reduce(first) {
          $0.replacing("${\($1.key)}", with: $1.value).replacing("$\($1.key)", with: $1.value)
        }
      default: break
      }
    }
    take()
    return found
  }

  /// The first of pacman's mirrors, its repository `core`.
  private func pacman() -> [String] {
    let lines = (text("etc/pacman.d/mirrorlist") ?? "").split(separator: "\n")
    let server = lines.first { $0.hasPrefix("Server") && $0.contains("=") }
      .map { $0.split(separator: "=", maxSplits: 1)[1].trimmingCharacters(in: .whitespaces) }
    return server.map { [$0.replacing("$repo", with: "core").replacing("$arch", with: "x86_64")] } ?? []
  }
}
