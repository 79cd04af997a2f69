import HTTP
import Import
import Links
import Primitives
import Store

/// The query of `GET /api/v1/urls/export`.
struct ExportRequest {
    enum Format: String, CaseIterable, Sendable {
        case ndjson, csv

        var mediaType: String {
            switch self {
            case .ndjson: "application/x-ndjson"
            case .csv: "text/csv; charset=utf-8; header=present"
            }
        }
    }

    static let parameters = [
        QueryParameter(
            "format", "ndjson if left out.", ["enum": .strings(Format.allCases.map(\.rawValue))]),
        QueryParameter(
            "owner", "Another owner, for the scope admin, which without it gets all links.",
            Schema.text(of: KeyLimits.principalBytes)),
        QueryParameter("after", "The code of the link to begin behind.", Schema.code.reference),
    ]

    let format: Format
    /// Nil: everybody's links.
    let owner: [UInt8]?
    /// The code of the link behind which it begins.
    let after: String?

    /// Throws a `Problem` that says what is wrong with the query, or with who asks.
    init(_ query: String?, _ caller: Caller) throws(RefusedRequest) {
        let principal = try caller.named(or: .exportNeedsKey)
        guard caller.allows(.createLinks) || caller.allows(.manageLinks) else {
            throw RefusedRequest(.lacksScope(.manageLinks))
        }
        let values = try QueryValues(query)
        try values.allow(Self.parameters)
        guard let format = Format(rawValue: values["format"] ?? Format.ndjson.rawValue) else {
            throw .wrongQuery("format", is: Format.allCases.map(\.rawValue).joined(separator: " or "))
        }
        self.format = format
        let wanted = try values.text("owner", KeyLimits.principalBytes).map { Array($0.utf8) }
        guard caller.allows(.admin) || wanted ?? principal == principal else {
            throw RefusedRequest(.lacksScope(.admin))
        }
        owner = caller.allows(.admin) ? wanted : principal
        after = try values.text("after", Alias.lengths)
    }
}

extension Problem {
    fileprivate static let exportNeedsKey = unauthorized("Links are exported for their owner, whom a key tells.")
}

/// One export, on a stream's thread: pages are read in short transactions, and written before the next is read.
struct LinkExport: Sendable {
    private enum Limits {
        static let links = 500
        /// For how long a page is read.
        static let readMicroseconds: Int64 = 10_000
    }

    private let api: API
    private let format: ExportRequest.Format
    private let owner: [UInt8]?
    private let start: ListPosition?

    init(_ api: API, _ request: ExportRequest, after start: ListPosition?) {
        (self.api, format, owner, self.start) = (api, request.format, request.owner, start)
    }

    func run(_ stream: ClientStream) throws(StreamEnd) {
        if format == .csv {
            var header: [UInt8] = []
            header.appendCSVHeader()
            try stream.write(header)
        }
        var (next, damagedCount) = (start, 0)
        repeat {
            if stream.isStopping { throw .stopping }
            let page: (links: [OwnedLink], next: ListPosition?, damagedCount: Int)
            do throws(StoreError) { page = try self.page(after: next) } catch { throw .storeFailed }
            for link in page.links { try stream.write(line(of: link)) }
            for _ in 0..<page.damagedCount { api.noteDamage() }
            damagedCount += page.damagedCount
            next = page.next
        } while next != nil
        // Only now is it known; the head has gone.
        if damagedCount > 0 { stream.trailer = "Edge-Damaged: \(damagedCount)\r\n" }
    }

    private func page(
        after position: ListPosition?
    ) throws(StoreError) -> (links: [OwnedLink], next: ListPosition?, damagedCount: Int) {
        let end = System.monotonicMicroseconds() + Limits.readMicroseconds
        let isOver = { System.monotonicMicroseconds() >= end }
        guard let owner else {
            let page = try api.store.allLinks(after: position?.key, isOver: isOver)
            return (
                page.links, page.next.map { ListPosition(createdAt: Instant(milliseconds: 0), key: $0) },
                page.damagedCount
            )
        }
        var query = OwnedQuery(owner: owner, limit: Limits.links)
        query.after = position
        let page = try api.store.ownedLinks(query, isOver: isOver) { body, _ in !body.flags.contains(.reduced) }
        return (page.links, page.next, page.damagedCount)
    }

    private func line(of link: OwnedLink) -> [UInt8] {
        let body = link.record.body
        let stamp = Stamp(rawValue: link.record.stamp)
        switch format {
        case .ndjson:
            let text = api.text(
                link.code, isAlias: link.key.isAlias, stamp, link.origin, body, isBlocked: link.isBlocked)
            return text.json + [UInt8(ascii: "\n")]
        case .csv:
            var row = ImportedLink(longURL: String(decoding: body.destination, as: UTF8.self))
            row.code = String(decoding: link.code, as: UTF8.self)
            (row.title, row.tags) = (body.title, body.tags)
            (row.createdAt, row.expiresAt) = (body.createdAt(writtenAt: stamp), body.expiresAt)
            row.owner = body.owner.map { String(decoding: $0, as: UTF8.self) }
            (row.forwardsQuery, row.isActive) = (body.flags.contains(.forwardsQuery), !body.flags.contains(.inactive))
            var bytes: [UInt8] = []
            bytes.append(csv: row)
            return bytes
        }
    }
}
