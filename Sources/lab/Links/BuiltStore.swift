import Glibc
import Store

/// A store that a bench asks: one that was built before, or one that it builds.
struct BuiltStore {
    /// How to choose it.
    static let options: Set<String> = ["links", "data", "urls", "seed"]

    let directory: String
    let codes: IssuedCodes
    /// Nil if it was there before.
    let population: LinkPopulation.Outcome?

    /// One that is there. Nobody may have it open.
    init(at directory: String) throws {
        (self.directory, population) = (directory, nil)
        codes = try IssuedCodes(directory: directory)
        guard codes.count > 0 else { throw LabError("the store in \(directory) has no links of its own") }
    }

    /// A new one.
    init(
        _ links: Int, in directory: String, _ destinations: Destinations = Destinations(seed: 1), owners: Int = 0
    ) throws {
        self.directory = directory
        population = try LinkPopulation.make(links, in: directory, destinations, owners: owners)
        codes = try IssuedCodes(directory: directory)
    }

    /// As `options` say: the one in `--data`, else one of `--links` in the rounds' directory.
    init(_ options: Options, in rounds: Rounds, _ name: String, links: Int) throws {
        if let data = options.text("data") {
            guard options.text("links") == nil else {
                throw LabError(usage: "`--links` and `--data` exclude each other")
            }
            try self.init(at: data)
        } else {
            try self.init(
                try options.whole("links", Self.sizes) ?? links, in: rounds.directory.appending(name),
                try Self.destinations(options))
        }
    }

    static let sizes = 1...1_000_000_000

    static func destinations(_ options: Options) throws -> Destinations {
        let seed = UInt64(try options.whole("seed", 0...Int.max) ?? 1)
        return try options.text("urls").map { try Destinations(file: $0, seed: seed) } ?? Destinations(seed: seed)
    }

    var path: String { directory + "/data.mdb" }

    /// Bytes of file for each link of the store; what free pages take is not counted.
    func bytesALink() throws -> Double {
        let sizes = try StoreSizes(directory: directory)
        return Double(sizes.usedBytes - sizes.freeBytes) / Double(codes.count)
    }

    /// By `--zipf EXPONENT` or `--uniform`; Zipf with 1 if neither is said.
    static func law(_ options: Options) throws -> LinkDraw.Law {
        let exponent = try options.number("zipf", 0...10)
        guard options.has("uniform") else { return .zipf(exponent ?? 1) }
        guard exponent == nil else { throw LabError(usage: "`--zipf` and `--uniform` exclude each other") }
        return .uniform
    }
}
