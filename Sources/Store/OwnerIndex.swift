import Links
import Primitives

/// Rows of the table `owners`: an owner's links in the order in which they were made. The payload is empty.
///
///     owner     16    the first of SHA-256("edge owner" ‖ owner)
///     created   6     instant that is shown as the link's creation
///     link key  rest
struct OwnerIndex {
    /// Before the link key.
    static let headSizeBytes = 22

    private let hasher = SHA256Hasher()

    /// What the rows of one owner begin with.
    func head(_ owner: [UInt8]) -> [UInt8] { Array(hasher.hash(Array("edge owner".utf8), owner).prefix(16)) }

    /// Without a link: what sorts before all rows of that instant, and behind all earlier ones.
    func key(_ owner: [UInt8], createdAt: Instant, _ link: LinkKey? = nil) -> [UInt8] {
        var key = head(owner)
        key.append(bigEndian48: UInt64(min(max(createdAt.milliseconds, 0), 1 << 48 - 1)))
        link?.encode(into: &key)
        return key
    }

    /// What a row's key says of its link; nil if it is none.
    static func position(_ key: UnsafeRawBufferPointer) -> ListPosition? {
        guard key.count > headSizeBytes else { return nil }
        var rest = UnsafeRawBufferPointer(rebasing: key[16...]).bytes
        guard let created = try? rest.takeUInt48(), let link = try? LinkKey(decoding: rest) else { return nil }
        return ListPosition(createdAt: Instant(milliseconds: Int64(created)), key: link)
    }
}
