import Primitives

/// Why a string is no alias.
package enum AliasError: Error, Equatable {
    /// Its length in bytes, outside 3…64.
    case length(Int)
    /// A byte outside `[A-Za-z0-9_-]`, and its place from 0.
    case character(UInt8, position: Int)
    /// A first path segment that the server keeps for itself, in any case of letters.
    case reserved
    /// It could be read as a generated code.
    case generatedShape

    /// One sentence for the user, which never quotes what came.
    package var message: String {
        switch self {
        case .length(let length):
            "an alias has \(Alias.lengths.lowerBound) to \(Alias.lengths.upperBound) characters, not \(length)"
        case .character(_, let position):
            "character \(position + 1) is not one of A-Z, a-z, 0-9, _ and -"
        case .reserved:
            "this name is reserved"
        case .generatedShape:
            "this looks like a generated code: add a hyphen"
        }
    }
}

/// A name chosen for a link: 3 to 64 of `[A-Za-z0-9_-]`, not a reserved first segment; case matters.
package struct Alias: Hashable, Sendable {
    package static let lengths = 3...64

    /// Lower case; compared without case, so that no alias looks like one of them.
    package static let reserved = [
        "api", "health", "shorten", "analytics", "problems", "ui", "robots.txt", "favicon.ico", ".well-known",
    ]

    package let bytes: [UInt8]

    /// A user's wish, which must not have the shape of a generated code of a region of `space`.
    package init(_ bytes: RawSpan, in space: CodeSpace) throws(AliasError) {
        try self.init(imported: bytes)
        if space.hasGeneratedShape(bytes) { throw .generatedShape }
    }

    /// A name from elsewhere, which may have the shape of a generated code.
    package init(imported bytes: RawSpan) throws(AliasError) {
        guard Self.lengths.contains(bytes.byteCount) else { throw .length(bytes.byteCount) }
        for word in Self.reserved where Self.equalsIgnoringCase(bytes, word) { throw .reserved }
        for position in 0..<bytes.byteCount {
            let byte = Base62.byte(bytes, at: position)
            guard Self.isAllowed(byte) else { throw .character(byte, position: position) }
        }
        self.bytes = [UInt8](bytes)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        Base62.digit(of: byte) < 62 || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }

    private static func equalsIgnoringCase(_ bytes: RawSpan, _ word: String) -> Bool {
        guard bytes.byteCount == word.utf8.count else { return false }
        var position = 0
        for expected in word.utf8 {
            let byte = Base62.byte(bytes, at: position)
            let lowered = (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
            guard lowered == expected else { return false }
            position += 1
        }
        return true
    }
}

extension Alias: CustomStringConvertible {
    package var description: String { String(decoding: bytes, as: UTF8.self) }
}
