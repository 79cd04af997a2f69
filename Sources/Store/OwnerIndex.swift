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

    func key(_ owner: [UInt8], createdAt: Instant, _ link: LinkKey) -> [UInt8] {
        var key = Array(hasher.hash(Array("edge owner".utf8), owner).prefix(16))
        key.append(bigEndian48: UInt64(min(max(createdAt.milliseconds, 0), 1 << 48 - 1)))
        link.encode(into: &key)
        return key
    }
}
