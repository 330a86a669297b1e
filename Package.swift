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

    // Lists the mechanisms and steps that a target's folders hold.
    .plugin(name: "Registry", capability: .buildTool(), path: "Sources/Registry"),

    // Pure values, no I/O, no Linux. What a case is;
    .target(name: "Model", swiftSettings: strict, plugins: ["Registry"]),
    // what was seen;
    .target(name: "Evidence", dependencies: ["Model"], swiftSettings: strict),
    // what that means;
    .target(
      name: "Judging", dependencies: ["Evidence", "Model"], swiftSettings: strict, plugins: ["Registry"]),
    // what an incident is, from what a person has of it;
    .target(name: "Diagnosis", dependencies: ["Evidence", "Judging", "Model"], swiftSettings: strict),
    // how lab, worker and guest tell each other.
    .target(name: "Wire", dependencies: ["Evidence", "Model"], swiftSettings: strict),
    // YAML to the model, with every mistake at its line.
    .target(
      name: "LabFile", dependencies: ["Judging", "Model", .product(name: "Yams", package: "Yams")],
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
        "Evidence", "Fuzz", "Linux", "Model", "Netlink", "Wire",
        .product(name: "SystemPackage", package: "swift-system"),
      ], swiftSettings: strict),

    // Kernels by name, and guests that boot them.
    .target(
      name: "MicroVM",
      dependencies: [
        "CLinux", "Evidence", "Model", "Wire", .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict),
    .target(
      name: "Lab",
      dependencies: [
        "Evidence", "Judging", "MicroVM", "Model", "Wire",
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict),
    .target(name: "Report", dependencies: ["Evidence", "Judging", "Model"], swiftSettings: strict),
    // Inputs for everything that reads what comes from outside, and the process that may die of one.
    .target(name: "Fuzz", swiftSettings: strict),

    .executableTarget(
      name: "pawslab",
      dependencies: [
        "Diagnosis", "Evidence", "Fuzz", "Judging", "Lab", "LabFile", "MicroVM", "Model", "Report", "Wire",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Subprocess", package: "swift-subprocess"),
      ],
      swiftSettings: strict),
    .executableTarget(name: "pawslab-worker", dependencies: ["Worker"], swiftSettings: strict),

    .testTarget(
      name: "JudgingTests", dependencies: ["Evidence", "Judging", "Model", "Wire"], swiftSettings: strict),
    .testTarget(
      name: "DiagnosisTests", dependencies: ["Diagnosis", "Evidence", "Judging", "Model"],
      exclude: ["Foreign", "Texts"],
      swiftSettings: strict),
    .testTarget(name: "FuzzTests", dependencies: ["Fuzz"], swiftSettings: strict),
    .testTarget(
      name: "LabFileTests", dependencies: ["Judging", "LabFile", "Model", "TestSupport"],
      exclude: ["Broken"], swiftSettings: strict),
    .testTarget(
      name: "LinuxTests",
      dependencies: [
        "Evidence", "Linux", "Model", "Netlink", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "WorkerTests",
      dependencies: [
        "Evidence", "Judging", "LabFile", "Linux", "Model", "TestSupport", "Wire", "Worker",
      ],
      swiftSettings: strict),
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(
      name: "ReportTests", dependencies: ["Evidence", "Judging", "Model", "Report"], swiftSettings: strict),
    .testTarget(
      name: "MicroVMTests", dependencies: ["MicroVM", "Model", "TestSupport", "Wire"], swiftSettings: strict),
    .testTarget(
      name: "LabTests",
      dependencies: [
        "Diagnosis", "Evidence", "Fuzz", "Judging", "Lab", "LabFile", "MicroVM", "Model", "Report",
        "TestSupport", "Wire",
        "pawslab", "pawslab-worker",
      ],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
