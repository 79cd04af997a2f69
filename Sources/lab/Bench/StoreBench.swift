import Server
import Simulation
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
        reportFilling(population, try smallCommits(), replay, floor)
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

    /// What record, log and digest cost at 64 links a commit at most: in memory, where there is room, or it would be the disk's
    /// syncs that are measured.
    private func smallCommits() throws -> LinkPopulation.Outcome {
        let place = try WorkDirectory(in: ScratchPlace.path)
        return try LinkPopulation.make(min(links, 500_000), in: place.path, destinations, inFlight: 64)
    }

    private func reportFilling(
        _ population: LinkPopulation.Outcome, _ small: LinkPopulation.Outcome, _ replay: LogReplay.Outcome,
        _ floor: Double
    ) {
        var table = Table("filling with \(Figure.grouped(links)) links", ["", "links a second", "of floor"])
        table.add([
            "floor: append \(Self.floorBatch) x \(Self.floorBytes) B, fdatasync", Figure.number(floor),
            Figure.ratio(1),
        ])
        for (name, outcome) in [("store", population), ("store in memory", small)] {
            let size = Double(outcome.links) / Double(max(1, outcome.commits))
            table.add([
                "\(name), \(Figure.number(size)) links a commit", Figure.number(outcome.linksASecond),
                Figure.ratio(outcome.linksASecond / floor),
            ])
        }
        let applied = Double(replay.entries) / replay.seconds
        table.add([
            "another node's log, \(Figure.number(Double(replay.entries) / Double(max(1, replay.batches)))) entries a batch",
            Figure.number(applied), Figure.ratio(applied / floor),
        ])
        StandardStream.output.write(table.text + "\n")
    }
}
