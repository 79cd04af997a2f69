import Foundation
import Testing

/// What a power failure may leave of the data directory, at every moment of real runs, is a store that opens and holds
/// all that was acknowledged. A sample by default; all of it with EDGE_POWER_EXHAUSTIVE=1, some minutes long.
@Suite(.serialized, .timeLimit(.minutes(60))) struct PowerLossTests {
    private static let isExhaustive = ProcessInfo.processInfo.environment["EDGE_POWER_EXHAUSTIVE"] == "1"
    private static let recorded = Result { try PowerTrace.record() }

    @Test func nothingAcknowledgedIsLost() throws {
        let clock = ContinuousClock()
        let trace = try Self.recorded.get()
        let begin = clock.now
        for stage in trace.stages {
            var search = CrashSearch()
            search.isExhaustive = Self.isExhaustive
            let report = search.run(stage)
            let faults = report.faults.map { String($0.prefix(400)) }
            #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
            print(
                "power loss, \(stage.name): \(stage.trace.events.count) events, \(stage.trace.commitCount) commits,",
                "\(stage.later.count) links acknowledged; cut at \(report.prefixes) points, \(report.states) states")
        }
        print("power loss: searched in \(clock.now - begin)")
    }

    /// The runs have what the search is to look at: names that move, a store that grows, commits of several links.
    @Test func theTraceHasItAll() throws {
        let stages = try Self.recorded.get().stages
        for stage in stages {
            var renamed = 0
            for case .entries(let change) in stage.trace.events where change.entries.count == 2 { renamed += 1 }
            // Each run says at its end where it closed. Before that the first moves a store in place and makes the side
            // file, the second opens it again and moves its lease, the third writes that of its new incarnation.
            #expect(renamed == (stage.name == "incarnation" ? 2 : 3), "\(stage.name)")
            #expect(stage.trace.commitCount >= 20)
        }
        let growths = stages[0].trace.events.count { event in
            guard case .change(let change) = event, case .grow = change.kind else { return false }
            return stages[0].trace.storeNodes.contains(change.node)
        }
        #expect(growths >= 2)
        #expect(stages.contains { $0.trace.commitCount < $0.later.count })
    }

    /// What the disk promised and did not keep must be noticed: else the search above says nothing.
    @Test(arguments: Lie.allCases)
    func aLyingDiskIsNoticed(lie: Lie) throws {
        var stage = try Self.recorded.get().stages[0]
        stage.trace.tell(lie)
        var search = CrashSearch()
        search.stopsAtFault = true
        if lie == .noDataSync {
            // Pages of such a file may be anything, and LMDB ends a process that meets them.
            search.judge = Self.verify
            #expect(search.run(try Self.recorded.get().stages[0]).faults == [])
        }
        let fault = try #require(search.run(stage).faults.first)
        #expect(lie.faults.contains { fault.contains($0) }, "\(fault.prefix(400))")
    }

    @Sendable private static func verify(
        _ directory: String, _ acknowledged: [String: String], _ later: [String: String]
    ) -> String? {
        if acknowledged.isEmpty { return nil }
        let verdict = try? run(binary, ["verify", "--data", directory])
        return verdict?.status == 0 ? nil : "verify: \(verdict?.output ?? "")"
    }
}

/// Ways in which a disk, or a program that forgot to ask it, keeps less than was asked for.
enum Lie: CaseIterable {
    case noDataSync, noMetaSync, noDirectorySync, noSmallFileSync, lostPage

    /// One of these is what the search then finds.
    var faults: [String] {
        switch self {
        case .noDataSync: ["verify: "]
        case .noMetaSync: [" is lost: absent"]
        case .noDirectorySync: [" is lost: absent", "is missing"]
        case .noSmallFileSync: ["refused: "]
        case .lostPage: [" is lost: damaged", "neither whole nor absent: damaged", "inspection: "]
        }
    }
}
