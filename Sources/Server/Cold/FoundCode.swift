import Links
import Store

/// What a reader thread found of a code, in memory of its own.
struct FoundCode: Sendable {
    enum Content: Sendable {
        /// `entry` is what a worker's cache keeps of a redirect: the destination, and behind it the expiry in eight bytes.
        case link(RedirectView, entry: [UInt8])
        case absent, impossible, damaged
    }

    let code: [UInt8]
    let content: Content
    /// Of the snapshot that it was found in.
    let tag: CacheTag

    /// Looks `code` up, in a snapshot that `reader` has.
    init(_ code: [UInt8], by reader: LinkReader) {
        self.code = code
        tag = reader.tag
        switch reader.find(code.span.bytes) {
        case .link(let link):
            var entry: [UInt8] = []
            link.view.prefix.withUTF8Buffer { entry += $0 }
            entry += link.destination
            withUnsafeBytes(of: link.view.expiresAtMilliseconds) { entry += $0 }
            content = .link(link.view, entry: entry)
        case .absent: content = .absent
        case .impossible: content = .impossible
        case .damaged: content = .damaged
        }
    }
}
