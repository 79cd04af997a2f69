import Glibc
import Server

/// How soon a node answers from a store, and with how much memory of its own.
struct StartBench {
    static let options = BuiltStore.options

    struct Start {
        let seconds: Double
        /// Memory that is no file's.
        let anonymousBytes: Int
    }

    private let rounds: Rounds
    private let store: BuiltStore
    private let isCold: Bool

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        isCold = options.has("cold")
        store = try BuiltStore(options, in: rounds, "start", links: 1_000_000)
    }

    init(_ rounds: Rounds, _ store: BuiltStore) { (self.rounds, self.store, isCold) = (rounds, store, true) }

    func run() throws {
        let least = try BuiltStore(1, in: rounds.directory.appending("least"))
        var names = ["floor: store of one link", "after a clean stop", "after kill -9"]
        if isCold { names.append("after kill -9, file not in memory") }
        var starts = [[Start]](repeating: [], count: names.count)
        // Whatever came before, the first is after a clean stop.
        _ = try Self.start(store, thenEndWith: SIGTERM)
        for _ in 0..<rounds.count {
            starts[0].append(try Self.start(least, thenEndWith: SIGTERM))
            starts[1].append(try Self.start(store, thenEndWith: SIGKILL))
            starts[2].append(try Self.start(store, thenEndWith: isCold ? SIGKILL : SIGTERM))
            guard isCold else { continue }
            forgetPages(of: store.path)
            starts[3].append(try Self.start(store, thenEndWith: SIGTERM))
        }
        var table = Table(
            "start of `edge serve` on \(Figure.grouped(store.codes.count)) links to the first redirect, "
                + "median of \(rounds.count)",
            ["", "time", "slowest", "of floor", "own memory", "more than floor"])
        for (name, own) in zip(names, starts) {
            let memory = median(own.map { Double($0.anonymousBytes) })
            let more = memory - median(starts[0].map { Double($0.anonymousBytes) })
            table.add([
                name, Figure.duration(median(own.map(\.seconds)) * 1e9),
                Figure.duration(own.map(\.seconds).max()! * 1e9),
                Figure.ratio(median(zip(own, starts[0]).map { $0.seconds / $1.seconds })), Figure.bytes(memory),
                (more < 0 ? "-" : "") + Figure.bytes(abs(more)),
            ])
        }
        StandardStream.output.write(
            table.text + "  of floor: the time, divided by that of a store of one link in the same round.\n\n")
    }

    /// From starting the process to the end of the first redirect's answer.
    static func start(_ store: BuiltStore, thenEndWith signal: Int32) throws -> Start {
        let anyLink = Workload.redirects(LinkDraw(store.codes, .uniform))
        let begin = MonotonicClock.nanoseconds
        let node = try EdgeNode(data: store.directory)
        var load = try LoadGenerator(anyLink, port: node.port, connections: 1)
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
