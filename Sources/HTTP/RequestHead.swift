import Primitives

/// A stretch of a head's bytes. No such stretch begins at 0, so a start of 0 says that there is none.
package struct HeadSlice: Equatable, Sendable {
    package let start: UInt16
    package let count: UInt16

    package static var absent: HeadSlice { HeadSlice(start: 0, count: 0) }

    private init(start: UInt16, count: UInt16) {
        self.start = start
        self.count = count
    }

    /// - Precondition: `0 < from <= to <= Limits.headBytes`.
    @inline(__always)
    init(from: Int, to: Int) {
        precondition(from > 0 && from <= to && to <= Limits.headBytes)
        start = UInt16(truncatingIfNeeded: from)
        count = UInt16(truncatingIfNeeded: to &- from)
    }

    /// False if the field, or the query, was not sent; an empty one is present.
    package var isPresent: Bool { start != 0 }

    /// Offsets into the bytes that the head was read from.
    package var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
}

/// A validated request line and its fields, as offsets into the bytes that they were read from: the span given to
/// `RequestReader.next`, or a message's own `headBytes`.
package struct RequestHead: Sendable {
    package enum Method: UInt8, Sendable {
        case get, head, post, put, patch, delete, options
        /// Any other token; the server does not implement it.
        case other

        /// As requests spell it; OTHER is none's own.
        package var name: StaticString {
            switch self {
            case .get: "GET"
            case .head: "HEAD"
            case .post: "POST"
            case .put: "PUT"
            case .patch: "PATCH"
            case .delete: "DELETE"
            case .options: "OPTIONS"
            case .other: "OTHER"
            }
        }
    }

    package internal(set) var method = Method.other
    /// 0 or 1: HTTP/1.0 or HTTP/1.1.
    package internal(set) var minorVersion: UInt8 = 1
    /// Whether the connection may carry another request after this one (RFC 9112 9.3).
    package internal(set) var keepsAlive = true
    /// Bytes of the whole head, with its final empty line and an empty line before it.
    package internal(set) var byteCount: UInt32 = 0
    /// The path, still percent-encoded, beginning with `/`; or `*` (OPTIONS only).
    package internal(set) var path = HeadSlice.absent
    /// What stands behind the `?`, which is not part of it; absent without one.
    package internal(set) var query = HeadSlice.absent
    /// Those of fields that were not sent are left over from heads before.
    private var slices = InlineArray<24, HeadSlice>(repeating: .absent)
    /// A bit for each field by its raw value.
    private var sent: UInt32 = 0
    private var repetitions: UInt32 = 0

    init() {}

    /// Forgets all fields without touching their slices, which is what makes a head cheap.
    @inline(__always)
    mutating func forgetFields() {
        sent = 0
        repetitions = 0
    }

    /// A field's value without surrounding blanks; the first one's if it was sent in several lines. Of a request in
    /// absolute form `host` is the target's authority (RFC 9112 3.2.2).
    package internal(set) subscript(field: Field) -> HeadSlice {
        @inline(__always) get { has(field) ? slices[Int(field.rawValue)] : .absent }
        @inline(__always) set {
            slices[Int(field.rawValue)] = newValue
            sent |= 1 &<< UInt32(field.rawValue)
        }
    }

    /// Whether a field was sent, be it empty.
    @inline(__always)
    package func has(_ field: Field) -> Bool { sent &>> UInt32(field.rawValue) & 1 != 0 }

    /// Whether a field was sent that can say what the answer must reflect: a token, a cookie or a region.
    package var mayBringToken: Bool { sent & Self.tokenFields != 0 }

    private static let tokenFields: UInt32 = [Field.edgeToken, .cookie, .xWriteRegion].reduce(0) {
        $0 | 1 << UInt32($1.rawValue)
    }

    /// Whether a field came in several lines; `value(of:in:)` joins them.
    package func isRepeated(_ field: Field) -> Bool { repetitions >> UInt32(field.rawValue) & 1 != 0 }

    @inline(__always)
    mutating func markRepeated(_ field: Field) { repetitions |= 1 &<< UInt32(field.rawValue) }

    /// A field's value as text, several lines joined by `, ` (a cookie's by `; `; RFC 9110 5.3, RFC 6265 5.4). Nil if it
    /// was not sent or is not UTF-8. Costs a second look at the head only if it was repeated.
    package func value(of field: Field, in bytes: RawSpan) -> String? {
        let slice = self[field]
        guard slice.isPresent else { return nil }
        guard isRepeated(field) else { return String(utf8: bytes.extracting(slice.range)) }
        var joined: [UInt8] = []
        joinLines(of: field, in: bytes, into: &joined)
        return unsafe String(utf8: joined.span.bytes)
    }

    /// Goes over the validated head again: every line ends in CR LF, every name in a colon.
    private func joinLines(of field: Field, in bytes: RawSpan, into joined: inout [UInt8]) {
        let end = Int(byteCount)
        var line = bytes.firstLineFeed(from: Int(path.start), to: end)! + 1
        var isFirst = true
        while let lineFeed = bytes.firstLineFeed(from: line, to: end), lineFeed > line + 1 {
            let nameEnd = bytes.endOfRun(of: .token, from: line, to: lineFeed)
            if Field.named(bytes, at: line, count: nameEnd - line) == field {
                let start = bytes.endOfBlanks(from: nameEnd + 1, to: lineFeed - 1)
                if !isFirst { joined.append(contentsOf: (field == .cookie ? "; " : ", ").utf8) }
                joined.append(bytes.extracting(start..<bytes.trimmedEnd(from: start, to: lineFeed - 1)))
                isFirst = false
            }
            line = lineFeed + 1
        }
    }
}

extension RequestHead: Equatable {
    package static func == (left: RequestHead, right: RequestHead) -> Bool {
        left.method == right.method && left.minorVersion == right.minorVersion && left.keepsAlive == right.keepsAlive
            && left.byteCount == right.byteCount && left.path == right.path && left.query == right.query
            && left.repetitions == right.repetitions
            && Field.allCases.allSatisfy { left[$0] == right[$0] }
    }
}

extension String {
    /// Nil if the bytes are not UTF-8.
    package init?(utf8 bytes: RawSpan) {
        // Safety: the buffer is read before the closure ends.
        let text = unsafe bytes.withUnsafeBytes { unsafe String(validating: $0, as: UTF8.self) }
        guard let text else { return nil }
        self = text
    }
}
