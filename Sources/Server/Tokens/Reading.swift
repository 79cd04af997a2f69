import HTTP
import Links

/// What a request's token, or its hints, ask of the answer, and what has been found out about that.
struct Reading: Sendable {
    enum Consistency: Sendable {
        /// Nothing was asked for, or it is not known yet.
        case unknown
        /// The answer reflects the token; or cannot yet; or nothing ever will.
        case current, behind, lost

        /// As `X-Consistency` names it; nil: not at all.
        var name: String? {
            switch self {
            case .unknown: nil
            case .current: "current"
            case .behind: "behind"
            case .lost: "lost"
            }
        }
    }

    /// Valid, be it covered or not.
    var token: Token?
    /// Cookies are not set anew on redirects, so what came as one gets no token back.
    var isFromCookie = false
    /// It would rather have no answer than an older one.
    var isStrict = false
    /// Without a token: the character of the region that is asked about a miss.
    var region: UInt8?
    var consistency = Consistency.unknown
    /// Another node has been asked about it; it is not asked twice.
    var hasAsked = false
    /// What another node's answer reflects.
    var seen: LogPosition?
    /// `Coverage.environment` before the token was found covered.
    var environment: UInt64 = 0

    /// With what came of a lookup.
    func after(_ result: LookupResult, environment: UInt64) -> Reading {
        var reading = self
        reading.hasAsked = true
        let outcome: Consistency
        switch result {
        case .covered:
            // Its code may still be one that another node has.
            reading.hasAsked = false
            outcome = .current
        case .found(_, let position, _):
            reading.seen = position
            outcome = .current
        case .absent: outcome = .current
        case .unreachable: return reading
        case .behind: outcome = .behind
        case .lost: outcome = .lost
        }
        guard token != nil, consistency == .unknown else { return reading }
        (reading.consistency, reading.environment) = (outcome, environment)
        return reading
    }

    /// The token's text as it stands in `bytes`; nil without one. The field counts before the cookie.
    @inline(__always)
    static func tokenText(
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer
    ) -> (text: UnsafeRawBufferPointer, isFromCookie: Bool)? {
        if head.has(.edgeToken) { return (UnsafeRawBufferPointer(rebasing: bytes[head[.edgeToken].range]), false) }
        guard head.has(.cookie) else { return nil }
        let cookies = UnsafeRawBufferPointer(rebasing: bytes[head[.cookie].range])
        guard let range = Cookies.value(of: "Edge-Token", in: cookies.bytes) else { return nil }
        return (UnsafeRawBufferPointer(rebasing: cookies[range]), true)
    }
}
