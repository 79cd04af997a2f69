import Primitives

/// A link as another shortener, or another node of this one, told of it. Its values are raw: whether they make a URL,
/// an alias or a title is for the rules of the store to say. None of them is empty, and their lengths are bounded.
package struct ImportedLink: Equatable, Sendable {
    package var longURL: String
    /// Under which it was reached; nil if the new link is to get a code of its own.
    package var code: String?
    package var title: String?
    package var tags: [String] = []
    package var createdAt: Instant?
    package var expiresAt: Instant?
    package var owner: String?
    /// Whether the visitor's query is appended to the long URL.
    package var forwardsQuery = false
    package var isActive = true

    package init(longURL: String) { self.longURL = longURL }
}

extension ImportedLink {
    /// The same without empty values; throws if a value is missing, too long, or one too many.
    func checked() throws(ImportRefusal) -> ImportedLink {
        var link = self
        guard !longURL.isEmpty else { throw .noLongURL }
        if code?.isEmpty == true { link.code = nil }
        if title?.isEmpty == true { link.title = nil }
        if owner?.isEmpty == true { link.owner = nil }
        link.tags.removeAll(where: \.isEmpty)
        func bound(_ value: String?, _ name: StaticString, _ limit: Int) throws(ImportRefusal) {
            guard (value?.utf8.count ?? 0) <= limit else { throw .tooLongValue("\(name)", limitBytes: limit) }
        }
        try bound(longURL, "long URL", ImportLimits.longURLBytes)
        try bound(code, "short code", ImportLimits.codeBytes)
        try bound(title, "title", ImportLimits.titleBytes)
        try bound(owner, "owner", ImportLimits.ownerBytes)
        guard link.tags.count <= ImportLimits.tags else { throw .tooManyTags }
        for tag in link.tags { try bound(tag, "tag", ImportLimits.tagBytes) }
        return link
    }
}
