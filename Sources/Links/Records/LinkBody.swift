import Primitives

/// Everything that a link says, apart from when and by whom it was last written: the value of a log entry, and the tail
/// of a stored record.
///
///     flags        1      see Flags
///     [fields      varint, their length in bytes; then, in ascending order of tag:
///       tag        varint
///       length     varint
///       content    length bytes]                 only with Flags.hasFields
///     destination  the rest, without the prefix that the flags name
///
/// A field of an unknown tag is kept and passed on.
package struct LinkBody: Equatable, Sendable {
    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The low two bits say which prefix the destination had: 0 none.
        package static let prefixMask = Flags(rawValue: 0b11)
        package static let hasFields = Flags(rawValue: 1 << 2)
        /// Switched off by its owner; answers 410 and may be switched on again.
        package static let inactive = Flags(rawValue: 1 << 3)
        /// A tombstone: no destination, final.
        package static let deleted = Flags(rawValue: 1 << 4)
        /// Expired long ago and cut down to key and stamp on this node. Never in a log entry.
        package static let reduced = Flags(rawValue: 1 << 5)
        /// The visitor's query is appended to the destination.
        package static let forwardsQuery = Flags(rawValue: 1 << 6)
        /// Must be zero: a later format that older nodes must not read.
        package static let reserved = Flags(rawValue: 1 << 7)
    }

    /// Without `prefixMask` and `hasFields`, which follow from the rest.
    package var flags: Flags = []
    package var destination: [UInt8] = []
    package var expiresAt: Instant?
    package var creation: Creation?
    package var owner: [UInt8]?
    package var title: String?
    package var tags: [String] = []
    /// The alias claim that made this link: 16 bytes.
    package var claimID: UInt128?
    /// When the link was made in the shortener that it was imported from.
    package var importedCreation: Instant?
    /// Of the request that made the link under `claimID`, if that may come again; 8 bytes.
    package var requestHash: UInt64?
    package var unknown: [UnknownField] = []

    package init() {}

    enum Tag {
        static let expiresAt: UInt64 = 1
        static let creation: UInt64 = 2
        static let owner: UInt64 = 3
        static let title: UInt64 = 4
        static let tags: UInt64 = 5
        static let claimID: UInt64 = 6
        static let importedCreation: UInt64 = 7
        static let requestHash: UInt64 = 8
    }

    /// Prefixes that are not stored; the index is the value of the flags' low bits.
    package static let prefixes: [StaticString] = ["", "https://", "http://", "https://www."]
}

extension LinkBody {
    package func encode(into bytes: inout [UInt8]) {
        precondition(flags.isDisjoint(with: [.prefixMask, .hasFields, .reserved]))
        var fields: [UInt8] = []
        encodeFields(into: &fields)
        let prefix = Self.prefix(of: destination)
        bytes.append(flags.rawValue | UInt8(prefix) | (fields.isEmpty ? 0 : Flags.hasFields.rawValue))
        if !fields.isEmpty { bytes.append(lengthPrefixed: fields) }
        bytes += destination[Self.prefixes[prefix].utf8CodeUnitCount...]
    }

    private func encodeFields(into fields: inout [UInt8]) {
        func field(_ tag: UInt64, _ content: [UInt8]) { fields.append(field: tag, content) }
        func bytes(_ encode: (inout [UInt8]) -> Void) -> [UInt8] {
            var bytes: [UInt8] = []
            encode(&bytes)
            return bytes
        }
        if let expiresAt { field(Tag.expiresAt, bytes { $0.append(bigEndian48: expiresAt.storable) }) }
        if let creation { field(Tag.creation, bytes(creation.encode)) }
        if let owner { field(Tag.owner, owner) }
        if let title { field(Tag.title, Array(title.utf8)) }
        if !tags.isEmpty {
            field(Tag.tags, bytes { list in tags.forEach { list.append(lengthPrefixed: Array($0.utf8)) } })
        }
        if let claimID { field(Tag.claimID, bytes { $0.append(bigEndian: claimID) }) }
        if let importedCreation {
            field(Tag.importedCreation, bytes { $0.append(bigEndian48: importedCreation.storable) })
        }
        if let requestHash { field(Tag.requestHash, bytes { $0.append(bigEndian: requestHash) }) }
        for extra in unknown { field(extra.tag, extra.content) }
    }

    /// Takes the whole of `bytes`.
    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var bytes = bytes
        let head = Flags(rawValue: try bytes.takeByte())
        guard !head.contains(.reserved) else { throw MalformedBytes() }
        flags = head.subtracting([.prefixMask, .hasFields])
        if head.contains(.hasFields) {
            let length = try bytes.takeLength()
            guard length > 0 else { throw MalformedBytes() }
            var fields = bytes.extracting(..<length)
            bytes = bytes.extracting(length...)
            var last: UInt64 = 0
            while fields.byteCount > 0 {
                let content = try fields.takeField(after: &last)
                try decodeField(last, content)
            }
        }
        let prefix = Self.prefixes[Int(head.intersection(.prefixMask).rawValue)]
        destination = unsafe Array(UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
        destination.append(bytes)
    }

    private mutating func decodeField(_ tag: UInt64, _ content: [UInt8]) throws(MalformedBytes) {
        var span = unsafe content.span.bytes
        switch tag {
        case Tag.expiresAt: expiresAt = Instant(milliseconds: Int64(try span.takeUInt48()))
        case Tag.creation: creation = try Creation(decoding: &span)
        case Tag.owner:
            owner = content
            return
        case Tag.title:
            title = try String(field: content)
            return
        case Tag.tags: while span.byteCount > 0 { tags.append(try String(field: try span.takeLengthPrefixed())) }
        case Tag.claimID: claimID = try span.takeUInt128()
        case Tag.importedCreation: importedCreation = Instant(milliseconds: Int64(try span.takeUInt48()))
        case Tag.requestHash: requestHash = try span.takeUInt64()
        default:
            unknown.append(UnknownField(tag: tag, content: content))
            return
        }
        guard span.byteCount == 0 else { throw MalformedBytes() }
    }

    /// The longest prefix that `destination` starts with, as an index into `prefixes`.
    private static func prefix(of destination: [UInt8]) -> Int {
        func starts(_ index: Int) -> Bool {
            let prefix = prefixes[index]
            return unsafe destination.starts(
                with: UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
        }
        return starts(3) ? 3 : starts(1) ? 1 : starts(2) ? 2 : 0
    }
}
