import Glibc
import Links
import Primitives
import Store
import Synchronization

/// Fills a store through its own door, as the API does, but past HTTP and past the cap on numbers a second.
enum LinkPopulation {
    struct Outcome {
        /// Evenly picked from all codes, in the order in which they were made.
        var codes: [[UInt8]] = []
        var seconds = 0.0
        var commits: UInt64 = 0
        var destinationBytes = 0
    }

    private static let submitters = 4
    /// Of one submitter; together below what the store's queue takes.
    private static let inFlight = 256

    /// Makes `count` links in a new store in `directory`, such that `edge serve --data` takes it over.
    static func make(_ count: Int, in directory: String, keepingCodes kept: Int) throws -> Outcome {
        let store = try Store(settings(directory))
        let step = max(1, count / kept)
        let codes = Mutex<[Int: [UInt8]]>([:])
        let failure = Mutex<WriteError?>(nil)
        var outcome = Outcome()
        outcome.seconds = MonotonicClock.seconds {
            let threads = (0..<submitters).map { part in
                SystemThread("submitter-\(part)") {
                    let share = count * part / submitters..<count * (part + 1) / submitters
                    submit(share, to: store, failure) { number, code in
                        if number % step == 0 { codes.withLock { $0[number] = code } }
                    }
                }
            }
            for thread in threads { thread.join() }
        }
        store.close()
        if let failure = failure.withLock({ $0 }) { throw LabError("a link could not be made: \(failure)") }
        outcome.codes = codes.withLock { codes in codes.keys.sorted().prefix(kept).map { codes[$0]! } }
        outcome.commits = store.figures.commits
        outcome.destinationBytes = destination(0).count
        return outcome
    }

    /// Of a store that gives out as many numbers as it is asked for.
    static func settings(_ directory: String, node: UInt8 = 0) -> StoreSettings {
        let region = StoreSettings.Region(name: "local", character: RegionCharacter(UInt8(ascii: "1"))!)
        var settings = StoreSettings(
            directory: directory, regions: [region], region: region, node: node, mapSizeBytes: 1 << 40,
            now: { Instant(milliseconds: Int64(MonotonicClock.read(CLOCK_REALTIME) / 1_000_000)) },
            mustEnd: { reason in fatalError(reason) })
        settings.issuerLimits.numbersPerSecond = 10_000_000
        settings.issuerLimits.smallestBlock = 1 << 20
        return settings
    }

    /// All of the same length.
    static func destination(_ number: Int) -> [UInt8] {
        let digits = String(number)
        return Array(
            ("https://example.com/very/long/path/that/is/typical?utm_source=x&id="
                + String(repeating: "0", count: 10 - digits.count) + digits).utf8)
    }

    private static func submit(
        _ numbers: Range<Int>, to store: Store, _ failure: borrowing Mutex<WriteError?>,
        keep: @escaping @Sendable (Int, [UInt8]) -> Void
    ) {
        let window = Window(inFlight)
        let first = FirstFailure()
        for number in numbers {
            var body = LinkBody()
            body.destination = destination(number)
            window.enter()
            if first.error != nil {
                window.leave()
                break
            }
            store.create(NewLink(body: body)) { result in
                switch result {
                case .success(let link): keep(number, link.code)
                case .failure(let error): first.note(error)
                }
                window.leave()
            }
        }
        window.awaitEmpty()
        if let error = first.error { failure.withLock { $0 = error } }
    }
}

/// Why the first write that failed did.
private final class FirstFailure: Sendable {
    private let first = Mutex<WriteError?>(nil)
    var error: WriteError? { first.withLock { $0 } }
    func note(_ error: WriteError) { first.withLock { $0 = $0 ?? error } }
}

/// At most so many at a time.
///
/// Safety: a semaphore is made for many threads; it goes away when nobody can use it any more.
private final class Window: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let size: Int

    init(_ size: Int) {
        self.size = size
        sem_init(semaphore, 0, UInt32(size))
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func enter() { while sem_wait(semaphore) != 0 {} }
    func leave() { sem_post(semaphore) }
    func awaitEmpty() { for _ in 0..<size { enter() } }
}
