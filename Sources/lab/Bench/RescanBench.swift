import Glibc
import Server

/// How long it takes to judge all links again once a block list has changed, and what that costs redirects meanwhile: their
/// latency at a steady rate, quiet, and from the change to the scan's end.
struct RescanBench {
    static let options: Set<String> = ["links", "entries", "rate"]

    private let rounds: Rounds
    private let links: Int
    private let entries: Int
    private let rate: Double

    private static let connections = 64
    /// Links that the changed list matches: one of so many.
    private static let matchingShare = 1000
    private static let longestSeconds = 600.0

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        links = try options.whole("links", 1...100_000_000) ?? 1_000_000
        entries = try options.whole("entries", 1...50_000_000) ?? 1_000_000
        rate = try options.number("rate", 1...1_000_000) ?? 10_000
    }

    init(_ rounds: Rounds, links: Int, entries: Int) {
        (self.rounds, self.links, self.entries, rate) = (rounds, links, entries, 10_000)
    }

    func run() throws {
        let destinations = Destinations(seed: 1)
        let store = try BuiltStore(links, in: rounds.directory.appending("rescan"), destinations)
        let file = BlockListFile(path: rounds.directory.appending("rescan.txt"))
        try file.write(entries: 1, matching: [])
        let node = try EdgeNode(
            data: store.directory, workers: 1, limits: EdgeNode.unlimited, flags: ["--block_lists", file.path],
            on: Processors.server, hasMetrics: true)
        defer { node.stop() }
        try awaitScans(node, 1)
        let (quiet, busy, seconds) = try Processors.on(Processors.load) {
            var load = try OpenLoad(
                .redirects(LinkDraw(store.codes, .zipf(1))), port: node.port, connections: Self.connections)
            _ = try load.run(perSecond: rate, seconds: min(1, rounds.seconds))
            let quiet = try load.run(perSecond: rate, seconds: rounds.seconds)
            let matching = stride(from: 0, to: links, by: Self.matchingShare).map {
                String(decoding: destinations[$0], as: UTF8.self)
            }
            try file.write(entries: entries, matching: matching)
            let start = MonotonicClock.nanoseconds
            var busy = try load.run(perSecond: rate, seconds: min(1, rounds.seconds)).load
            var end = MonotonicClock.nanoseconds
            while try node.sample("edge_rescans_total") < 2 {
                let part = try load.run(perSecond: rate, seconds: min(1, rounds.seconds)).load
                end = MonotonicClock.nanoseconds
                busy.answers += part.answers
                busy.failures += part.failures
                if part.failures > 0 { busy.failureStatus = part.failureStatus }
                busy.latency.add(part.latency)
                guard Double(end - start) / 1e9 < Self.longestSeconds else { throw LabError("the scan does not end") }
            }
            return (quiet.load, busy, Double(end - start) / 1e9)
        }
        guard [0, 451].contains(busy.failureStatus), quiet.failures == 0 else {
            throw LabError("a redirect got \(busy.failureStatus)")
        }
        let judged = try node.sample("edge_rescan_links")
        guard Int(judged) == links else { throw LabError("\(Int(judged)) of \(links) links were judged") }
        report(quiet, busy, seconds)
    }

    private func awaitScans(_ node: EdgeNode, _ count: Double) throws {
        let start = MonotonicClock.nanoseconds
        while try node.sample("edge_rescans_total") < count {
            guard Double(MonotonicClock.nanoseconds - start) / 1e9 < Self.longestSeconds else {
                throw LabError("the scan does not end")
            }
            usleep(50_000)
        }
    }

    private func report(_ quiet: LoadResult, _ busy: LoadResult, _ seconds: Double) {
        var table = Table(
            "\(Figure.grouped(links)) links judged again by a list of \(Figure.grouped(entries)), read anew, beside "
                + "\(Figure.number(rate)) redirects a second, once",
            ["", "p50", "p99", "p99 ratio", "answered", "blocked", "seconds"])
        for (name, result, seconds) in [("quiet", quiet, ""), ("while it is judged", busy, Figure.number(seconds))] {
            func latency(_ quantile: Double) -> String { Figure.duration(Double(result.latency.quantile(quantile))) }
            table.add([
                name, latency(0.5), latency(0.99),
                Figure.ratio(Double(result.latency.quantile(0.99)) / Double(max(1, quiet.latency.quantile(0.99)))),
                Figure.grouped(result.answers), Figure.grouped(result.failures), seconds,
            ])
        }
        StandardStream.output.write(table.text + "\n")
    }
}
