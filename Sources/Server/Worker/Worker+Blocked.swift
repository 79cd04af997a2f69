import HTTP
import Links
import Primitives

/// What requests for blocked links are answered with: 451, or for people, where the configuration has it so, a page that
/// warns and lets them go on.
extension Worker {
    /// Both forms of 451.
    struct BlockedAnswers {
        let problem, page: FixedAnswer

        init(publicURL: String) {
            let blocked = Problem.blocked(by: publicURL)
            (problem, page) = (FixedAnswer(blocked.response), FixedAnswer(HTMLPage.response(blocked)))
        }
    }

    /// As the cache has it.
    func blocked(
        _ hit: CodeCache.Hit, _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ connection: Connection
    ) {
        guard warnsOfBlocked, hit.byteCount > 0 else { return blocked([], form, head, bytes, connection) }
        let entry = [UInt8](unsafeUninitializedCapacity: hit.byteCount) { room, count in
            cache.copy(hit, to: room.baseAddress!)
            count = hit.byteCount
        }
        blocked(entry, form, head, bytes, connection)
    }

    /// `entry` is as the cache keeps it of a redirect.
    func blocked(
        _ view: RedirectView, _ entry: [UInt8], _ form: Response.Form, _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        blocked(view.redirects(at: now) ? entry : [], form, head, bytes, connection)
    }

    /// For whoever asks next.
    func keepBlocked(_ view: RedirectView, _ entry: [UInt8], _ code: UnsafeRawBufferPointer, tag: CacheTag) {
        let redirects = view.redirects(at: now)
        (redirects ? entry : []).withUnsafeBytes {
            keep(
                .blocked, code, $0,
                until: Instant(milliseconds: redirects ? view.expiresAtMilliseconds : .max), tag: tag)
        }
    }

    /// `entry`: empty where the link leads nowhere anyway.
    private func blocked(
        _ entry: [UInt8], _ form: Response.Form, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer,
        _ connection: Connection
    ) {
        counters.blockedCodes.add()
        let accept = Array((head.value(of: .accept, in: bytes.bytes) ?? "").utf8)
        let wantsPage = MediaType.prefers("text/html", over: "application/problem+json", accept: accept.span.bytes)
        if wantsPage, warnsOfBlocked, !entry.isEmpty {
            let destination = entry.dropLast(MemoryLayout<Int64>.size)
            append(Self.warning(destination), form, as: .blocked, on: .code, head, bytes, connection)
        } else {
            append(
                wantsPage ? blockedAnswers.page : blockedAnswers.problem, form, as: .blocked, head, bytes, connection)
        }
    }

    private static func warning(_ destination: some Sequence<UInt8>) -> Response {
        let destination = HTMLPage.escaped(String(decoding: Array(destination), as: UTF8.self))
        return HTMLPage.response(
            "This link may be dangerous",
            """
            <p>Whoever runs this service has blocked this link, because it was reported or because of where it leads. What you
            find there may try to get at your passwords or your money, or harm your device.</p>
            <p>It leads to</p>
            <p><code>\(destination)</code></p>
            <p><a href="\(destination)" rel="noreferrer nofollow">Go there all the same</a></p>
            """, fields: [("Cache-Control", "no-store"), ("Vary", "Accept")])
    }
}
