import HTTP
import Primitives
import Synchronization

/// Whose bucket a request takes from: hashed with a key of this process, so that nobody can choose a bucket.
package struct LimitSubject: Hashable, Sendable {
    let hash: UInt64
    package init(hash: UInt64) { self.hash = hash }
}

/// Who is asking, and how often they may: all that a configuration says of it, in one value that does not change. A
/// running node goes over to another one.
package final class Admission: Sendable {
    package let proxies: TrustedProxies
    package let create, read, redirect, miss, authFailure, report: Limiter?
    private let key: (UInt64, UInt64)
    private let refusals: LimitRefusals

    /// `replacing`: what was in force until now. A limit that stays as it was keeps its buckets.
    package init(_ configuration: Configuration, replacing old: Admission? = nil) {
        let refusals = old?.refusals ?? LimitRefusals()
        func limiter(_ name: LimitName, _ limit: RateLimit?, _ old: Limiter?) -> Limiter? {
            guard let limit else { return nil }
            return old?.limit == limit ? old : Limiter(name, limit, refusals)
        }
        proxies = TrustedProxies(configuration.trustedProxies)
        create = limiter(.create, configuration.rateLimitCreate, old?.create)
        read = limiter(.read, configuration.rateLimitRead, old?.read)
        redirect = limiter(.redirect, configuration.rateLimitRedirect, old?.redirect)
        miss = limiter(.miss, configuration.rateLimitMiss, old?.miss)
        authFailure = limiter(.authFailure, configuration.rateLimitAuthFailure, old?.authFailure)
        report = limiter(.report, configuration.rateLimitReport, old?.report)
        key = old?.key ?? (.random(in: .min ... .max), .random(in: .min ... .max))
        self.refusals = refusals
    }

    /// Those that are on.
    package var limiters: [Limiter] { [create, read, redirect, miss, authFailure, report].compactMap(\.self) }

    package func refusalCount(_ name: LimitName) -> UInt64 { refusals.count(name) }

    // MARK: Who

    /// The address that a request came from. `bytes` is what `head` was read from.
    func client(behind peer: IPAddress, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer) -> IPAddress {
        guard proxies.contains(peer), head.has(.xForwardedFor) || head.has(.forwarded) else { return peer }
        return Self.withField(.xForwardedFor, head, bytes) { first in
            Self.withField(.forwarded, head, bytes) { second in
                proxies.client(behind: peer, xForwardedFor: first, forwarded: second)
            }
        }
    }

    /// The lines of a field as one value; nil if it was not sent.
    private static func withField<Result>(
        _ field: Field, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer?) -> Result
    ) -> Result {
        guard head.has(field) else { return body(nil) }
        guard head.isRepeated(field) else {
            return body(UnsafeRawBufferPointer(rebasing: bytes[head[field].range]))
        }
        // What is not UTF-8 has no address in it: as good as an empty field.
        return Array((head.value(of: field, in: bytes.bytes) ?? "").utf8).withUnsafeBytes(body)
    }

    /// The bucket of everyone in a client's network: an IPv4 address, or the first 64 bits of an IPv6 address.
    package func subject(network address: IPAddress) -> LimitSubject {
        LimitSubject(hash: SipHash.hash13(address.network, key0: key.0, key1: key.1))
    }

    /// The bucket of whoever has shown who they are, from wherever they ask.
    package func subject(principal name: String) -> LimitSubject {
        LimitSubject(hash: SipHash.hash24(Array(name.utf8).span.bytes, key0: key.0, key1: ~key.1))
    }

    // MARK: Whether

    /// What limits a request to the API; nil: nothing does.
    func limiter(_ method: RequestHead.Method, _ path: String) -> Limiter? {
        // A preview is asked for as a redirect is.
        guard Route.isOfAPI(path) else { return API.previewed(path) == nil ? nil : redirect }
        switch method {
        case .get, .head: return read
        case .post where path == Resource.reports.rawValue: return report
        case .post, .put, .patch, .delete: return create
        case .options, .other: return nil
        }
    }
}

/// The admission in force. Whoever asks often keeps it until the configuration is replaced.
package final class CurrentAdmission: Sendable {
    private let value: Mutex<Admission>

    package init(_ admission: Admission) { value = Mutex(admission) }

    package var admission: Admission { value.withLock { $0 } }

    package func replace(with configuration: Configuration) {
        value.withLock { $0 = Admission(configuration, replacing: $0) }
    }
}
