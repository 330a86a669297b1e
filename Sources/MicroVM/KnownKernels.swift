/// A distribution's kernel that can be fetched by name.
public struct KnownKernel: Sendable {
  /// How its packages are had.
  public enum Source: Sendable, Equatable {
    /// By apt: the suites of the archive, the first of the release itself, and the meta package of the kernel.
    case apt(suites: [String], package: String)
    /// From repositories of RPM packages, below the mirror: the package with the image, then those with modules, of which
    /// a release may lack some.
    case rpm(repositories: [String], packages: [String])
    /// From pacman's database, below the mirror.
    case pacman(folder: String, database: String, package: String)
  }

  /// What `--kernel` calls it.
  public let name: String
  /// Who makes it.
  public let distribution: Distribution
  /// The release, as its `VERSION_ID` in os-release(5) begins.
  let release: String
  /// Where it is.
  public let source: Source
  /// Whether mirrors no longer have it, and archives do.
  public let isPast: Bool
  /// Files that hold the distribution's public keys, where its own or another's packages put them.
  public let keyrings: [String]

  init(
    _ name: String, _ distribution: Distribution, release: String, _ source: Source, isPast: Bool = false,
    keyrings: [String]
  ) {
    self.name = name
    self.distribution = distribution
    self.release = release
    self.source = source
    self.isPast = isPast
    self.keyrings = keyrings
  }

  /// Whether it is fetched when it is named, from the mirror that a Debian machine uses anyway.
  public var current: Bool { distribution == .debian && !isPast }

  /// ``keyrings`` with N for the release, where they are one's own.
  public var keyringsOfAnyRelease: [String] {
    release.isEmpty ? keyrings : keyrings.map { $0.replacing("-\(release)", with: "-N") }
  }

  /// The package with its image, or that stands for it.
  var package: String {
    switch source {
    case .apt(_, let package), .pacman(_, _, let package): package
    case .rpm(_, let packages): packages[0]
    }
  }

  /// Those that can be fetched, by distribution.
  public static let all: [KnownKernel] = debian + ubuntu + fedora + enterprise + suse + amazon + arch

  /// The release of that name.
  public static func named(_ name: String) -> KnownKernel? { all.first { $0.name == name } }
}

/// Who makes kernels that are known by name.
public enum Distribution: String, Sendable, CaseIterable {
  case debian = "Debian"
  case ubuntu = "Ubuntu"
  case fedora = "Fedora"
  case almalinux = "AlmaLinux"
  case rocky = "Rocky Linux"
  case centos = "CentOS"
  case opensuse = "openSUSE"
  case amazon = "Amazon Linux"
  case arch = "Arch Linux"

  /// The end of a mirror's address, by which to find what is meant: `http://HOST/debian`.
  public var mirror: String {
    switch self {
    case .debian: "http://HOST/debian"
    case .ubuntu: "http://HOST/ubuntu"
    case .fedora: "http://HOST/.../fedora/linux"
    case .almalinux: "http://HOST/almalinux"
    case .rocky: "http://HOST/.../rocky"
    case .centos: "http://HOST/... of the vault or, for -stream, of a mirror"
    case .opensuse: "http://HOST"
    case .amazon: "the address that the repository's mirror.list names"
    case .arch: "http://HOST/archlinux"
    }
  }

  /// How its keys can be had.
  public var keys: String {
    switch self {
    case .debian: "apt-get install debian-archive-keyring"
    case .ubuntu: "they come with Ubuntu's package ubuntu-keyring"
    case .fedora: "they come with Fedora's package fedora-gpg-keys, or distribution-gpg-keys"
    case .almalinux:
      "they come with AlmaLinux's package almalinux-gpg-keys (8, 9: almalinux-release), or distribution-gpg-keys"
    case .rocky: "they come with Rocky Linux's package rocky-gpg-keys, or distribution-gpg-keys"
    case .centos:
      "they come with CentOS's package centos-gpg-keys (7: centos-release), or distribution-gpg-keys"
    case .opensuse: "they come with openSUSE's package openSUSE-build-key"
    case .amazon: "they come with Amazon Linux's package system-release, or distribution-gpg-keys"
    case .arch: "apt-get install archlinux-keyring"
    }
  }

