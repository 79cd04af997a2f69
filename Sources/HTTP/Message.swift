import Primitives

/// A whole request that owns its bytes, to be handed to another thread.
package struct Message: Equatable, Sendable {
    /// The head as it was sent; the offsets of `head` count from its beginning.
    package let headBytes: [UInt8]
    package let head: RequestHead
    /// The content, without its framing; at most `Limits.bodyBytes`.
    package let body: [UInt8]

    init(headBytes: [UInt8], head: RequestHead, body: [UInt8]) {
        precondition(headBytes.count == head.byteCount && body.count <= Limits.bodyBytes)
        self.headBytes = headBytes
        self.head = head
        self.body = body
    }

    /// A copy of a request without a body. `bytes` is the span that `head` was read from.
    package init(copying head: RequestHead, from bytes: RawSpan) {
        self.init(headBytes: [UInt8](bytes.extracting(..<Int(head.byteCount))), head: head, body: [])
    }

    /// The path, still percent-encoded; URI characters are ASCII.
    package var path: String { text(head.path) }

    /// What stands behind the `?`; nil without one.
    package var query: String? { head.query.isPresent ? text(head.query) : nil }

    /// A field's value; nil if it was not sent or is not UTF-8. Several lines are joined.
    package func value(of field: Field) -> String? { unsafe head.value(of: field, in: headBytes.span.bytes) }

    private func text(_ slice: HeadSlice) -> String { String(decoding: headBytes[slice.range], as: UTF8.self) }
}
