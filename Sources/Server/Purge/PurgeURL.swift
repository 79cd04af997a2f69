/// Where a cache in front is told that what it keeps of a code no longer holds: an http URL with `{code}` in it.
package struct PurgeURL: Equatable, Sendable, CustomStringConvertible {
    static let placeholder = "{code}"
    private static let scheme = "http://"

    let server: Authority
    /// The target's parts around the code.
    private let head, tail: String

    /// Nil if `text` is none.
    init?(_ text: String) {
        guard text.hasPrefix(Self.scheme), text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }), !text.contains("#")
        else { return nil }
        let rest = text.dropFirst(Self.scheme.count)
        guard let slash = rest.firstIndex(of: "/"), let server = Authority(rest[..<slash]), server.port != 0 else {
            return nil
        }
        let parts = rest[slash...].split(separator: Self.placeholder, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        (self.server, head, tail) = (server, String(parts[0]), String(parts[1]))
    }

    package var description: String { Self.scheme + "\(server)" + head + Self.placeholder + tail }

    /// Path and query for a code, whose characters need no escape in either.
    func target(_ code: String) -> String { head + code + tail }
}

/// How it is told. The raw value is the request's method.
package enum PurgeMethod: String, CaseIterable, Sendable {
    /// Of the resource itself, as Varnish and most other caches take it.
    case purge = "PURGE"
    /// To an interface that stands for it.
    case post = "POST"
}
