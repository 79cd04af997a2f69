// swift-tools-version: 6.2
import PackageDescription

/// `.ci/fuzz` builds with this set: everything is then instrumented, and there is a target more. AddressSanitizer is there
/// for the unsafe loads of the readers: libFuzzer's inputs end where their memory ends.
let isFuzzing = Context.environment["EDGE_FUZZ"] == "1"
let instrumentation = ["-sanitize=fuzzer,address"]

/// Every target: Swift 6 language mode, and a warning fails the build.
let strict: [SwiftSetting] =
    [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)] + (isFuzzing ? [.unsafeFlags(instrumentation)] : [])

/// For the many tests that wait for processes most of the time: to optimize them takes longer than it saves.
let unoptimized: [SwiftSetting] = strict + [.unsafeFlags(["-Onone"])]

/// Pure modules also mark each unsafe expression.
let pure: [SwiftSetting] = strict + [.strictMemorySafety()]

/// C libraries are linked from their static archives, so that the binary needs nothing but glibc.
func archives(_ names: String...) -> [LinkerSetting] { names.map { .linkedLibrary(":lib\($0).a") } }

/// The C++ runtime too comes from its archive: the directory holds a linker script that stands before the shared one.
let standalone: [LinkerSetting] = [
    .unsafeFlags([
        "-use-ld=lld", "-L", "\(Context.packageDirectory)/Sources/CLinux/static", "-Xclang-linker", "-static-libgcc",
    ])
]

/// A program with `CountedAllocator` in it allocates by that. No part of a node: the tests and `lab` have it.
/// By lld, because the older linker keeps the names from the libraries.
let countedAllocator: [LinkerSetting] = [
    .unsafeFlags(
        ["-use-ld=lld"]
            + ["malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign"]
            .flatMap { ["-Xlinker", "--defsym=\($0)=counted_\($0)"] })
]

let package = Package(
    name: "edge",
    products: [
        .executable(name: "edge", targets: ["edge"]),
        .executable(name: "lab", targets: ["lab"]),
    ],
    targets: [
        .systemLibrary(name: "CLMDB", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CIDN", providers: [.apt(["libidn2-dev", "libunistring-dev"])]),
        .systemLibrary(name: "CLinux"),

        .target(name: "Primitives", dependencies: ["CLinux"], swiftSettings: pure),
        .target(name: "HTTP", dependencies: ["Primitives"], swiftSettings: pure),
        .target(
            name: "Links", dependencies: ["Primitives", "CIDN"], swiftSettings: pure,
            linkerSettings: archives("idn2", "unistring")),
        .target(name: "Analytics", dependencies: ["Primitives"], swiftSettings: pure),
        .target(name: "Import", dependencies: ["Primitives"], swiftSettings: pure),
        .target(name: "Replication", dependencies: ["Links", "Primitives"], swiftSettings: pure),
        .target(
            name: "Store",
            dependencies: ["Replication", "Analytics", "Links", "Primitives", "CLMDB", "COpenSSL", "CLinux"],
            swiftSettings: strict, linkerSettings: archives("lmdb", "crypto")),
        .target(
            name: "Simulation", dependencies: ["Store", "Replication", "Links", "Primitives", "CLinux"],
            swiftSettings: strict),
        .target(
            name: "Server",
            dependencies: [
                "Store", "Replication", "Analytics", "Import", "HTTP", "Links", "Primitives", "COpenSSL", "CLinux",
            ],
            swiftSettings: strict, linkerSettings: archives("ssl", "crypto")),
        .executableTarget(name: "edge", dependencies: ["Server"], swiftSettings: strict, linkerSettings: standalone),
        .target(name: "CountedAllocator", swiftSettings: strict, linkerSettings: countedAllocator),
        .executableTarget(
            name: "lab",
            dependencies: [
                "Simulation", "Server", "Store", "Analytics", "Links", "Primitives", "CountedAllocator", "COpenSSL",
                "CLinux",
            ],
            swiftSettings: strict),

        .testTarget(name: "PrimitivesTests", dependencies: ["Primitives"], swiftSettings: strict),
        .testTarget(name: "HTTPTests", dependencies: ["HTTP"], swiftSettings: strict),
        .testTarget(name: "LinksTests", dependencies: ["Links", "CountedAllocator"], swiftSettings: strict),
        .testTarget(name: "AnalyticsTests", dependencies: ["Analytics"], swiftSettings: strict),
        .testTarget(name: "ImportTests", dependencies: ["Import"], swiftSettings: strict),
        .testTarget(name: "ReplicationTests", dependencies: ["Replication"], swiftSettings: strict),
        .testTarget(name: "StoreTests", dependencies: ["Store", "Analytics", "CLMDB"], swiftSettings: strict),
        .testTarget(name: "SimulationTests", dependencies: ["Simulation"], swiftSettings: strict),
        .testTarget(name: "LabTests", dependencies: ["lab", "edge"], swiftSettings: strict),
        .testTarget(
            name: "PowerTests", dependencies: ["Store", "Server", "Simulation", "edge"], swiftSettings: strict),
        .testTarget(
            name: "ServerTests", dependencies: ["Server", "Replication", "Store", "COpenSSL", "edge", "lab"],
            swiftSettings: unoptimized),
        .testTarget(name: "StyleTests", swiftSettings: strict),
    ]
)

if isFuzzing {
    package.targets.append(
        .executableTarget(
            name: "fuzz", dependencies: ["Server", "Store", "Replication", "Import", "HTTP", "Links", "Primitives"],
            exclude: ["Corpus"],
            swiftSettings: strict, linkerSettings: [.unsafeFlags(["-use-ld=lld"] + instrumentation)]))
}
