import Primitives

/// What a record of moderation is stored under: the key of its log entries, of kind 4, and of its row in the table
/// `blocks`.
///
///     block    01  the link's key, as in its own log entries
///     report   02  id (16 bytes, big-endian)
///     audit    03  stamp (8, big-endian)  origin (10)
package enum ModerationKey: Hashable, Sendable {
    case block(LinkKey)
    case report(UInt128)
    /// When and where an act was written down.
    case audit(stamp: UInt64, origin: Origin)

    private enum Tag {
        static let block: UInt8 = 1
        static let report: UInt8 = 2
        static let audit: UInt8 = 3
    }

    /// The longest encoded key: the block of the longest alias.
    package static let maximumSizeBytes = 1 + LinkKey.maximumSizeBytes

    /// What the keys of all records of one kind begin with.
    package static let (blockHead, reportHead, auditHead) = ([Tag.block], [Tag.report], [Tag.audit])

    package func encode(into bytes: inout [UInt8]) {
        switch self {
        case .block(let link):
            bytes.append(Tag.block)
            link.encode(into: &bytes)
        case .report(let id):
            bytes.append(Tag.report)
            bytes.append(bigEndian: id)
        case .audit(let stamp, let origin):
            bytes.append(Tag.audit)
            Creation(stamp: stamp, origin: origin).encode(into: &bytes)
        }
    }

    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes
    }

    /// Whether its row stands behind the other one's.
    package func isBehind(_ other: ModerationKey) -> Bool { other.bytes.lexicographicallyPrecedes(bytes) }

    /// As a cursor of a list: base64url.
    package var text: String {
        var text: [UInt8] = []
        Base64URL.encode(bytes, into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil if `text` is not what `text` gives.
    package init?(text: String) {
        let text = Array(text.utf8)
        guard let bytes = unsafe Base64URL.decode(text.span.bytes),
            let key = unsafe try? ModerationKey(decoding: bytes.span.bytes)
        else { return nil }
        self = key
    }

    /// Takes the whole of `bytes`.
    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var bytes = bytes
        switch try bytes.takeByte() {
        case Tag.block: self = .block(try LinkKey(decoding: bytes))
        case Tag.report:
            self = .report(UInt128(try bytes.takeUInt64()) << 64 | UInt128(try bytes.takeUInt64()))
            guard bytes.byteCount == 0 else { throw MalformedBytes() }
        case Tag.audit:
            let written = try Creation(decoding: &bytes)
            self = .audit(stamp: written.stamp, origin: written.origin)
            guard bytes.byteCount == 0 else { throw MalformedBytes() }
        default: throw MalformedBytes()
        }
    }
}

/// What a record of moderation says: the value of a log entry of kind 4, and the tail of a record in the table `blocks`.
///
///     flags        1      inactive, as in a link's body: the block is lifted; the others must be zero
///     fields       to the end, in ascending order of tag: tag (varint), length (varint), content
///
/// A field of an unknown tag is kept and passed on.
package enum ModerationBody: Equatable, Sendable {
    case block(BlockBody)
    case report(ReportBody)
    case audit(AuditBody)

    package func encode(into bytes: inout [UInt8]) {
        switch self {
        case .block(let body): body.encode(into: &bytes)
        case .report(let body): body.encode(into: &bytes)
        case .audit(let body): body.encode(into: &bytes)
        }
    }

    /// Takes the whole of `bytes`.
    package init(_ key: ModerationKey, decoding bytes: RawSpan) throws(MalformedBytes) {
        switch key {
        case .block: self = .block(try BlockBody(decoding: bytes))
        case .report: self = .report(try ReportBody(decoding: bytes))
        case .audit: self = .audit(try AuditBody(decoding: bytes))
        }
    }
}
