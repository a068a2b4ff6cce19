// swift-tools-version:5.9
import PackageDescription

// The library must be installed: pkg-config tells where (PKG_CONFIG_PATH, if it is not in a place
// where pkg-config looks by itself). No package manager has it, so none is named as a provider.
let package = Package(
    name: "PearVisor",
    platforms: [.macOS(.v13)],
    products: [
        .library(name: "PearVisorCore", targets: ["PearVisorCore"]),
        .library(name: "PearVisorVZ", targets: ["PearVisorVZ"]),
    ],
    targets: [
        // The C API as it is.
        .systemLibrary(name: "CPearVisor", pkgConfig: "pearvisor"),
        // All that needs nothing but Foundation.
        .target(name: "PearVisorCore", dependencies: ["CPearVisor"]),
        // Apple's Virtualization framework; elsewhere an empty module.
        .target(name: "PearVisorVZ", dependencies: ["PearVisorCore"]),
        .testTarget(
            name: "PearVisorCoreTests",
            dependencies: ["PearVisorCore", "PearVisorVZ", "CPearVisor"]),
    ])
