/// Where a service that knows dangerous URLs is asked: an http URL.
package struct LookupServiceURL: Equatable, Sendable, CustomStringConvertible {
    private static let scheme = "http://"

    let server: Authority
    /// Path and query.
    let target: String

    /// Nil if `text` is none.
    init?(_ text: String) {
        guard text.hasPrefix(Self.scheme), text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }), !text.contains("#")
        else { return nil }
        let rest = text.dropFirst(Self.scheme.count)
        guard let slash = rest.firstIndex(of: "/"), let server = Authority(rest[..<slash]), server.port != 0 else {
            return nil
        }
        (self.server, target) = (server, String(rest[slash...]))
    }

    package var description: String { Self.scheme + "\(server)" + target }
}
