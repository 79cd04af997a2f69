import Server

/// `lab trace …`
enum TraceCommand {
    static let help = """
        usage: lab trace KIND [--requests 1000000] [--objects 100000] [--seed 1]

        Writes requests to measure a cache with: the numbers of objects, one a line. KIND is one of
        \(RequestTrace.allCases.map(\.rawValue).joined(separator: ", ")).

        """

    static func run(_ arguments: [String]) throws {
        guard let name = arguments.first, !["help", "--help"].contains(name) else {
            StandardStream.output.write(help)
            return
        }
        guard let trace = RequestTrace(rawValue: name) else { throw LabError(usage: "there is no trace `\(name)`") }
        let options = try Options(Array(arguments.dropFirst()), known: TraceOptions.names)
        let requests = try TraceOptions(options).requests(trace)
        for start in stride(from: 0, to: requests.count, by: 1 << 16) {
            let lines = requests[start..<min(start + 1 << 16, requests.count)].map { "\($0)\n" }
            // Whoever reads them may have had enough.
            guard StandardStream.output.write(lines.joined()) else { return }
        }
    }
}

/// How many requests for how many objects.
struct TraceOptions {
    static let names: Set<String> = ["requests", "objects", "seed"]
    let count: Int
    let objects: Int
    let seed: UInt64

    init(_ options: Options) throws {
        count = try options.whole("requests", 1...100_000_000) ?? 1_000_000
        objects = try options.whole("objects", 100_000...10_000_000) ?? 100_000
        seed = UInt64(try options.whole("seed", 0...Int.max) ?? 1)
    }

    init(count: Int) { (self.count, objects, seed) = (count, 100_000, 1) }

    func requests(_ trace: RequestTrace) -> [UInt32] { trace.requests(count, objects: objects, seed: seed) }
}

/// `lab race …`
enum RaceCommand {
    static let help = """
        usage: lab race [--workers 2] [--lookups 1000000] [--seed 1]

        A writer and workers with caches on threads of their own. Ends with 1 if a hit is older than what was published
        before its lookup. Worth building with ThreadSanitizer:
            swift build -c release --sanitize=thread --product lab --scratch-path .build-thread

        """

    static func run(_ arguments: [String]) throws {
        if let first = arguments.first, ["help", "--help"].contains(first) {
            StandardStream.output.write(help)
            return
        }
        let options = try Options(arguments, known: ["workers", "lookups", "seed"])
        let race = StampRace(
            workers: try options.whole("workers", 1...64) ?? 2,
            lookups: try options.whole("lookups", 1...1_000_000_000) ?? 1_000_000,
            seed: UInt64(try options.whole("seed", 0...Int.max) ?? 1))
        let outcome = race.run()
        StandardStream.output.write(
            "\(outcome.hits) hits, \(outcome.overtaken) entries overtaken, \(outcome.stale) stale hits\n")
        if outcome.stale > 0 { throw LabError("the cache gave answers that were overtaken") }
    }
}
