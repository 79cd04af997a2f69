import Primitives

extension [UInt8] {
    /// One line of `ImportFormat.ndjson`, with its end; it is read back exactly. What says nothing is left out.
    package mutating func append(ndjson link: ImportedLink) {
        append(0x7B)
        append(jsonKey: "long_url", string: link.longURL)
        if let code = link.code { append(jsonKey: "short_code", string: code) }
        if let title = link.title { append(jsonKey: "title", string: title) }
        if !link.tags.isEmpty { append(jsonKey: "tags", strings: link.tags) }
        if let createdAt = link.createdAt { append(jsonKey: "created_at", string: CalendarTime(createdAt).rfc3339) }
        if let expiresAt = link.expiresAt { append(jsonKey: "expires_at", string: CalendarTime(expiresAt).rfc3339) }
        if let owner = link.owner { append(jsonKey: "owner", string: owner) }
        if link.forwardsQuery { append(jsonKey: "forward_query", bool: true) }
        if !link.isActive { append(jsonKey: "is_active", bool: false) }
        self += [0x7D, ASCII.lineFeed]
    }
}
