import HTTP
import Links
import Primitives
import Store

/// The query of `GET /api/v1/urls`.
struct ListRequest {
    /// Bounds of what a client may ask of its list.
    enum Limits {
        static let links = 1...100
        static let usualLinks = 20
        static let searchBytes = 1...128
        static let tagBytes = 1...LinkLimits.tagBytes
        /// For how long a page is read: well within the time that a transaction may last.
        static let readMicroseconds: Int64 = 10_000
    }

    static let parameters = [
        QueryParameter("limit", "Links a page.", Limits.links.schema(usually: Limits.usualLinks)),
        QueryParameter("cursor", "The next_cursor of the page before.", Schema.opaque),
        QueryParameter("tag", "Links with this tag.", Schema.text(of: Limits.tagBytes)),
        QueryParameter("q", "What stands in code, destination or title.", Schema.text(of: Limits.searchBytes)),
        QueryParameter("created_after", "Made then or later.", Schema.time),
        QueryParameter("created_before", "Made earlier.", Schema.time),
        QueryParameter("owner", "Another owner, for the scope admin.", Schema.text(of: KeyLimits.principalBytes)),
    ]

    let owner: [UInt8]
    let limit: Int
    let cursor: String?
    let tag: String?
    /// In small letters.
    private let search: [UInt8]?
    private let createdFrom, createdBefore: Instant?

    /// Throws a `Problem` that says what is wrong with the query, or with who asks.
    init(_ query: String?, _ caller: Caller) throws(RefusedRequest) {
        let principal = try caller.named(or: .listNeedsKey)
        guard caller.allows(.createLinks) || caller.allows(.manageLinks) else {
            throw RefusedRequest(.lacksScope(.manageLinks))
        }
        let values = try QueryValues(query)
        try values.allow(Self.parameters)
        let wanted = try values.text("owner", KeyLimits.principalBytes)
        owner = wanted.map { Array($0.utf8) } ?? principal
        guard owner == principal || caller.allows(.admin) else { throw RefusedRequest(.lacksScope(.admin)) }
        limit = try values.number("limit", Limits.links) ?? Limits.usualLinks
        cursor = values["cursor"]
        tag = try values.text("tag", Limits.tagBytes)
        search = try values.text("q", Limits.searchBytes).map { Array($0.lowercased().utf8) }
        createdFrom = try values.instant("created_after")
        createdBefore = try values.instant("created_before")
    }

    /// Behind `after`.
    func query(after: ListPosition?) -> OwnedQuery {
        var query = OwnedQuery(owner: owner, limit: limit)
        (query.after, query.createdFrom, query.createdBefore) = (after, createdFrom, createdBefore)
        return query
    }

    func matches(_ body: LinkBody, _ code: [UInt8]) -> Bool {
        if let tag, !body.tags.contains(where: { $0.utf8.elementsEqual(tag.utf8) }) { return false }
        guard let search else { return true }
        return Self.contains(code.map(Self.lowercased), search)
            || Self.contains(body.destination.map(Self.lowercased), search)
            || body.title.map { Self.contains(Array($0.lowercased().utf8), search) } ?? false
    }

    /// Codes and destinations are ASCII.
    private static func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    private static func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool {
        guard text.count >= part.count else { return false }
        return (0...text.count - part.count).contains { start in
            text[start] == part[0] && part.indices.allSatisfy { text[start + $0] == part[$0] }
        }
    }
}

extension Problem {
    static let listNeedsKey = unauthorized("Links are listed for their owner, whom a key tells.")
    static let wrongCursor = Problem(
        .invalidQuery, "The \"cursor\" is none that this list gave; leave it out to begin at the newest link.")
}