  /// Its `ID` in os-release(5).
  var identity: String {
    switch self {
    case .debian: "debian"
    case .ubuntu: "ubuntu"
    case .fedora: "fedora"
    case .almalinux: "almalinux"
    case .rocky: "rocky"
    case .centos: "centos"
    case .opensuse: "opensuse"
    case .amazon: "amzn"
    case .arch: "arch"
    }
  }

  /// What it calls its own repositories that have a kernel (`[ID]` in a .repo file).
  var repositories: Set<String> {
    switch self {
    case .debian, .ubuntu, .arch: []
    case .fedora: ["fedora", "updates"]
    case .almalinux, .rocky: ["baseos"]
    case .centos: ["base", "updates", "baseos"]
    case .opensuse: ["repo-oss", "repo-update", "repo-sle-update", "openSUSE:repo-oss"]
    case .amazon: ["amzn2-core", "amazonlinux"]
    }
  }
}

extension KnownKernel {
  // MARK: apt

  private static func keyrings(_ names: String...) -> [String] { names.map { "/usr/share/keyrings/\($0)" } }

  /// The cloud flavour where there is one: small, and it boots anywhere. Others of the releases in use by what Debian
  /// calls them.
  private static let debian: [KnownKernel] =
    debian("8", "jessie", "amd64", isPast: true) + debian("9", "stretch", "amd64", isPast: true)
    + debian("10", "buster", "cloud-amd64", isPast: true)
    + flavours("11", "bullseye") + flavours("12", "bookworm", backports: true)
    + flavours("13", "trixie", backports: true) + flavours("sid", "sid")

  private static func debian(
    _ release: String, _ suite: String, _ package: String, flavour: String = "", isPast: Bool = false
  ) -> [KnownKernel] {
    [
      KnownKernel(
        "debian-\(release)\(flavour)", .debian, release: release,
        .apt(suites: [suite], package: "linux-image-\(package)"), isPast: isPast,
        keyrings: keyrings(
          "debian-archive-keyring.gpg", "debian-archive-keyring.pgp", "debian-archive-removed-keys.gpg",
          "debian-archive-removed-keys.pgp"))
    ]
  }

  private static func flavours(_ release: String, _ suite: String, backports: Bool = false) -> [KnownKernel] {
    debian(release, suite, "cloud-amd64") + debian(release, suite, "amd64", flavour: "-generic")
      + debian(release, suite, "rt-amd64", flavour: "-rt")
      + (backports ? debian(release, "\(suite)-backports", "amd64", flavour: "-backports") : [])
  }

  /// The virtual flavour: what is loaded in guests. `-generic` has `linux-modules-extra` too (netem), `-hwe` the kernel of
  /// a later release.
  private static let ubuntu: [KnownKernel] = [
    ("14.04", "trusty", false), ("16.04", "xenial", true), ("18.04", "bionic", true),
    ("20.04", "focal", true),
    ("22.04", "jammy", true), ("24.04", "noble", true), ("26.04", "resolute", false),
  ].flatMap { release, suite, hwe in
    [("", "virtual"), ("-generic", "generic")].map { ubuntu(release, suite, $0.0, $0.1) }
      + (hwe ? [ubuntu(release, suite, "-hwe", "generic-hwe-\(release)")] : [])
  }

  private static func ubuntu(_ release: String, _ suite: String, _ flavour: String, _ package: String)
    -> KnownKernel
  {
    KnownKernel(
      "ubuntu-\(release)\(flavour)", .ubuntu, release: release,
      .apt(suites: [suite, "\(suite)-updates", "\(suite)-security"], package: "linux-image-\(package)"),
      keyrings: keyrings("ubuntu-archive-keyring.gpg", "ubuntu-archive-removed-keys.gpg"))
  }

  // MARK: RPM

  private static func keys(_ own: String, shared: String) -> [String] {
    ["/etc/pki/rpm-gpg/\(own)", "/usr/share/distribution-gpg-keys/\(shared)"]
  }

  /// Where modules have packages of their own: netem is in the last.
  private static let split = ["kernel-core", "kernel-modules-core", "kernel-modules", "kernel-modules-extra"]

