import Server
import Store

/// How fast a store fills, how large it gets, how soon a node answers from it, and with how much memory.
struct StoreBench {
    static let options: Set<String> = ["links", "urls", "seed"]

    private let rounds: Rounds
    private let links: Int
    private let destinations: Destinations

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        links = try options.whole("links", BuiltStore.sizes) ?? 1_000_000
        destinations = try BuiltStore.destinations(options)
    }

    init(_ rounds: Rounds, links: Int) {
        (self.rounds, self.links, destinations) = (rounds, links, Destinations(seed: 1))
    }

    func run() throws {
        let before = try floorRate()
        let store = try BuiltStore(links, in: rounds.directory.appending("store"), destinations)
        let floor = (before + (try floorRate())) / 2
        let population = store.population!
        let replay = try LogReplay.make(from: store.directory, in: rounds.directory.appending("replica"))
        reportFilling(population, replay, floor)
        try StandardStream.output.write(
            StoreFigureTables.sizes(
                of: store.directory, links: links, destinationBytes: population.destinationBytes))
        try StartBench(rounds, store).run()
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
        let rate = population.linksASecond
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
}
