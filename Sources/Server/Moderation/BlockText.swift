import Links
import Primitives
import Store

/// A block as admins see it.
struct BlockText {
    let block: StoredBlock
    let code: [UInt8]
    let publicURL: String
    /// The name of the region in which it was decided.
    let region: String

    var json: [UInt8] {
        let body = block.body
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: "short_code", utf8: code)
        json.append(jsonKey: "short_url", string: publicURL + "/" + String(decoding: code, as: UTF8.self))
        json.append(jsonKey: "is_blocked", bool: body.isBlocked)
        json.append(jsonKey: "reason", string: body.reason)
        switch body.source {
        case .decision: json.append(jsonKey: "list", string: nil)
        case .list(let name): json.append(jsonKey: "list", string: name)
        }
        json.append(jsonKey: "decided_by", utf8: body.by)
        json.append(jsonKey: "decided_at", string: CalendarTime(block.stamp.instant).rfc3339)
        json.append(jsonKey: "region", string: region)
        json.append(UInt8(ascii: "}"))
        return json
    }
}

/// The JSON body of a block: `{"reason"}`.
struct BlockRequest {
    enum Limits {
        static let reasonBytes = 500
    }

    static let members = ["reason"]
    let reason: String

    /// Throws a `Problem` that says what is wrong with the body.
    init(_ body: [UInt8]) throws(RefusedRequest) {
        let members = try JSONMembers(body, known: Self.members)
        reason = try Self.text(members, "reason", Limits.reasonBytes) ?? ""
    }

    /// A member of so many bytes of plain text at most.
    static func text(_ members: JSONMembers, _ name: String, _ bytes: Int) throws(RefusedRequest) -> String? {
        guard let text = try members.string(name) else { return nil }
        guard text.utf8.count <= bytes, isPlain(text) else {
            throw RefusedRequest(
                Problem(.invalidJSON, "The member \"\(name)\" is not plain text of at most \(bytes) bytes."))
        }
        return text
    }
}

/// The query of `GET /api/v1/blocks`.
struct BlockListRequest {
    static let links = 1...100
    static let usualLinks = 20
    static let parameters = [
        QueryParameter("limit", "Blocks a page.", links.schema(usually: usualLinks)),
        QueryParameter("cursor", "The next_cursor of the page before.", Schema.opaque),
    ]

    let limit: Int
    let after: LinkKey?

    /// Throws a `Problem` that says what is wrong with the query.
    init(_ query: String?) throws(RefusedRequest) {
        let values = try QueryValues(query)
        try values.allow(Self.parameters)
        limit = try values.number("limit", Self.links) ?? Self.usualLinks
        after = try values["cursor"].map { (text) throws(RefusedRequest) in
            guard case .block(let key)? = ModerationKey(text: text) else {
                throw .wrongQuery("cursor", is: "one that this list gave")
            }
            return key
        }
    }
}
