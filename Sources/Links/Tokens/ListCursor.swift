import Primitives

/// A link's place in its owner's list, which goes from the newest link to the oldest. It is the same as long as the link is
/// there.
package struct ListPosition: Equatable, Sendable {
    /// When the link was made, as it is shown.
    package let createdAt: Instant
    package let key: LinkKey

    package init(createdAt: Instant, key: LinkKey) { (self.createdAt, self.key) = (createdAt, key) }
}

/// Behind which link a list goes on, as clients get it, and give it back.
///
///     version   1    1
///     kind      1    0: a generated code; 1: an alias; 2: the key of a link that this node answers no code of
///     created   6    milliseconds since 1970
///     name      1 to 255
///     mac       8    HMAC-SHA256 of "edge list", the owner (length-prefixed) and all before it, its first 8 bytes
///
/// As text it is base64url. It has the code and not the number, which would tell how many links there are. Whose list it
/// is of goes into the MAC alone, so that it opens no other one.
package struct ListCursor: Sendable {
    private static let version: UInt8 = 1
    private static let macBytes = 8
    /// Of texts.
    private static let lengths = 23...362

    private let key: TokenKey
    private let space: CodeSpace
    private let owner: [UInt8]

    /// Cursors of the list of `owner`.
    package init(_ key: TokenKey, _ space: CodeSpace, owner: [UInt8]) {
        (self.key, self.space, self.owner) = (key, space, owner)
    }

    package func text(of position: ListPosition) -> String {
        var bytes = [Self.version, 0]
        bytes.append(bigEndian48: position.createdAt.storable)
        if case .alias(let name) = position.key {
            bytes[1] = 1
            bytes += name
        } else if let code = space.generatedCode(of: position.key) {
            bytes.append(code)
        } else {
            bytes[1] = 2
            position.key.encode(into: &bytes)
        }
        bytes.append(bigEndian: mac(bytes))
        var text: [UInt8] = []
        Base64URL.encode(bytes, into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for whatever `text(of:)` did not write for this owner.
    package func position(_ text: RawSpan) -> ListPosition? {
        guard Self.lengths.contains(text.byteCount), let bytes = Base64URL.decode(text) else { return nil }
        let payload = Array(bytes.dropLast(Self.macBytes))
        // Compared as one word, so the time tells nothing of where they differ.
        guard bytes.suffix(Self.macBytes).reduce(0, { $0 << 8 | UInt64($1) }) == mac(payload) else { return nil }
        return position(payload: payload)
    }

    /// What stands before the MAC.
    func position(payload: [UInt8]) -> ListPosition? {
        var rest = unsafe payload.span.bytes
        guard let version = try? rest.takeByte(), version == Self.version, let kind = try? rest.takeByte(),
            let created = try? rest.takeUInt48(), (1..<LinkKey.maximumSizeBytes).contains(rest.byteCount)
        else { return nil }
        let createdAt = Instant(milliseconds: Int64(created))
        switch kind {
        case 0: return space.decode(rest).map { ListPosition(createdAt: createdAt, key: LinkKey($0)) }
        case 1: return ListPosition(createdAt: createdAt, key: .alias([UInt8](rest)))
        case 2: return (try? LinkKey(decoding: rest)).map { ListPosition(createdAt: createdAt, key: $0) }
        default: return nil
        }
    }

    private func mac(_ payload: [UInt8]) -> UInt64 {
        var bytes = Array("edge list".utf8)
        bytes.append(lengthPrefixed: owner)
        return key.mac(bytes + payload)
    }
}
