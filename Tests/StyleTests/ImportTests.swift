import Testing

/// Who may import whom.
struct ImportTests {
    /// Lower modules know nothing of higher ones, nor of those beside them.
    private static let ranks = [
        "Primitives": 0, "CountedAllocator": 0, "HTTP": 1, "Links": 1, "Analytics": 1, "Import": 1, "Replication": 2,
        "Store": 3, "Simulation": 4, "Server": 5, "edge": 6, "lab": 6, "fuzz": 6,
    ]

    /// The one door to each library outside: a file, or a module.
    private static let doors: [String: [String]] = [
        "CLMDB": ["Sources/Store/LMDB.swift"],
        "COpenSSL": [
            "Sources/Server/Cluster/Certificate.swift", "Sources/Server/Cluster/CertificateAuthority.swift",
            "Sources/Server/Cluster/ClusterSecret.swift", "Sources/Server/JWT/VerificationKey.swift",
            "Sources/Server/Peers/TLSChannel.swift",
            "Sources/Server/Peers/TLSContext.swift", "Sources/Server/TLS/TLSIdentities.swift",
            "Sources/Server/TLS/TLSSession.swift", "Sources/Server/TLS/TLSWire.swift",
            "Sources/Server/TLS/TicketKeys.swift", "Sources/Store/SHA256.swift", "Sources/lab/Load/TLSLoad.swift",
            "Sources/lab/Load/TokenKey.swift",
        ],
        "CIDN": ["Sources/Links/"],
        "CLinux": ["Sources/Primitives/", "Sources/Store/", "Sources/Simulation/", "Sources/Server/", "Sources/lab/"],
        "FoundationEssentials": ["Sources/Server/", "Sources/lab/"],
        "Foundation": ["Sources/lab/"],
        // A machine that only takes events asks for no time and opens no socket.
        "Glibc": [
            "Analytics", "CountedAllocator", "Links", "Primitives", "Server", "Simulation", "Store", "edge", "fuzz",
            "lab",
        ].map { "Sources/\($0)/" },
        "Synchronization": ["Sources/"],
    ]

    private static func imports(_ file: Tree.File) -> [String] {
        let pattern = "^\\s*(?:@\\w+\\s+)*(?:\\w+\\s+)?import\\s+(?:(?:struct|class|enum|func|var|let)\\s+)?(\\w+)"
        return String(decoding: Code(file.text).text, as: UTF8.self).matches(pattern).map { $0[0] }
    }

    @Test func importsDoNotClimb() throws {
        for file in Tree.sources {
            let rank = try #require(Self.ranks[file.module], "\(file): a module that has no place in the order")
            for name in Self.imports(file) {
                if let other = Self.ranks[name] {
                    #expect(other < rank, "\(file) imports \(name), which does not stand below it")
                } else {
                    let doors = Self.doors[name] ?? []
                    #expect(doors.contains { file.path.hasPrefix($0) }, "\(file) imports \(name)")
                }
            }
        }
    }

    @Test func doorsAreUsed() {
        for name in ["CLMDB", "COpenSSL"] {
            let importers = Tree.sources.filter { Self.imports($0).contains(name) }.map(\.path)
            #expect(importers == Self.doors[name])
        }
    }
}
