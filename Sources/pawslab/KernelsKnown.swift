import ArgumentParser
import Lab
import MicroVM
import Model

/// What `kernels fetch` knows by name.
enum KnownKernels {
  /// The one of that name.
  static func named(_ name: String) throws -> KnownKernel {
    guard let known = KnownKernel.named(name) else {
      throw ValidationError(
        "no kernel called \(name) can be fetched"
          + (Nearest.to(name, among: KnownKernel.all.map(\.name)).map { "; did you mean \($0)?" } ?? "")
          + "; there are \(KnownKernel.all.filter(\.current).map(\.name).joined(separator: ", ")), and with a mirror those "
          + "that pawslab kernels fetch --known lists; pawslab kernels add \(name) --rpm F... | --deb F... takes packages"
      )
    }
    return known
  }

  /// By distribution: what each is made of and where that is below a mirror, then where mirror and keys come from.
  static func table() -> [String] {
    let rows = KnownKernel.all.map { known in
      let (kind, packages, places) = parts(known)
      return (known, [known.name, kind, packages.joined(separator: " "), places.joined(separator: " ")])
    }
    let titles = ["name", "by", "packages", "below the mirror"]
    let widths = titles.indices.map { column in
      (rows.map { $0.1[column].count } + [titles[column].count]).max() ?? 0
    }
    func line(_ cells: [String]) -> String {
      zip(cells, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ")
        .trimmingSuffix(while: \.isWhitespace)
    }
    var lines = [line(titles)]
    for distribution in Distribution.allCases {
      lines.append("")
      for (known, cells) in rows where known.distribution == distribution {
        lines.append(line(cells) + (known.isPast ? "  (past: an archive's)" : ""))
      }
      lines.append("  mirror  " + (distribution == .debian ? "apt's, or " : "") + distribution.mirror)
      let keys = Set(rows.filter { $0.0.distribution == distribution }.flatMap(\.0.keyringsOfAnyRelease))
        .sorted()
      lines.append("  keys    --keyring FILE, or where they are here (\(distribution.keys)):")
      lines += keys.map { "          \($0)" }
    }
    lines += [
      "", "Any other: pawslab kernels add NAME --deb F... | --rpm F... | --image F [--modules D]",
    ]
    return lines
  }

  private static func parts(_ known: KnownKernel) -> (kind: String, packages: [String], places: [String]) {
    switch known.source {
    case .apt(let suites, let package): ("apt", [package], suites.map { "dists/\($0)" })
    case .rpm(let folders, let packages): ("rpm", packages, folders)
    case .pacman(let folder, _, let package): ("pacman", [package], [folder])
    }
  }
}

extension String {
  fileprivate func trimmingSuffix(while isTrimmed: (Character) -> Bool) -> String {
    var text = self[...]
    while text.last.map(isTrimmed) == true { text.removeLast() }
    return String(text)
  }
}
