import Analytics
import Links
import Primitives

/// The rows of the environment of clicks; each is a `Row`.
///
///     table     key                               payload
///     totals    link key                          people, bots, heads (varints)
///     days      day (4), link key                 the same
///     journal   partition (1), sequence (8)       entries: day (4), length of the code (1), code, people, bots, heads
///     meta      a name                            see below
enum ClickRows {
    /// Who the environment belongs to (32), and since when it counts: milliseconds since 1970 (8).
    static let identity = Array("identity".utf8)
    static let format = Array("format".utf8)
    /// The highest sequence of the journal (8), and how often a partition was folded (8).
    static let progress = Array("progress".utf8)
    /// `NetworkKey`.
    static let networkKey = Array("network-key".utf8)

    static let currentFormat: UInt64 = 1

    /// Another code secret gives the same numbers other codes, and so other links.
    static func identity(_ codeSecret: [UInt8], _ store: StoreIdentity, _ origin: Origin) -> [UInt8] {
        var who: [UInt8] = []
        who.append(lengthPrefixed: Array(store.cluster.utf8))
        who.append(lengthPrefixed: Array(store.regionName.utf8))
        who += [origin.region, origin.node]
        return SHA256Hasher().hash(Array("edge clicks".utf8), codeSecret, who)
    }

    static func key(_ link: LinkKey) -> [UInt8] {
        var key: [UInt8] = []
        link.encode(into: &key)
        return key
    }

    static func key(_ day: ClickDay, _ link: [UInt8]) -> [UInt8] {
        var key: [UInt8] = []
        key.append(bigEndian: day.number)
        return key + link
    }

    static func journalKey(_ partition: Int, _ sequence: UInt64) -> [UInt8] {
        var key = [UInt8(partition)]
        key.append(bigEndian: sequence)
        return key
    }

    /// A code always belongs to the same one.
    static func partition(_ code: UnsafeRawBufferPointer) -> Int {
        var crc = CRC32C()
        crc.append(code.bytes)
        return Int(crc.value) & (ClickLimits.partitions - 1)
    }

    // MARK: The journal's entries

    static func append(
        _ entry: (code: UnsafeRawBufferPointer, day: ClickDay, counts: ClickCounts), to bytes: inout [UInt8]
    ) {
        bytes.append(bigEndian: entry.day.number)
        bytes.append(UInt8(entry.code.count))
        bytes += entry.code
        entry.counts.encode(into: &bytes)
    }

    /// Adds all entries of a row to `tally`.
    static func take(_ payload: UnsafeRawBufferPointer, into tally: ClickTally) throws(MalformedBytes) {
        var rest = payload.bytes
        while rest.byteCount > 0 {
            let day = ClickDay(number: try rest.takeUInt32())
            let count = Int(try rest.takeByte())
            guard (1...ClickEvent.codeBytes).contains(count) else { throw MalformedBytes() }
            let code = try rest.takeBytes(count)
            let counts = try ClickCounts(decoding: &rest)
            guard code.withUnsafeBytes({ tally.add($0, day, counts) }) else { throw MalformedBytes() }
        }
    }
}

/// Every bound of the environment of clicks, in one place.
package enum ClickLimits {
    /// Parts of the journal, by code; one after the other is folded into the other tables, so that no transaction is long. A
    /// power of two.
    package static let partitions = 16
    /// Codes that gather in memory between two writes of the journal.
    package static let gatheredCodes = 16_384
    /// A partition with more codes than this is folded at once; else each has its turn.
    package static let partitionCodes = 4096
    package static let foldMilliseconds: Int64 = 60_000
    /// Days that are kept by day.
    package static let days = 90
    /// Rows of older days that a fold removes at most.
    static let expiriesPerFold = 8192
    /// A journal row is closed beyond this.
    static let journalRowBytes = 16 << 10
    /// Virtual memory, as the store's own map is.
    static let mapSizeBytes = 256 << 30
    /// Clicks are not written where less than this is free on the disk: the rest is for links.
    static let freeDiskBytes = 64 << 20
    /// Environments that were set aside, and are still there; then the oldest one's name is used again.
    static let setAside = 8
}
