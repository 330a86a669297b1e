// swift-tools-version: 6.2
import PackageDescription

/// Warnings are errors in CI (`PAWSLAB_STRICT=1`), never on a user's newer compiler.
let strict: [SwiftSetting] =
  Context.environment["PAWSLAB_STRICT"] == nil ? [] : [.treatAllWarnings(as: .error)]

let package = Package(
  name: "pawslab",
  products: [
    .executable(name: "pawslab", targets: ["pawslab"]),
    .executable(name: "pawslab-worker", targets: ["pawslab-worker"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .target(name: "CLinux"),
    .systemLibrary(
      name: "CLibNL", pkgConfig: "libnl-route-3.0",
      providers: [.apt(["libnl-3-dev", "libnl-route-3-dev", "libnl-genl-3-dev"])]),

    // What a case is, what was observed, what that means. Pure values: no I/O, no Linux.
    .target(name: "Scenario", swiftSettings: strict),
    // YAML to Scenario, with every mistake at its line.
    .target(
      name: "LabFile", dependencies: ["Scenario", .product(name: "Yams", package: "Yams")],
      swiftSettings: strict),

    .target(
      name: "Linux", dependencies: ["CLinux", .product(name: "SystemPackage", package: "swift-system")],
      swiftSettings: strict),
    .target(
      name: "Netlink",
      dependencies: ["Linux", "CLibNL", .product(name: "SystemPackage", package: "swift-system")],
      swiftSettings: strict),
    // Runs one case on the kernel it finds itself on. Synchronous: it enters namespaces.
    .target(
      name: "Worker",
      dependencies: [
        "Fuzz", "Linux", "Netlink", "Scenario", .product(name: "SystemPackage", package: "swift-system"),
      ], swiftSettings: strict),

    // Kernels by name, and guests that boot them.
    .target(
      name: "MicroVM",
      dependencies: [
        "CLinux", "Scenario", .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict),
    .target(
      name: "Lab",
      dependencies: [
        "MicroVM", "Scenario", .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict),
    .target(name: "Report", dependencies: ["Scenario"], swiftSettings: strict),
    // Inputs for everything that reads what comes from outside, and the process that may die of one.
    .target(name: "Fuzz", swiftSettings: strict),

    .executableTarget(
      name: "pawslab",
      dependencies: [
        "Fuzz", "Lab", "LabFile", "MicroVM", "Report", "Scenario",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Subprocess", package: "swift-subprocess"),
      ],
      swiftSettings: strict),
    .executableTarget(name: "pawslab-worker", dependencies: ["Worker"], swiftSettings: strict),

    .testTarget(name: "ScenarioTests", dependencies: ["Scenario"], swiftSettings: strict),
    .testTarget(name: "FuzzTests", dependencies: ["Fuzz"], swiftSettings: strict),
    .testTarget(name: "LabFileTests", dependencies: ["LabFile"], swiftSettings: strict),
    .testTarget(
      name: "LinuxTests",
      dependencies: [
        "Linux", "Netlink", "Scenario", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "WorkerTests", dependencies: ["LabFile", "Linux", "Scenario", "TestSupport", "Worker"],
      swiftSettings: strict),
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(name: "ReportTests", dependencies: ["Report", "Scenario"], swiftSettings: strict),
    .testTarget(name: "MicroVMTests", dependencies: ["MicroVM", "Scenario"], swiftSettings: strict),
    .testTarget(
      name: "LabTests",
      dependencies: [
        "Fuzz", "Lab", "LabFile", "MicroVM", "Report", "Scenario", "TestSupport", "pawslab", "pawslab-worker",
      ],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
