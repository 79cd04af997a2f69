import Primitives

/// The fields that the server reads; all others are only validated. RFC 9110 unless named.
package enum Field: UInt8, CaseIterable, Sendable {
    case host, contentType, contentEncoding, accept, acceptLanguage, authorization, ifMatch, ifNoneMatch, origin
    case userAgent, referer
    /// RFC 6265.
    case cookie
    /// RFC 7240.
    case prefer
    /// RFC 7239 and its predecessor.
    case forwarded, xForwardedFor
    case idempotencyKey, xAPIKey, edgeToken, xWriteRegion, xWriteTs
    /// Framing and connection: already obeyed when a request is delivered.
    case contentLength, transferEncoding, connection, expect

    /// Fields of which two would let two readers believe different ones: repeated, the request is 400.
    @inline(__always)
    var mustNotRepeat: Bool {
        switch self {
        case .host, .contentType, .contentEncoding, .authorization, .origin, .idempotencyKey, .xAPIKey, .edgeToken,
            .xWriteRegion, .xWriteTs, .contentLength:
            true
        case .accept, .acceptLanguage, .ifMatch, .ifNoneMatch, .userAgent, .referer, .cookie, .prefer, .forwarded,
            .xForwardedFor, .transferEncoding, .connection, .expect:
            false
        }
    }

    /// The field whose name is the `count` token characters at `offset`; nil if it is none of these.
    @inline(__always)
    static func named(_ bytes: RawSpan, at offset: Int, count: Int) -> Field? {
        switch count {
        case 4: bytes.spells("host", at: offset) ? .host : nil
        case 6: ofSix(bytes, at: offset)
        case 7: bytes.spells("referer", at: offset) ? .referer : nil
        case 8: bytes.spells("if-match", at: offset) ? .ifMatch : nil
        case 9:
            bytes.spells("x-api-key", at: offset)
                ? .xAPIKey : bytes.spells("forwarded", at: offset) ? .forwarded : nil
        case 10: ofTen(bytes, at: offset)
        case 12: bytes.spells("content-type", at: offset) ? .contentType : nil
        case 13:
            bytes.spells("if-none-match", at: offset)
                ? .ifNoneMatch : bytes.spells("authorization", at: offset) ? .authorization : nil
        case 14:
            bytes.spells("content-length", at: offset)
                ? .contentLength : bytes.spells("x-write-region", at: offset) ? .xWriteRegion : nil
        case 15: ofFifteen(bytes, at: offset)
        case 16: bytes.spells("content-encoding", at: offset) ? .contentEncoding : nil
        case 17: bytes.spells("transfer-encoding", at: offset) ? .transferEncoding : nil
        default: nil
        }
    }

    @inline(__always)
    private static func ofSix(_ bytes: RawSpan, at offset: Int) -> Field? {
        if bytes.spells("accept", at: offset) { return .accept }
        if bytes.spells("cookie", at: offset) { return .cookie }
        if bytes.spells("origin", at: offset) { return .origin }
        if bytes.spells("prefer", at: offset) { return .prefer }
        return bytes.spells("expect", at: offset) ? .expect : nil
    }

    @inline(__always)
    private static func ofTen(_ bytes: RawSpan, at offset: Int) -> Field? {
        if bytes.spells("user-agent", at: offset) { return .userAgent }
        if bytes.spells("connection", at: offset) { return .connection }
        if bytes.spells("edge-token", at: offset) { return .edgeToken }
        return bytes.spells("x-write-ts", at: offset) ? .xWriteTs : nil
    }

    @inline(__always)
    private static func ofFifteen(_ bytes: RawSpan, at offset: Int) -> Field? {
        if bytes.spells("accept-language", at: offset) { return .acceptLanguage }
        if bytes.spells("x-forwarded-for", at: offset) { return .xForwardedFor }
        return bytes.spells("idempotency-key", at: offset) ? .idempotencyKey : nil
    }
}
