import Glibc
import Links
import Primitives
import Store
import Synchronization

/// Fills a store through its own door, as the API does, but past HTTP and past the cap on numbers a second.
package enum LinkPopulation {
    package struct Outcome {
        package var links = 0
        package var seconds = 0.0
        package var commits: UInt64 = 0
        package var destinationBytes = 0

        package var linksASecond: Double { Double(links) / max(1e-9, seconds) }
    }

    /// Nearly twice what a commit takes: one half is committed, the other gathers; and leases have a place in the queue.
    package static let inFlight = 2000
    private static let reportStep = 10_000_000

    /// Makes `count` links in a new store in `directory`, such that `edge serve --data` takes it over. The links get
    /// ascending numbers in the order of `destinations`, so that `IssuedCodes` tells their codes.
    ///
    /// `secret` keys the codes; nil: a random one. `owners`: to how many the links belong in turn, as `owner(_:)` names them;
    /// 0: to nobody. `inFlight`: links that wait or are being committed, so no commit takes more.
    /// `report` is called with the number of links so far, now and then.
    package static func make(
        _ count: Int, in directory: String, _ destinations: Destinations, secret: [UInt8]? = nil,
        owners: Int = 0, inFlight: Int = LinkPopulation.inFlight, report: (Int) -> Void = { _ in }
    ) throws -> Outcome {
        var settings = settings(directory)
        settings.codeSecret = secret
        let store = try Store(settings)
        guard store.figures.head == 0 else {
            store.close()
            throw LabError("\(directory) has a store with links in it")
        }
        var outcome = Outcome(links: count)
        let made = Made(inFlight)
        outcome.seconds = MonotonicClock.seconds {
            for place in 0..<count {
                var body = LinkBody()
                body.destination = destinations[place]
                if owners > 0 { body.owner = Array(owner(place % owners).utf8) }
                outcome.destinationBytes += body.destination.count
                if made.failure != nil { break }
                made.awaitPlace()
                store.create(NewLink(body: body)) { made.note($0, place) }
                if (place + 1) % reportStep == 0 { report(place + 1) }
            }
            made.awaitAll()
        }
        outcome.commits = store.figures.commits
        store.close()
        if let failure = made.failure { throw failure }
        return outcome
    }

    static func owner(_ number: Int) -> String { "owner-\(number)" }

    /// Of a store that gives out as many numbers as it is asked for.
    static func settings(_ directory: String, node: UInt8 = 0) -> StoreSettings {
        let region = StoreSettings.Region(name: "local", character: RegionCharacter(UInt8(ascii: "1"))!)
        var settings = StoreSettings(
            directory: directory, regions: [region], region: region, node: node, mapSizeBytes: 1 << 40,
            now: { Instant(milliseconds: Int64(MonotonicClock.read(CLOCK_REALTIME) / 1_000_000)) },
            mustEnd: { reason in fatalError(reason) })
        settings.issuerLimits.numbersPerSecond = 10_000_000
        // A lease that is late for want of a processor must not end in codes of another kind.
        settings.issuerLimits.smallestBlock = settings.issuerLimits.largestBlock
        settings.issuerLimits.renewalTimeoutMilliseconds = 600_000
        return settings
    }
}

/// Links on their way to the disk, at most so many, and why the first that was not made was not.
///
/// Safety: a semaphore is made for many threads; it goes away when all have answered.
private final class Made: @unchecked Sendable {
    private let places = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let size: Int
    private let first = Mutex<LabError?>(nil)
    private let hasFailed = Atomic(false)

    init(_ size: Int) {
        self.size = size
        sem_init(places, 0, UInt32(size))
    }

    deinit {
        sem_destroy(places)
        places.deallocate()
    }

    var failure: LabError? { hasFailed.load(ordering: .acquiring) ? first.withLock { $0 } : nil }

    func awaitPlace() { while sem_wait(places) != 0 {} }
    func awaitAll() { for _ in 0..<size { awaitPlace() } }

    /// Links come back in the order in which they were given; their numbers must have no gaps.
    func note(_ result: Result<CreatedLink, WriteError>, _ place: Int) {
        switch result {
        case .failure(let error): fail("a link could not be made: \(error)")
        case .success(let link):
            if case .generated(_, _, let number) = link.key, number == UInt64(place) * GeneratedNumber.nodes { break }
            fail("link \(place) got a code out of turn: \(String(decoding: link.code, as: UTF8.self))")
        }
        sem_post(places)
    }

    private func fail(_ reason: String) {
        first.withLock { $0 = $0 ?? LabError(reason) }
        hasFailed.store(true, ordering: .releasing)
    }
}
