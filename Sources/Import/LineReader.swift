import Primitives

/// Reads links that are JSON objects, one a line. Empty lines are skipped.
struct LineReader: Sendable {
    enum Form: Sendable { case golink, ndjson }

    private let form: Form
    private var line: [UInt8] = []
    private var isTooLong = false
    private var isFirstLine = true
    private var start = 1

    init(_ form: Form) { self.form = form }

    mutating func take(_ byte: UInt8, _ output: inout RowOutput) {
        if line.isEmpty { start = output.line }
        guard byte == ASCII.lineFeed else {
            if line.count < ImportLimits.rowBytes { line.append(byte) } else { isTooLong = true }
            return
        }
        endLine(&output)
    }

    mutating func finish(_ output: inout RowOutput) { endLine(&output) }

    private mutating func endLine(_ output: inout RowOutput) {
        if isFirstLine, line.starts(with: byteOrderMark) { line.removeFirst(byteOrderMark.count) }
        isFirstLine = false
        if !line.allSatisfy({ $0 == ASCII.space || $0 == ASCII.tab || $0 == ASCII.carriageReturn }) {
            output.append(line: start) { () throws(ImportRefusal) in
                if isTooLong { throw .tooLong }
                let members = try LinkMembers(line)
                return switch form {
                case .golink: try members.golink()
                case .ndjson: try members.own()
                }
            }
        }
        line.removeAll(keepingCapacity: true)
        isTooLong = false
    }
}

/// The members of one line's object, and the link that they make. A member that is null is as good as none.
private struct LinkMembers {
    private let values: [String: JSONValue]

    init(_ line: [UInt8]) throws(ImportRefusal) {
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue(line) } catch {
            throw error == .notUTF8 ? .notUTF8 : .json(error)
        }
        guard case .object(let values) = value else { throw .noObject }
        self.values = values
    }

    /// The type `Link` of golink, in Go's encoding, whose names are those of its fields: `Short`, `Long`, `Created`,
    /// `LastEdit`, `Owner`, older ones `Clicks` (github.com/tailscale/golink `db.go`; `serveExport` in `golink.go`).
    /// Members that later versions add are passed over.
    ///
    /// There a long URL may be a template of Go, which no destination can stand for. That golink passes what follows a
    /// name in the path on to the long URL, and takes names without regard to case and hyphens, is not said by an
    /// export.
    func golink() throws(ImportRefusal) -> ImportedLink {
        var link = ImportedLink(longURL: try string("Long") ?? "")
        if link.longURL.contains("{{") { throw .template }
        link.code = try string("Short")
        link.createdAt = try .imported(try string("Created"), "Created")
        link.owner = try string("Owner")
        return link
    }

    /// The members of a link in the API, of which these are the link's own and the others follow from elsewhere. No
    /// other is taken: a misspelt one is an error, not ignored.
    private static let ownNames: Set = [
        "short_code", "custom_alias", "long_url", "created_at", "expires_at", "is_active", "title", "tags",
        "forward_query", "owner", "short_url", "updated_at", "region", "is_blocked",
    ]

    func own() throws(ImportRefusal) -> ImportedLink {
        if let unknown = values.keys.filter({ !Self.ownNames.contains($0) }).min() { throw .unknownMember(unknown) }
        var link = ImportedLink(longURL: try string("long_url") ?? "")
        let (code, alias) = (try string("short_code"), try string("custom_alias"))
        if let code, let alias, code != alias { throw .codesDiffer }
        link.code = alias ?? code
        link.title = try string("title")
        link.tags = try tags()
        link.createdAt = try .imported(try string("created_at"), "created_at")
        link.expiresAt = try .imported(try string("expires_at"), "expires_at")
        link.owner = try string("owner")
        link.forwardsQuery = try bool("forward_query") ?? false
        link.isActive = try bool("is_active") ?? true
        return link
    }

    private func string(_ name: String) throws(ImportRefusal) -> String? {
        switch values[name] {
        case nil, .null: return nil
        case .string(let text): return text
        default: throw .member(name, wanted: "a string")
        }
    }

    private func bool(_ name: String) throws(ImportRefusal) -> Bool? {
        switch values[name] {
        case nil, .null: return nil
        case .bool(let flag): return flag
        default: throw .member(name, wanted: "true or false")
        }
    }

    private func tags() throws(ImportRefusal) -> [String] {
        guard let value = values["tags"], value != .null else { return [] }
        guard let tags = value.strings else { throw .member("tags", wanted: "an array of strings") }
        return tags
    }
}

extension JSONValue {
    /// The elements of an array of strings; nil if it is none.
    var strings: [String]? {
        guard case .array(let elements) = self else { return nil }
        var strings: [String] = []
        for element in elements {
            guard case .string(let text) = element else { return nil }
            strings.append(text)
        }
        return strings
    }
}
