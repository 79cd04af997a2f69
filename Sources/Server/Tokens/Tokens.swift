import HTTP
import Links
import Primitives
import Store

/// Reads and writes clients' tokens. What it reads of the store any thread may, so one serves all.
///
/// Safety: `coverage` is for any thread; the rest does not change.
final class Tokens: @unchecked Sendable {
    private let key: TokenKey
    let coverage: Coverage
    private let store: Store
    /// Characters of the cluster's regions, by name.
    private let regions: [String: UInt8]
    private let isSecure: Bool

    /// For how long after a write without a token a miss asks where it was written, and how far its clock may be ahead.
    static let hintMilliseconds: Int64 = 5000
    static let hintAheadMilliseconds: Int64 = 60_000
    /// How long a browser keeps a token: what is older all members have, or it waits for none of it.
    static let cookieSeconds = 86_400

    init(_ secret: ClusterSecret?, _ store: Store, _ configuration: Configuration) {
        key = ClusterSecret.tokenKey(secret, codeSecret: store.codeSecret)
        (self.store, coverage) = (store, store.coverage)
        regions = Dictionary(uniqueKeysWithValues: configuration.regions.map { ($0.name, $0.character) })
        isSecure = configuration.publicURL.hasPrefix("https:")
    }

    // MARK: Reading

    /// What a request asks for. A text that is no token of this cluster's counts as forged, and for nothing else.
    func reading(
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, now: Instant, _ counts: TokenCounts
    ) -> Reading {
        var reading = Reading()
        if let (text, isFromCookie) = Reading.tokenText(head, bytes) {
            reading.token = Token(text.bytes, key)
            reading.isFromCookie = isFromCookie
            if reading.token == nil { counts.add(.forged) }
        }
        guard reading.token != nil else {
            reading.region = region(head, bytes, now)
            return reading
        }
        if let preferences = head.value(of: .prefer, in: bytes.bytes) {
            reading.isStrict = FieldList.contains(Array(preferences.utf8).span.bytes, "consistency=strict")
        }
        return reading
    }

    /// Where something was written a moment ago, as the request says.
    private func region(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ now: Instant) -> UInt8? {
        guard let name = head.value(of: .xWriteRegion, in: bytes.bytes), let character = regions[name],
            let text = head.value(of: .xWriteTs, in: bytes.bytes), let written = Instant(rfc3339: text),
            case let age = now.millisecondsSince(written), age <= Self.hintMilliseconds,
            age >= -Self.hintAheadMilliseconds
        else { return nil }
        return character
    }

    /// Whether this node holds all that the token tells of; to be asked before a snapshot is taken.
    func covers(_ token: Token) -> Bool { token.positions.allSatisfy { coverage.covers($0) } }

    /// Whether what is not here under `code` may be among what the token tells of and this node has not.
    func mayBeAhead(_ token: Token, of code: RawSpan) -> Bool {
        let missing = token.positions.filter { !coverage.covers($0) }
        guard let decoded = store.codeSpace.decode(code) else { return !missing.isEmpty }
        switch decoded {
        case .generated(let region, let node, _), .snowflake(let region, let node, _):
            return missing.contains { $0.life.region == region.byte && $0.life.node == node }
        }
    }

    // MARK: Lists

    /// Cursors of an owner's list, the same on all nodes.
    func listCursor(owner: [UInt8]) -> ListCursor { ListCursor(key, store.codeSpace, owner: owner) }

    // MARK: Writing

    /// Fields of the answer to a request with a token.
    func fields(_ reading: Reading) -> [(name: String, value: String)] {
        guard let name = reading.consistency.name else { return [] }
        let text = reading.isFromCookie ? nil : reading.token.flatMap { returned($0, reading) }
        return [("X-Consistency", name)] + (text.map { [("Edge-Token", $0)] } ?? [])
    }

    /// The same as field lines, each behind a CRLF.
    func marks(_ reading: Reading) -> [UInt8] {
        guard reading.consistency != .unknown else { return [] }
        var marks: [UInt8] = []
        for field in fields(reading) {
            marks += "\r\n".utf8
            marks += field.name.utf8
            marks += ": ".utf8
            marks += field.value.utf8
        }
        return marks
    }

    /// The token that a reader gets back: what it brought, and what it has seen by this answer, so that no other node
    /// shows it an older state. What all members hold no answer can lack, and need not be told of; nor what is lost.
    private func returned(_ token: Token, _ reading: Reading) -> String? {
        var next = token
        if let seen = reading.seen { next.merge([seen]) }
        if reading.consistency == .lost {
            guard let rest = next.dropping({ !coverage.covers($0) }) else { return nil }
            next = rest
        }
        next = next.raised { coverage.head($0) }
        var rest = next.dropping { coverage.isSettled($0) }
        let others = coverage.unsettled(atMost: Token.mostPositions)
        if rest == nil, let first = others.first { rest = Token(first) }
        rest?.fill(with: others)
        return String(decoding: (rest ?? next).text(key), as: UTF8.self)
    }

    /// Fields of the answer to a write: its token, with what the writer knew by the one that it brought, and as a cookie if
    /// it wants one.
    func fields(
        ofWrite position: LogPosition, after brought: Token?, _ message: Message
    ) -> [(name: String, value: String)] {
        var token = brought?.dropping { coverage.isSettled($0) } ?? Token(position)
        token.merge([position])
        let text = String(decoding: token.text(key), as: UTF8.self)
        guard let preferences = message.value(of: .prefer),
            FieldList.contains(Array(preferences.utf8).span.bytes, "token=cookie")
        else { return [("Edge-Token", text)] }
        let cookie =
            "Edge-Token=\(text); Path=/; Max-Age=\(Self.cookieSeconds); HttpOnly; SameSite=Lax"
            + (isSecure ? "; Secure" : "")
        return [("Edge-Token", text), ("Set-Cookie", cookie), ("Preference-Applied", "token=cookie")]
    }
}

/// What came of tokens, for one thread.
final class TokenCounts: Sendable {
    enum Result: Int, CaseIterable {
        /// All that it tells of was here; came while the request waited; was answered by another node.
        case covered, waited, asked
        /// Nobody had it in time; nobody will.
        case behind, lost
        /// It is none of this cluster's.
        case forged

        var name: String { "\(self)" }
    }

    private let counts = CounterRow(count: Result.allCases.count)

    func add(_ result: Result) { counts.add(result.rawValue) }

    func value(_ result: Result) -> UInt64 { counts.values[result.rawValue] }

    /// What a lookup for a token has come to.
    func note(_ result: LookupResult) {
        switch result {
        case .covered: add(.waited)
        case .found, .absent: add(.asked)
        case .behind, .unreachable: add(.behind)
        case .lost: add(.lost)
        }
    }
}
