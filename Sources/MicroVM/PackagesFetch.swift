import Foundation
import Model

extension Packages {
  /// Fetches a distribution's kernel, from the mirror that was named, or that this machine itself uses for it, by the keys
  /// that it is known by.
  ///
  /// - Parameters:
  ///   - mirror: nil takes the one in this machine's own sources.
  ///   - keyrings: files with public keys; none takes those that the distribution's own package has put here.
  ///   - progress: what happens, one line each.
  /// - Throws: `Failure`, of usage where no mirror is known; where anything is not signed, or not what was signed.
  public func fetch(
    _ known: KnownKernel, mirror: String?, keyrings: [String] = [],
    progress: @Sendable (String) async -> Void
  ) async throws -> StoredKernel {
    let scratch = try store.scratch()
    defer { scratch.remove() }
    let name = try KernelName(known.name)
    let (packages, source): ([String], String)
    switch known.source {
    case .apt:
      (packages, source) = try await byApt(known, mirror, keyrings, in: scratch, progress)
    case .rpm(let folders, let names):
      (packages, source) = try await byRpm(known, folders, names, mirror, keyrings, in: scratch, progress)
    case .pacman(let folder, let database, let package):
      let (keyring, repositories) = try sources(of: known, [folder], mirror, keyrings, in: scratch)
      var found: (file: String, package: ArchRepository.Package)?
      for repository in repositories where found == nil {
        found = try await ArchRepository.fetch(
          package, database: database, from: repository, by: keyring, in: scratch.url
        ) { await progress("\(known.name): \($0)") }
      }
      guard let found else { throw nothing(known, repositories, database) }
      (packages, source) = ([found.file], "\(package) \(found.package.version)")
    }
    await progress("\(known.name): unpacking")
    return try await add(name: name, packages: packages, source: Files.printable(source), in: scratch)
  }

  // MARK: apt

  /// The version of a Debian kernel that apt would fetch: `6.1.176-1`. Reads the index of its suite, and nothing else; nil
  /// for what is not had by apt.
  public func version(
    of known: KnownKernel, mirror: String? = nil, progress: @Sendable (String) async -> Void
  ) async throws -> KernelVersion? {
    guard case .apt = known.source else { return nil }
    let scratch = try store.scratch()
    defer { scratch.remove() }
    let (apt, names, unreachable) = try await index(
      of: known, mirror: mirror, keyrings: [], in: scratch, progress)
    guard let image = names.first else { return nil }
    return try await apt.version(of: image, mend: unreachable).map(KernelVersion.init)
  }

  private func byApt(
    _ known: KnownKernel, _ mirror: String?, _ keyrings: [String], in scratch: ScratchFolder,
    _ progress: @Sendable (String) async -> Void
  ) async throws -> (packages: [String], source: String) {
    let (apt, names, unreachable) = try await index(
      of: known, mirror: mirror, keyrings: keyrings, in: scratch, progress)
    guard let image = names.first else {
      throw Failure(
        stage: "kernels fetch", object: known.name, cause: "\(known.package) names no image",
        mend: unreachable)
    }
    await progress("\(known.name): downloading \(names.joined(separator: ", "))")
    let packages = try await apt.download(names, mend: unreachable)
    let version = packages.first { $0.contains(image) }?.split(separator: "_").dropFirst().first ?? ""
    return (packages, "\(image) \(version)")
  }

  /// Reads the index of a release's suites, and which packages a kernel is made of there; with what is said where that
  /// fails.
  private func index(
    of known: KnownKernel, mirror: String?, keyrings: [String], in scratch: ScratchFolder,
    _ progress: @Sendable (String) async -> Void
  ) async throws -> (apt: Apt, names: [String], mend: String) {
    guard case .apt(let suites, let package) = known.source else { throw noMirror(known) }
    guard mirror != nil || !known.isPast else { throw noMirror(known) }
    for (program, mend) in [
      ("apt-get", "pawslab kernels add \(known.name) --deb FILE"), ("dpkg-deb", Command.mend("dpkg-deb")),
    ] where !Command.exists(program) {
      throw Failure(
        stage: "kernels fetch", object: known.name, cause: "no \(program) on this machine", mend: mend)
    }
    let site: String
    if let mirror {
      site = try Mirror(mirror, example: known.distribution.mirror, deadline: deadline).address
    } else {
      guard let own = try await Apt.ownMirror(of: known.distribution, deadline) else { throw noMirror(known) }
      site = own
    }
    let keys = try keyringPaths(of: known, keyrings)
    let apt = try await Apt(
      in: scratch.url, site: site, suites: suites,
      keyrings: keyrings.isEmpty ? keys : try Keyring(keys, in: scratch.url).files,
      isCurrent: !known.isPast, deadline: deadline)

    await progress(
      "\(known.name): reading the index of \(suites[0])"
        + (known.isPast
          ? "; that it is of a time that is over (Valid-Until) is let pass, for it is a past release" : ""))
    let unreachable =
      known.current
      ? "is the mirror of this machine's apt reachable, and signed by Debian? apt-get update says more"
      : known.isPast
        ? "\(suites[0]) is past: name an archive of old releases with --mirror URL"
        : "is \(Files.printable(site)) a mirror of \(known.distribution.rawValue)? name another with --mirror URL"
    try await apt.update(mend: unreachable)
    let names = try await apt.kernelPackages(of: package, mend: unreachable)
    return (apt, names, unreachable)
  }

  // MARK: RPM

