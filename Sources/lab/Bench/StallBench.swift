import Glibc
import Primitives
import Server

/// How much memory nodes take while a peer takes nothing of what they write, and the peer once it is let go.
struct StallBench {
    static let options: Set<String> = ["stall", "rate"]
    private static let regions = ["us", "eu", "ap"]
    /// Those that links are made at, and the one that takes nothing.
    private static let (senders, stalled) = ([0, 1], 2)
    private static let delayMilliseconds = 40.0
    private static let targetMebibytes = 16.0

    private let directory: WorkDirectory
    private let seconds: Double
    private let perSecond: Int

    init(_ options: Options) throws {
        directory = try Rounds(options).directory
        seconds = try options.number("stall", 1...86_400) ?? 600
        perSecond = try options.whole("rate", 10...100_000) ?? 1000
    }

    init(_ rounds: Rounds, seconds: Double) { (directory, self.seconds, perSecond) = (rounds.directory, seconds, 1000) }

    private enum Form: String, CaseIterable {
        /// Bytes to and from it are not read any more, new connections neither.
        case line = "its lines take nothing"
        case process = "it is stopped"
    }

    private struct Figures {
        /// The greatest private memory above that of the start, in bytes: of a sender until the peer is let go, and from then
        /// on of a sender and of the peer.
        var stalled = 0
        var sender = 0
        var receiver = 0
        var created = 0
        var refused = 0
        var createdASecond = 0.0
        /// From being let go until it is level with the others, which go on; and entries that it lacked at first.
        var catchUpSeconds = 0.0
        var missed = 0
        var hasConverged = false
    }

    func run() throws {
        let results = try Form.allCases.map { ($0, try measure($0)) }
        var table = Table(
            "three regions, \(Figure.grouped(perSecond)) links a second made in two of them, the third takes nothing for "
                + "\(Figure.number(seconds)) s",
            [
                "", "sender's memory", "of catching up", "receiver's memory", "target", "entries missed", "level after",
                "links made", "a second", "refused", "converged",
            ])
        for (form, figures) in results {
            table.add([
                form.rawValue, Figure.bytes(Double(figures.stalled)), Figure.bytes(Double(figures.sender)),
                Figure.bytes(Double(figures.receiver)),
                Figure.bytes(Self.targetMebibytes * 1_048_576), Figure.grouped(figures.missed),
                Figure.duration(figures.catchUpSeconds * 1e9), Figure.grouped(figures.created),
                Figure.number(figures.createdASecond), Figure.grouped(figures.refused),
                figures.hasConverged ? "yes" : "no",
            ])
        }
        StandardStream.output.write(
            table.text
                + "  memory: the greatest that is no file's (RssAnon), above that when the stall began: a sender's until "
                + "the peer is let go, and that and the receiver's from then until it is level.\n"
                + "  set for all: \(RegionCluster.refusesNothing.joined(separator: " ")), so that no write is refused for the "
                + "peer that is late.\n\n"
        )
    }

    private func measure(_ form: Form) throws -> Figures {
        let cluster = try RegionCluster(
            "stall-\(form)", Self.regions, flags: RegionCluster.refusesNothing, in: directory)
        defer { cluster.stopAll() }
        cluster.setLines { $0.delayMilliseconds = Self.delayMilliseconds }
        try cluster.startAll()
        try cluster.waitLevel()
        let loads = Self.senders.map {
            SteadyLoad(.creates(), port: cluster.node($0).port, perSecond: perSecond / Self.senders.count)
        }
        // What a write takes the first time it has taken.
        usleep(UInt32(min(5, seconds) * 1e6))
        var figures = Figures()
        let memory = try MemoryAboveStart(cluster)
        try stall(form, cluster, memory)
        figures.stalled = memory.greatest(of: Self.senders)
        memory.restart()
        try letGo(form, cluster, memory, &figures)
        for load in loads {
            let outcome = try load.stop()
            figures.created += outcome.successes
            figures.refused += outcome.failures
            figures.createdASecond += Double(outcome.successes) / outcome.seconds
        }
        try cluster.waitLevel()
        try memory.note()
        (figures.sender, figures.receiver) = (memory.greatest(of: Self.senders), memory.greatest(of: [Self.stalled]))
        cluster.stopAll()
        figures.hasConverged = try cluster.holdTheSame()
        return figures
    }

    private func stall(_ form: Form, _ cluster: RegionCluster, _ memory: MemoryAboveStart) throws {
        switch form {
        case .line: cluster.setLines(of: Self.stalled) { $0.passage = .stalled }
        case .process: kill(cluster.node(Self.stalled).process.pid, SIGSTOP)
        }
        let end = MonotonicClock.nanoseconds + UInt64(seconds * 1e9)
        while MonotonicClock.nanoseconds < end {
            try memory.note()
            usleep(100_000)
        }
    }

    private func letGo(
        _ form: Form, _ cluster: RegionCluster, _ memory: MemoryAboveStart, _ figures: inout Figures
    ) throws {
        switch form {
        case .line: cluster.setLines(of: Self.stalled) { $0.passage = .open }
        case .process: kill(cluster.node(Self.stalled).process.pid, SIGCONT)
        }
        figures.missed = try lacking(cluster)
        let start = MonotonicClock.nanoseconds
        // A second's entries are under way all the time.
        while try lacking(cluster) > perSecond {
            guard MonotonicClock.nanoseconds - start < UInt64((120 + seconds) * 1e9) else {
                throw LabError("the peer does not catch up")
            }
            try memory.note()
            usleep(50_000)
        }
        figures.catchUpSeconds = Double(MonotonicClock.nanoseconds - start) / 1e9
    }

    /// Entries of the senders that the peer has not applied.
    private func lacking(_ cluster: RegionCluster) throws -> Int {
        let heads = try Self.senders.reduce(0) { $0 + Int(try cluster.node($1).sample("edge_log_head")) }
        return heads - (try cluster.applied(Self.stalled))
    }
}

/// Private memory of a cluster's nodes, as it was at the start and at most since.
private final class MemoryAboveStart {
    private let cluster: RegionCluster
    private let start: [Int]
    private var most: [Int]

    init(_ cluster: RegionCluster) throws {
        self.cluster = cluster
        start = try cluster.regions.indices.map { try cluster.node($0).process.anonymousBytes() }
        most = start
    }

    func note() throws {
        for index in most.indices { most[index] = max(most[index], try cluster.node(index).process.anonymousBytes()) }
    }

    /// Only what comes now counts.
    func restart() { most = start }

    func greatest(of indices: [Int]) -> Int { indices.map { most[$0] - start[$0] }.max()! }
}
