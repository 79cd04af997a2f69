import Primitives

/// What a node's log says of a node of the cluster: the value of a log entry of kind 2, and the tail of a record in the
/// table `members`.
///
///     flags        1      deleted, as in a body: the member is retired, which is final; the others must be zero
///     fields       to the end, in ascending order of tag: tag (varint), length (varint), content
///
/// A field of an unknown tag is kept and passed on.
package struct MemberBody: Equatable, Sendable {
    package var isRetired = false
    /// Of its replication port, `host:port` each.
    package var addresses: [String] = []
    package var isWitness = false
    /// The newest format of log entries that it reads.
    package var logFormat: UInt16 = 0
    package var unknown: [UnknownField] = []

    package init() {}

    enum Tag {
        static let addresses: UInt64 = 1
        static let role: UInt64 = 2
        static let logFormat: UInt64 = 4
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(isRetired ? LinkBody.Flags.deleted.rawValue : 0)
        var names: [UInt8] = []
        for address in addresses { names.append(lengthPrefixed: Array(address.utf8)) }
        bytes.append(field: Tag.addresses, names)
        bytes.append(field: Tag.role, [isWitness ? 1 : 0])
        var format: [UInt8] = []
        format.append(varint: UInt64(logFormat))
        let later = unknown.firstIndex { $0.tag > Tag.logFormat } ?? unknown.count
        for extra in unknown[..<later] { bytes.append(field: extra.tag, extra.content) }
        bytes.append(field: Tag.logFormat, format)
        for extra in unknown[later...] { bytes.append(field: extra.tag, extra.content) }
    }

    /// Takes the whole of `bytes`.
    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var bytes = bytes
        let flags = LinkBody.Flags(rawValue: try bytes.takeByte())
        guard flags.isSubset(of: .deleted) else { throw MalformedBytes() }
        isRetired = flags.contains(.deleted)
        var tag: UInt64 = 0
        while bytes.byteCount > 0 {
            let content = try bytes.takeField(after: &tag)
            try decodeField(tag, content)
        }
    }

    private mutating func decodeField(_ tag: UInt64, _ content: [UInt8]) throws(MalformedBytes) {
        var span = unsafe content.span.bytes
        switch tag {
        case Tag.addresses:
            while span.byteCount > 0 { addresses.append(try String(field: try span.takeLengthPrefixed())) }
        case Tag.role:
            let role = try span.takeByte()
            guard role <= 1 else { throw MalformedBytes() }
            isWitness = role == 1
        case Tag.logFormat:
            guard let format = UInt16(exactly: try span.takeVarint()) else { throw MalformedBytes() }
            logFormat = format
        default: unknown.append(UnknownField(tag: tag, content: try span.takeBytes(span.byteCount)))
        }
        guard span.byteCount == 0 else { throw MalformedBytes() }
    }
}