  private static let fedora: [KnownKernel] = (38...45).map { release in
    KnownKernel(
      "fedora-\(release)", .fedora, release: "\(release)",
      .rpm(
        repositories: [
          "releases/\(release)/Everything/x86_64/os", "updates/\(release)/Everything/x86_64",
        ], packages: split), isPast: release < 43,
      keyrings: keys(
        "RPM-GPG-KEY-fedora-\(release)-primary", shared: "fedora/RPM-GPG-KEY-fedora-\(release)-primary"))
  }

  private static let enterprise: [KnownKernel] =
    ["8", "9", "10"].map { release in
      KnownKernel(
        "almalinux-\(release)", .almalinux, release: release,
        .rpm(repositories: ["\(release)/BaseOS/x86_64/os"], packages: split),
        keyrings: keys(
          "RPM-GPG-KEY-AlmaLinux-\(release)", shared: "alma/RPM-GPG-KEY-AlmaLinux-\(release)"))
    }
    + ["8", "9", "10"].map { release in
      let key = release == "8" ? "RPM-GPG-KEY-rockyofficial" : "RPM-GPG-KEY-Rocky-\(release)"
      return KnownKernel(
        "rocky-\(release)", .rocky, release: release,
        .rpm(repositories: ["\(release)/BaseOS/x86_64/os"], packages: split),
        keyrings: keys(key, shared: "rocky/\(key)"))
    }
    + [
      centos("7", ["7.9.2009/os/x86_64", "7.9.2009/updates/x86_64"], ["kernel"], isPast: true),
      centos("8", ["8.5.2111/BaseOS/x86_64/os"], split, isPast: true),
      centos("8-stream", ["8-stream/BaseOS/x86_64/os"], split, isPast: true),
      centos("9-stream", ["9-stream/BaseOS/x86_64/os"], split),
      centos("10-stream", ["10-stream/BaseOS/x86_64/os"], split),
    ]

  private static func centos(
    _ release: String, _ repositories: [String], _ packages: [String], isPast: Bool = false
  ) -> KnownKernel {
    let number = release.prefix { $0 != "-" }
    let own =
      number == "7" ? "CentOS-7" : number == "10" ? "centosofficial-SHA256" : "centosofficial"
    let shared =
      number == "7" ? "CentOS-7" : number == "10" ? "CentOS-Official-SHA256" : "CentOS-Official"
    return KnownKernel(
      "centos-\(release)", .centos, release: String(number),
      .rpm(repositories: repositories, packages: packages), isPast: isPast,
      keyrings: keys("RPM-GPG-KEY-\(own)", shared: "centos/RPM-GPG-KEY-\(shared)"))
  }

  private static let suse: [KnownKernel] =
    ["15.4", "15.5", "15.6"].map { release in
      opensuse(
        "leap-\(release)", release,
        [
          "distribution/leap/\(release)/repo/oss", "update/leap/\(release)/sle", "update/leap/\(release)/oss",
        ],
        isPast: release != "15.6")
    } + [opensuse("tumbleweed", "", ["tumbleweed/repo/oss"])]

  private static func opensuse(
    _ name: String, _ release: String, _ repositories: [String], isPast: Bool = false
  ) -> KnownKernel {
    KnownKernel(
      "opensuse-\(name)", .opensuse, release: release,
      .rpm(repositories: repositories, packages: ["kernel-default"]), isPast: isPast,
      // A folder: all that are in it.
      keyrings: ["/usr/lib/rpm/gnupg/keys"])
  }

  /// Its repositories have an address of their own for each state.
  private static let amazon: [KnownKernel] = [
    ("2", ["kernel"]), ("2023", ["kernel", "kernel-modules-extra"]),
  ].map {
    release, packages in
    KnownKernel(
      "amazonlinux-\(release)", .amazon, release: release, .rpm(repositories: [""], packages: packages),
      keyrings: keys(
        "RPM-GPG-KEY-amazon-linux-\(release)", shared: "amazon-linux/RPM-GPG-KEY-amazon-linux-\(release)"))
  }

  // MARK: pacman

  private static let arch: [KnownKernel] = [("arch", "linux"), ("arch-lts", "linux-lts")].map {
    name, package in
    KnownKernel(
      name, .arch, release: "", .pacman(folder: "core/os/x86_64", database: "core.db", package: package),
      keyrings: [
        "/usr/share/pacman/keyrings/archlinux.gpg", "/usr/share/keyrings/archlinux.gpg",
      ])
  }
}