  private func byRpm(
    _ known: KnownKernel, _ folders: [String], _ names: [String], _ mirror: String?, _ keyrings: [String],
    in scratch: ScratchFolder, _ progress: @Sendable (String) async -> Void
  ) async throws -> (packages: [String], source: String) {
    let (keyring, mirrors) = try sources(of: known, folders, mirror, keyrings, in: scratch)
    var repositories: [RpmRepository] = []
    for (number, place) in mirrors.enumerated() {
      // The mirror itself is asked only where none of the folders is there: it may be a repository.
      if mirror != nil, number == folders.count, !repositories.isEmpty { break }
      await progress("\(known.name): reading the index of \(Files.printable(place.address))")
      let folder = scratch.url.appendingPathComponent("repository-\(number)")
      guard
        let found = try await RpmRepository.read(place, names: Set(names), keyring: keyring, in: folder)
      else {
        await progress("\(known.name): \(Files.printable(place.address)) has no repository")
        continue
      }
      await progress(
        "\(known.name): "
          + (found.signer.map { "its index is signed by \($0)" }
            ?? "its index is not signed: each package must be"))
      repositories.append(found)
    }
    guard !repositories.isEmpty else { throw nothing(known, mirrors, "repodata/repomd.xml") }
    guard let (_, image) = RpmRepository.newest(names[0], in: repositories) else {
      throw Failure(
        stage: "kernels fetch", object: known.name,
        cause: "there is no package \(names[0]) for x86-64 in the repositories",
        mend: "is it a mirror of \(known.distribution.rawValue)? name another with --mirror URL")
    }
    var files: [String] = []
    for name in names {
      let found = repositories.lazy.compactMap { repository in
        repository.packages.first { $0.name == name && $0.version == image.version }.map { (repository, $0) }
      }.first
      guard let (repository, package) = found else {
        await progress("\(known.name): there is no \(name) \(image.version): left out")
        continue
      }
      await progress("\(known.name): downloading \(Files.printable(package.path))")
      let folder = scratch.url.appendingPathComponent("package-\(files.count)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let fetched = try await repository.fetch(package, by: keyring, in: folder)
      if let signer = fetched.signer { await progress("\(known.name): \(name) is signed by \(signer)") }
      files.append(fetched.file)
    }
    return (files, "\(names[0]) \(image.version.version)-\(image.version.release)")
  }

  // MARK: mirrors and keys

  /// Where repositories are, and by which keys they are known.
  private func sources(
    of known: KnownKernel, _ folders: [String], _ mirror: String?, _ keyrings: [String],
    in scratch: ScratchFolder
  ) throws -> (Keyring, [Mirror]) {
    let example = known.distribution.mirror
    var mirrors: [Mirror] = []
    if let mirror {
      let named = try Mirror(mirror, example: example, deadline: deadline)
      // Below its root, or a repository itself.
      mirrors = folders.map(named.below) + (folders.contains("") ? [] : [named])
    } else {
      mirrors = try OwnSources().repositories(for: known).map {
        try Mirror($0, example: example, deadline: deadline)
      }
    }
    guard !mirrors.isEmpty else { throw noMirror(known) }
    return (try Keyring(try keyringPaths(of: known, keyrings), in: scratch.url), mirrors)
  }

  /// The files with keys: those that were named, else those that are here.
  private func keyringPaths(of known: KnownKernel, _ named: [String]) throws(Failure) -> [String] {
    if !named.isEmpty { return named }
    let files = FileManager.default
    let found = known.keyrings.flatMap { path in
      var isFolder: ObjCBool = false
      guard files.fileExists(atPath: path, isDirectory: &isFolder) else { return [String]() }
      guard isFolder.boolValue else { return [path] }
      return ((try? files.contentsOfDirectory(atPath: path)) ?? []).sorted().map { "\(path)/\($0)" }
    }
    guard !found.isEmpty else {
      throw Failure(
        stage: "kernels fetch", object: known.name,
        cause: "\(known.distribution.rawValue)'s keys are not here: no \(known.keyrings[0])",
        mend: "\(known.distribution.keys); or name a file with them: --keyring FILE", isUsage: true)
    }
    return found
  }

  private func noMirror(_ known: KnownKernel) -> Failure {
    let (kind, packages, folders): (String, [String], [String]) =
      switch known.source {
      case .apt(let suites, _): ("deb", ["linux-image", "linux-modules"], ["dists/\(suites[0])"])
      case .rpm(let folders, let packages): ("rpm", packages, folders.filter { !$0.isEmpty })
      case .pacman(let folder, _, let package): ("rpm", [package], [folder])
      }
    let files = packages.map {
      kind == "deb" ? "\($0)-*.deb" : known.isPacman ? "\($0)-*.pkg.tar.zst" : "\($0)-*.\(kind)"
    }
    return Failure(
      stage: "kernels fetch", object: known.name,
      cause: known.isPast
        ? "it is a past release, which mirrors no longer have"
        : "this machine's own sources name no mirror of \(known.distribution.rawValue)",
      mend: "name \(known.isPast ? "an archive" : "one") with --mirror URL (\(known.distribution.mirror)"
        + (folders.isEmpty ? "" : ", which has \(folders.joined(separator: " and "))")
        + "); or take packages: pawslab kernels add \(known.name) --\(kind) \(files.joined(separator: " "))",
      isUsage: true)
  }

  private func nothing(_ known: KnownKernel, _ mirrors: [Mirror], _ file: String) -> Failure {
    Failure(
      stage: "kernels fetch", object: known.name,
      cause:
        "no repository there: \(mirrors.map { Files.printable("\($0.address)/\(file)") }.joined(separator: ", "))",
      mend: "name a mirror of \(known.distribution.rawValue) with --mirror URL: \(known.distribution.mirror)")
  }
}

extension KnownKernel {
  fileprivate var isPacman: Bool { if case .pacman = source { true } else { false } }
}
