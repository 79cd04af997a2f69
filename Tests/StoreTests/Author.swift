import Dispatch
import Links
import Primitives
import Store
import Synchronization

/// Another node, as far as its log goes: writes entries as such a node would, or not quite.
struct Author {
    let origin: Origin
    private(set) var entries: [[UInt8]] = []
    /// After each entry; the first one is before all.
    private(set) var chains: [[UInt8]]
    private(set) var stamp: UInt64
    var ceiling: UInt64 = 0
    private let hasher = SHA256Hasher()

    /// A node of the region with the character `region`.
    init(_ region: Character = "2", node: UInt8 = 0, incarnation: UInt64 = 7, since: Instant = TestClock().now) {
        origin = Origin(region: region.asciiValue!, node: node, incarnation: incarnation)
        stamp = UInt64(since.milliseconds) << 16
        var name = Array("edge log".utf8)
        origin.encode(into: &name)
        chains = [Array(hasher.hash(name).prefix(16))]
    }

    var head: UInt64 { UInt64(entries.count) }

    func key(_ counter: UInt64) -> LinkKey {
        .generated(
            region: origin.region, node: origin.node,
            number: GeneratedNumber.number(counter: counter, node: origin.node))
    }

    /// Adds an entry. `stamp` overrides the next stamp.
    @discardableResult
    mutating func write(
        _ key: LinkKey, _ body: LinkBody, format: UInt8 = LogEntry.firstFormat, kind: UInt8 = LogEntry.Kind.link,
        stamp given: UInt64? = nil
    ) -> UInt64 {
        var (keyBytes, value) = ([UInt8](), [UInt8]())
        key.encode(into: &keyBytes)
        body.encode(into: &value)
        stamp = given ?? stamp + 1
        var entry: [UInt8] = []
        LogEntry(format: format, kind: kind, sequence: head + 1, stamp: stamp, key: keyBytes, value: value).encode(
            into: &entry)
        append(entry)
        return stamp
    }

    /// An API key's entry; `deleted`: it is revoked.
    @discardableResult
    mutating func write(_ key: KeyID, of creation: Creation? = nil, deleted: Bool = false) -> Creation {
        var body = KeyBody()
        body.principal = Array("key-\(key.rawValue)".utf8)
        if deleted { body = body.revoked(creation!) } else { body.creation = creation }
        var value: [UInt8] = []
        body.encode(into: &value)
        stamp += 1
        var entry: [UInt8] = []
        LogEntry(kind: LogEntry.Kind.key, sequence: head + 1, stamp: stamp, key: key.bytes, value: value).encode(
            into: &entry)
        append(entry)
        return creation ?? Creation(stamp: stamp, origin: origin)
    }

    /// A block, a report or a line of the audit trail. `stamp` overrides the next stamp.
    mutating func write(_ key: ModerationKey, _ body: ModerationBody, stamp given: UInt64? = nil) {
        var value: [UInt8] = []
        body.encode(into: &value)
        stamp = given ?? stamp + 1
        var entry: [UInt8] = []
        LogEntry(
            format: LogEntry.moderationFormat, kind: LogEntry.Kind.moderation, sequence: head + 1, stamp: stamp,
            key: key.bytes, value: value
        ).encode(into: &entry)
        append(entry)
    }

    /// A link of its own, with the number of `counter`.
    @discardableResult
    mutating func create(_ counter: UInt64, _ destination: String? = nil) -> Creation {
        let stamp = write(key(counter), body(destination ?? "https://\(origin.node).example.com/\(counter)"))
        return Creation(stamp: stamp, origin: origin)
    }

    mutating func append(_ entry: [UInt8]) {
        entries.append(entry)
        chains.append(Array(hasher.hash(chains.last!, entry).prefix(16)))
    }

    func batch(_ sequences: ClosedRange<UInt64>) -> LogBatch {
        LogBatch(
            origin: origin, first: sequences.lowerBound,
            entries: Array(entries[Int(sequences.lowerBound) - 1..<Int(sequences.upperBound)]),
            chain: chains[Int(sequences.upperBound)], ceiling: ceiling)
    }

    var whole: LogBatch { batch(1...head) }
}

/// A tombstone, or a change, of a link that `creation` made.
func body(_ destination: String, of creation: Creation, deleted: Bool = false) -> LinkBody {
    var changed = body(deleted ? "" : destination)
    changed.creation = creation
    if deleted { changed.flags.insert(.deleted) }
    return changed
}

extension Store {
    func applyAndWait(_ batch: LogBatch) -> ApplyOutcome {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<ApplyOutcome?>(nil)
        apply(batch) { outcome in
            result.withLock { $0 = outcome }
            done.signal()
        }
        done.wait()
        return result.withLock { $0! }
    }

    func position(_ origin: Origin) -> OriginPosition? { vector.first { $0.origin == origin } }

    func code(_ key: LinkKey) -> [UInt8] { Array(codeSpace.text(of: key).utf8) }
}

let threeRegions = [
    localRegion, StoreSettings.Region(name: "other", character: RegionCharacter(UInt8(ascii: "2"))!),
    StoreSettings.Region(name: "third", character: RegionCharacter(UInt8(ascii: "3"))!),
]

/// As `settings`, in a cluster of three regions.
func clusterSettings(_ directory: TemporaryDirectory, clock: TestClock = TestClock()) -> StoreSettings {
    var own = settings(directory, clock: clock)
    own.regions = threeRegions
    own.issuerLimits.numbersPerSecond = 10_000_000
    own.codeSecret = Array("a secret that all of them have, of any length".utf8)
    own.stampKeys = (1, 2)
    return own
}

/// Lines of a dump.
func dump(_ directory: String, now: Instant = TestClock().now) throws -> [String] {
    var bytes: [UInt8] = []
    let damaged = try dumpStore(directory: directory, now: now) { lines in
        bytes += lines
        return true
    }
    guard damaged.isEmpty else { throw Missing() }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
}

/// Digests of a closed store by bucket, without the instant of the last change.
func digests(_ directory: String) throws -> [[UInt8]: [UInt8]] {
    var digests: [[UInt8]: [UInt8]] = [:]
    try editStore(directory) { transaction in
        for row in try transaction.rows("digests") { digests[row.key] = Array(row.value[4..<28]) }
    }
    return digests
}

/// Flips a bit of the last byte of a row's value.
func damageRow(_ directory: String, _ table: String, _ key: [UInt8]) throws {
    try damageRows(directory, table, [key])
}

func damageRows(_ directory: String, _ table: String, _ keys: [[UInt8]]) throws {
    try editStore(directory) { transaction in
        for key in keys {
            var row = try transaction.get(table, key)
            row[row.count - 1] ^= 1
            try transaction.put(table, key, row)
        }
    }
}
