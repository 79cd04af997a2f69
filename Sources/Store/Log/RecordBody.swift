import Links
import Primitives

/// What a record says, of whatever kind it is.
enum RecordBody: Equatable {
    case link(LinkBody)
    case member(MemberBody)
    case key(KeyBody)
    case moderation(ModerationBody)

    init(_ key: RecordKey, decoding bytes: RawSpan) throws(MalformedBytes) {
        switch key {
        case .link: self = .link(try LinkBody(decoding: bytes))
        case .member: self = .member(try MemberBody(decoding: bytes))
        case .key: self = .key(try KeyBody(decoding: bytes))
        case .moderation(let key): self = .moderation(try ModerationBody(key, decoding: bytes))
        }
    }

    func rank(stamp: UInt64, origin: Origin) -> RecordRank {
        switch self {
        case .link(let body): RecordRank(body, stamp: stamp, origin: origin)
        case .member(let body): RecordRank(isFinal: body.isRetired, stamp: stamp, origin: origin)
        case .key(let body): RecordRank(isFinal: body.flags.contains(.deleted), stamp: stamp, origin: origin)
        case .moderation(let body): body.rank(stamp: stamp, origin: origin)
        }
    }

    /// A link that expired long ago and was cut down.
    var isReduced: Bool { if case .link(let body) = self { body.flags.contains(.reduced) } else { false } }

    /// The row of `claims` that its creation has, `origin` having written it last; nil: none.
    func claim(_ key: RecordKey, stamp: UInt64, of origin: Origin) -> ClaimRow? {
        guard case .link(let link) = key, case .link(let body) = self else { return nil }
        return ClaimRow(link, body, stamp: stamp, of: origin)
    }

    /// The row of `owners` that goes with it; nil: none.
    func ownerRow(_ key: RecordKey, stamp: UInt64, _ owners: OwnerIndex) -> [UInt8]? {
        guard case .link(let link) = key, case .link(let body) = self else { return nil }
        return owners.row(of: link, body, stamp: stamp)
    }
}

extension BlockBody {
    /// A list may have written later because it had not heard of what somebody decided, which stands all the same. One that
    /// had, and knew that the link leads elsewhere since, took its turn.
    func rank(stamp: UInt64, origin: Origin) -> RecordRank {
        RecordRank(precedence: Int(turn) * 2 + (source == .decision ? 1 : 0), stamp: stamp, origin: origin)
    }
}

extension ModerationBody {
    func rank(stamp: UInt64, origin: Origin) -> RecordRank {
        switch self {
        case .block(let body): body.rank(stamp: stamp, origin: origin)
        // One that was decided does not open again because it comes again elsewhere.
        case .report(let body): RecordRank(isFinal: body.decision != nil, stamp: stamp, origin: origin)
        case .audit: RecordRank(isFinal: false, stamp: stamp, origin: origin)
        }
    }

    /// A report that nobody has decided yet.
    var isOpenReport: Bool { if case .report(let body) = self { body.decision == nil } else { false } }
}

/// A row's payload, whatever its table: stamp (8), origin index (varint), body.
struct TableRecord {
    let stamp: UInt64
    let originIndex: UInt16
    let body: RecordBody
    /// The body as it stands there.
    let value: [UInt8]

    init(_ key: RecordKey, decoding payload: RawSpan) throws(MalformedBytes) {
        var rest = payload
        stamp = try rest.takeUInt64()
        guard let index = UInt16(exactly: try rest.takeVarint()) else { throw MalformedBytes() }
        originIndex = index
        body = try RecordBody(key, decoding: rest)
        value = [UInt8](rest)
    }
}
