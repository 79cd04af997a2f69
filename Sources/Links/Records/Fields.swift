import Primitives

/// Fields, as bodies and the values of the other kinds of entries have them: tag (varint), length (varint), content.
/// Tags ascend, each stands there at most once, and one of an unknown tag is kept.
package struct UnknownField: Equatable, Sendable {
    package var tag: UInt64
    package var content: [UInt8]
    package init(tag: UInt64, content: [UInt8]) { (self.tag, self.content) = (tag, content) }
}

extension [UInt8] {
    mutating func append(field tag: UInt64, _ content: [UInt8]) {
        append(varint: tag)
        append(lengthPrefixed: content)
    }

    /// Adds fields in the order of their tags, each of which is there once.
    mutating func append(sorting fields: [UnknownField]) {
        for field in fields.sorted(by: { $0.tag < $1.tag }) { append(field: field.tag, field.content) }
    }
}

extension RawSpan {
    /// The next field, whose tag must be greater than `last`, the one before.
    mutating func takeField(after last: inout UInt64) throws(MalformedBytes) -> [UInt8] {
        let tag = try takeVarint()
        guard tag > last else { throw MalformedBytes() }
        last = tag
        return try takeLengthPrefixed()
    }
}

extension String {
    /// Of a field's content, which must be UTF-8.
    init(field content: [UInt8]) throws(MalformedBytes) {
        guard let text = String(validating: content, as: UTF8.self) else { throw MalformedBytes() }
        self = text
    }
}

extension Instant {
    /// Instants are kept as 48 bits of milliseconds: from 1970 to the year 10889.
    package var storable: UInt64 { UInt64(min(max(milliseconds, 0), 1 << 48 - 1)) }

    /// As the content of a field.
    var fieldContent: [UInt8] {
        var content: [UInt8] = []
        content.append(bigEndian48: storable)
        return content
    }

    /// Of a field's content.
    init(field content: [UInt8]) throws(MalformedBytes) {
        var bytes = unsafe content.span.bytes
        self.init(milliseconds: Int64(try bytes.takeUInt48()))
        guard bytes.byteCount == 0 else { throw MalformedBytes() }
    }
}
