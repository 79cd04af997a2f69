import Primitives

@testable import Import

/// What an input gives, in short.
func rows(_ format: ImportFormat, _ input: [UInt8]) throws(ImportError) -> [ImportRow] {
    try ImportReader.readAll(format, input).get()
}

func rows(_ format: ImportFormat, _ input: String) throws(ImportError) -> [ImportRow] {
    try rows(format, Array(input.utf8))
}

/// The links of an input all of whose rows can be taken.
func links(_ format: ImportFormat, _ input: String) throws -> [ImportedLink] {
    try rows(format, input).map { try $0.result.get() }
}

/// The rows of an input that cannot be taken, by line.
func refusals(_ format: ImportFormat, _ input: String) throws -> [Int: ImportRefusal] {
    var refusals: [Int: ImportRefusal] = [:]
    for row in try rows(format, input) {
        if case .failure(let refusal) = row.result { refusals[row.line] = refusal }
    }
    return refusals
}

extension ImportedLink {
    init(
        _ longURL: String, _ code: String? = nil, title: String? = nil, tags: [String] = [], created: String? = nil,
        expires: String? = nil, owner: String? = nil
    ) {
        self.init(longURL: longURL)
        self.code = code
        self.title = title
        self.tags = tags
        createdAt = created.map { Instant(rfc3339: $0)! }
        expiresAt = expires.map { Instant(rfc3339: $0)! }
        self.owner = owner
    }
}
