import Glibc
import Server
import Store

/// How fast a store fills, how large it gets, how soon a node answers from it, and with how much memory.
struct StoreBench {
    private struct Start {
        let seconds: Double
        let anonymousBytes: Int
    }

    private let rounds: Rounds
    private let links: Int

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        links = try options.whole("links", 1...10_000_000_000) ?? 1_000_000
    }

    init(_ rounds: Rounds, links: Int) { (self.rounds, self.links) = (rounds, links) }

    func run() throws {
        let data = rounds.directory.appending("store")
        let empty = rounds.directory.appending("empty")
        let before = try floorRate()
        let population = try LinkPopulation.make(links, in: data, keepingCodes: 1000)
        let floor = (before + (try floorRate())) / 2
        let emptyCode = try LinkPopulation.make(1, in: empty, keepingCodes: 1).codes[0]
        let replay = try LogReplay.make(from: data, in: rounds.directory.appending("replica"))
        reportFilling(population, replay, floor)
        try reportSizes(data)
        try reportStarts(data, population.codes.last!, empty: empty, emptyCode)
    }

    /// The floor of filling: a log alone, as many records of so many bytes with one sync as the store may take.
    private static let floorBatch = 1024
    private static let floorBytes = 110

    /// Records a second; before and after, since the filling itself is done once.
    private func floorRate() throws -> Double {
        Double(Self.floorBatch)
            * (try SyncFloor.syncsASecond(
                in: rounds.directory.path, blockBytes: Self.floorBatch * Self.floorBytes,
                seconds: min(1, rounds.seconds)))
    }

    private func reportFilling(
        _ population: LinkPopulation.Outcome, _ replay: LogReplay.Outcome, _ floor: Double
    ) {
        let rate = Double(links) / population.seconds
        let commits = population.commits
        var table = Table("filling with \(Figure.grouped(links)) links", ["", "links a second", "of floor"])
        table.add([
            "floor: append \(Self.floorBatch) x \(Self.floorBytes) B, fdatasync", Figure.number(floor),
            Figure.ratio(1),
        ])
        table.add([
            "store, \(Figure.number(Double(links) / Double(max(1, commits)))) links a commit", Figure.number(rate),
            Figure.ratio(rate / floor),
        ])
        let applied = Double(replay.entries) / replay.seconds
        table.add([
            "another node's log, \(Figure.number(Double(replay.entries) / Double(max(1, replay.batches)))) entries a batch",
            Figure.number(applied), Figure.ratio(applied / floor),
        ])
        StandardStream.output.write(table.text + "\n")
    }

    private func reportSizes(_ data: String) throws {
        let sizes = try StoreSizes(directory: data)
        let destination = Double(LinkPopulation.destination(0).count)
        var table = Table(
            "bytes a link (its destination alone: \(Int(destination)) B)",
            ["", "rows", "bytes", "bytes a link", "of destination"])
        func add(_ name: String, rows: String, _ bytes: Int) {
            let each = Double(bytes) / Double(links)
            table.add([
                name, rows, Figure.bytes(Double(bytes)), Figure.number(each), Figure.ratio(each / destination),
            ])
        }
        for table in sizes.tables { add("table \(table.name)", rows: Figure.grouped(table.rowCount), table.sizeBytes) }
        add("free pages", rows: "", sizes.freeBytes)
        add("whole file, used", rows: "", sizes.usedBytes)
        StandardStream.output.write(table.text + "\n")
    }

    private func reportStarts(_ data: String, _ code: [UInt8], empty: String, _ emptyCode: [UInt8]) throws {
        var starts: [(name: String, starts: [Start])] = [
            ("floor: store of one link", []), ("after a clean stop", []), ("after kill -9", []),
            ("after kill -9, file not in memory", []),
        ]
        for _ in 0..<max(1, rounds.count) {
            starts[0].starts.append(try start(empty, emptyCode, thenEndWith: SIGTERM))
            starts[1].starts.append(try start(data, code, thenEndWith: SIGKILL))
            starts[2].starts.append(try start(data, code, thenEndWith: SIGKILL))
            forgetPages(of: data + "/data.mdb")
            starts[3].starts.append(try start(data, code, thenEndWith: SIGTERM))
        }
        var table = Table(
            "start of `edge serve` to the first redirect, median of \(max(1, rounds.count))",
            ["", "time", "of floor", "own memory", "more than floor"])
        for (name, own) in starts {
            let ratio = median(zip(own, starts[0].starts).map { $0.seconds / $1.seconds })
            let memory = median(own.map { Double($0.anonymousBytes) })
            let more = memory - median(starts[0].starts.map { Double($0.anonymousBytes) })
            table.add([
                name, Figure.duration(median(own.map(\.seconds)) * 1e9), Figure.ratio(ratio), Figure.bytes(memory),
                (more < 0 ? "-" : "") + Figure.bytes(abs(more)),
            ])
        }
        StandardStream.output.write(table.text + "\n")
    }

    /// From starting the process to the end of the first redirect's answer.
    private func start(_ data: String, _ code: [UInt8], thenEndWith signal: Int32) throws -> Start {
        let begin = MonotonicClock.nanoseconds
        let node = try EdgeNode(data: data)
        var load = try LoadGenerator(.redirects([code], requests: 1), port: node.port, connections: 1)
        let result = try load.run(seconds: 0)
        let seconds = Double(MonotonicClock.nanoseconds - begin) / 1e9
        guard result.answers == 1, result.failures == 0 else {
            throw LabError("the first redirect was answered with \(result.failureStatus)")
        }
        let memory = try node.process.anonymousBytes()
        node.process.end(signal, patienceMilliseconds: 20_000)
        return Start(seconds: seconds, anonymousBytes: memory)
    }
}
