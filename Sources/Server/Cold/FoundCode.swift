import Links
import Store

/// What a reader thread found of a code, in memory of its own.
struct FoundCode: Sendable {
    enum Content: Sendable {
        /// `entry` is what a worker's cache keeps of a redirect: the destination, and behind it `RedirectView.keptWord`.
        case link(RedirectView, entry: [UInt8], isBlocked: Bool)
        case absent, impossible, damaged
    }

    let code: [UInt8]
    let content: Content
    /// Of the snapshot that it was found in.
    let tag: CacheTag

    /// What another node told of `code`.
    init(_ code: [UInt8], _ link: RemoteLink, tag: CacheTag) {
        (self.code, self.tag) = (code, tag)
        content = .link(
            link.view, entry: Self.entry(link.view) { $0 += link.destination }, isBlocked: link.isBlocked)
    }

    /// What a worker's cache keeps of a redirect.
    static func entry(of link: FoundLink) -> [UInt8] { entry(link.view) { $0 += link.destination } }

    private static func entry(_ view: RedirectView, _ appendDestination: (inout [UInt8]) -> Void) -> [UInt8] {
        var entry: [UInt8] = []
        view.prefix.withUTF8Buffer { entry += $0 }
        appendDestination(&entry)
        withUnsafeBytes(of: view.keptWord) { entry += $0 }
        return entry
    }

    /// Looks `code` up, in a snapshot that `reader` has.
    init(_ code: [UInt8], by reader: LinkReader) {
        self.code = code
        tag = reader.tag
        switch reader.find(code.span.bytes) {
        case .link(let link):
            content = .link(link.view, entry: Self.entry(of: link), isBlocked: link.isBlocked)
        case .absent: content = .absent
        case .impossible: content = .impossible
        case .damaged: content = .damaged
        }
    }
}
