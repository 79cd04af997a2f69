import Links
import Primitives

/// What is known of one origin's log: a row of the table `origins`, keyed by a two-byte index that records use in its
/// stead. The rows together are the version vector.
///
///     origin        10
///     head          6    sequence of the newest entry held
///     head stamp    8    of that entry; before the first one, of the incarnation's beginning
///     head chain    16
///     floor         6    newest sequence that was truncated away; 0 if the log is whole
///     floor chain   16
///     first         8    counter behind the greatest number that came in its log; of the own life, where they begin again
///                        after a start
///     ceiling       8    counter below which they lie
///     seal          6    last sequence of an ended incarnation; 2^48 - 1 while it lives
///     wall          6    of the own life: milliseconds of the wall clock at the latest commit, of all lives so far; of
///                        another one without entries: up to when the ceiling is known to have held
///     marks         1    bit 0: two versions of the log are known; bit 1: a snapshot told of the head, and no entry came since
///     [later fields]
struct OriginRow: Equatable {
    var origin: Origin
    var head: UInt64 = 0
    var headStamp: UInt64 = 0
    var headChain: [UInt8]
    var floor: UInt64 = 0
    var floorChain: [UInt8]
    var firstCounter: UInt64 = 0
    var ceiling: UInt64 = 0
    var seal: UInt64 = Self.unsealed
    var wall: UInt64 = 0
    var isForked = false
    /// Nobody has held the head's stamp against this node's clock.
    var isHeadTold = false
    var later: [UInt8] = []

    static let unsealed: UInt64 = 1 << 48 - 1
    static let chainSizeBytes = 16

    init(origin: Origin, chainStart: [UInt8]) {
        (self.origin, headChain, floorChain) = (origin, chainStart, chainStart)
    }

    mutating func noteWall(_ now: Instant) { wall = max(wall, min(UInt64(max(0, now.milliseconds)), 1 << 48 - 1)) }

    /// Another node's codes may have reached the counter at that time, of which only a row without entries must tell.
    mutating func raiseCeiling(to counter: UInt64, at time: Instant) {
        guard counter > ceiling else { return }
        ceiling = counter
        if head == 0 { noteWall(time) }
    }

    static func key(_ index: UInt16) -> [UInt8] {
        var key: [UInt8] = []
        key.append(bigEndian: index)
        return key
    }

    /// The row of an index in a snapshot; nil if there is none, or it is damaged.
    static func find(
        _ index: UInt16, _ tables: Catalogue, _ transaction: ReadTransaction
    ) throws(LMDBError) -> OriginRow? {
        let key = key(index)
        guard let value = try transaction.get(tables.origins, key) else { return nil }
        let payload = key.withUnsafeBytes { Row.payload(.origins, $0, value) }
        return payload.flatMap { try? OriginRow(decoding: $0.bytes) }
    }

    var payload: [UInt8] {
        var bytes: [UInt8] = []
        origin.encode(into: &bytes)
        bytes.append(bigEndian48: head)
        bytes.append(bigEndian: headStamp)
        bytes += headChain
        bytes.append(bigEndian48: floor)
        bytes += floorChain
        bytes.append(bigEndian: firstCounter)
        bytes.append(bigEndian: ceiling)
        bytes.append(bigEndian48: seal)
        bytes.append(bigEndian48: wall)
        bytes.append((isForked ? 1 : 0) | (isHeadTold ? 2 : 0))
        return bytes + later
    }

    init(decoding payload: RawSpan) throws(MalformedBytes) {
        var bytes = payload
        origin = try Origin(decoding: &bytes)
        head = try bytes.takeUInt48()
        headStamp = try bytes.takeUInt64()
        headChain = try bytes.takeBytes(Self.chainSizeBytes)
        floor = try bytes.takeUInt48()
        floorChain = try bytes.takeBytes(Self.chainSizeBytes)
        firstCounter = try bytes.takeUInt64()
        ceiling = try bytes.takeUInt64()
        seal = try bytes.takeUInt48()
        // Rows of the first programs end here, and those of later ones behind the next field.
        if bytes.byteCount >= 6 { wall = try bytes.takeUInt48() }
        let marks = bytes.byteCount >= 1 ? try bytes.takeByte() : 0
        (isForked, isHeadTold) = (marks & 1 != 0, marks & 2 != 0)
        later = try bytes.takeBytes(bytes.byteCount)
    }
}

/// The running hash of an origin's log: chain(n) = SHA-256(chain(n - 1) ‖ entry n), cut to 16 bytes.
struct LogChain {
    private let hasher = SHA256Hasher()

    /// chain(0): tells logs of different origins apart from the start.
    func start(_ origin: Origin) -> [UInt8] {
        var name = Array("edge log".utf8)
        origin.encode(into: &name)
        return Array(hasher.hash(name).prefix(OriginRow.chainSizeBytes))
    }

    func next(_ chain: [UInt8], _ entry: [UInt8]) -> [UInt8] {
        Array(hasher.hash(chain, entry).prefix(OriginRow.chainSizeBytes))
    }
}

/// A row of the table `log`: key origin index (2) and sequence (6), value chain (16) and entry.
enum LogRow {
    static func key(_ originIndex: UInt16, _ sequence: UInt64) -> [UInt8] {
        var key: [UInt8] = []
        key.append(bigEndian: originIndex)
        key.append(bigEndian48: sequence)
        return key
    }
}
