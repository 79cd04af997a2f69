import Links
import Primitives

/// A row of the table `claims`: what a request that may come again has made, as it was made.
///
///     key       16            claim id
///     stamp     8             of the link's creation
///     origin    10            who created it
///     request   8             hash of the request
///     link key  varint, bytes
///     body      the rest      as created; with a creation in it: as a later write had it, from before that was known here
///
/// It follows from the log, and as far as the link is what it was, from its record.
struct ClaimRow: Equatable {
    let id: UInt128
    let creation: Creation
    let request: UInt64
    let link: LinkKey
    let body: LinkBody

    /// Of a link as `origin` wrote it; nil if no such request made it, or that is not said any more.
    init?(_ link: LinkKey, _ body: LinkBody, stamp: UInt64, of origin: Origin) {
        guard let id = body.claimID, let request = body.requestHash,
            body.flags.isDisjoint(with: [.deleted, .reduced])
        else { return nil }
        (self.id, self.request, self.link, self.body) = (id, request, link, body)
        creation = body.creation ?? Creation(stamp: stamp, origin: origin)
    }

    /// Nil if the row is damaged.
    init?(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard key.count == 16, let payload = Row.payload(.claims, key, value) else { return nil }
        var idBytes = key.bytes
        guard let id = try? idBytes.takeUInt128(), let row = try? ClaimRow(id, decoding: payload.bytes) else {
            return nil
        }
        self = row
    }

    private init(_ id: UInt128, decoding payload: RawSpan) throws(MalformedBytes) {
        var bytes = payload
        self.id = id
        creation = try Creation(decoding: &bytes)
        request = try bytes.takeUInt64()
        let key = try bytes.takeLengthPrefixed()
        link = try LinkKey(decoding: key.span.bytes)
        body = try LinkBody(decoding: bytes)
    }

    static func rowKey(_ id: UInt128) -> [UInt8] {
        var key: [UInt8] = []
        key.append(bigEndian: id)
        return key
    }

    var sealed: [UInt8] {
        Row.sealed(.claims, Self.rowKey(id), payloadBytes: 64 + body.destination.count) { payload in
            creation.encode(into: &payload)
            payload.append(bigEndian: request)
            var key: [UInt8] = []
            link.encode(into: &key)
            payload.append(lengthPrefixed: key)
            body.encode(into: &payload)
        }
    }

    /// Whether it stands where `other` stood, on every node alike: the earliest creation does, and of one creation what was
    /// created.
    func beats(_ other: ClaimRow) -> Bool {
        if creation != other.creation {
            return (creation.stamp, creation.origin) < (other.creation.stamp, other.creation.origin)
        }
        return body.creation == nil && other.body.creation != nil
    }

    /// What was made before is not kept at `now`.
    static func oldestStamp(_ now: Instant) -> UInt64 {
        stamp(now.advanced(byMilliseconds: -StoreLimits.claimsKeptMilliseconds))
    }

    /// The least of that instant.
    static func stamp(_ instant: Instant) -> UInt64 { instant.storable << 16 }

    /// The link as it was made.
    func made(_ space: CodeSpace, sequence: UInt64) -> CreatedLink {
        var body = body
        body.creation = nil
        return CreatedLink(
            code: Array(space.text(of: link).utf8), key: link, stamp: Stamp(rawValue: creation.stamp),
            origin: creation.origin, sequence: sequence, body: body, isReplay: true)
    }
}

extension LogMerge {
    /// What the claim has made is found by it from now on, unless that was too long ago, or an earlier creation is.
    func note(_ claim: ClaimRow, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        guard claim.creation.stamp >= claimsSince else { return }
        let key = ClaimRow.rowKey(claim.id)
        if let value = try transaction.get(catalogue.claims!, key),
            let present = key.withUnsafeBytes({ ClaimRow($0, value) }), present.creation.stamp >= claimsSince,
            !claim.beats(present)
        {
            return
        }
        try transaction.put(catalogue.claims!, key, claim.sealed)
    }
}
