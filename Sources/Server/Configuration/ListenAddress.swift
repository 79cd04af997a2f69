import Glibc

/// An IP address and a port to listen on: `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:80`.
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// An IPv4 address, or an IPv6 address in its canonical form (RFC 5952), without brackets.
    package let host: String
    /// 0 lets the system choose.
    package let port: UInt16

    package init(host: String, port: UInt16) {
        precondition(canonicalAddress(host) == host, "a canonical IP address is needed")
        self.host = host
        self.port = port
    }

    /// Nil if `text` is no address with a port. A name is none: what it resolves to may change.
    package init?(_ text: String) {
        guard let authority = Authority(text[...]), let port = authority.port,
            let host = canonicalAddress(authority.host),
            authority.isBracketed == host.utf8.contains(UInt8(ascii: ":"))
        else { return nil }
        self.host = host
        self.port = port
    }

    package var isIPv6: Bool { host.utf8.contains(UInt8(ascii: ":")) }

    /// 127.0.0.0/8 or ::1: only this machine can connect.
    package var isLoopback: Bool { host == "::1" || !isIPv6 && host.hasPrefix("127.") }

    package var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// `http://` and the address.
    package var url: String { "http://\(self)" }
}

/// The one spelling of an IPv4 or IPv6 address; nil if `text` is neither.
func canonicalAddress(_ text: String) -> String? {
    guard !text.utf8.contains(0) else { return nil }
    let family = text.utf8.contains(UInt8(ascii: ":")) ? AF_INET6 : AF_INET
    var address = in6_addr()
    return withUnsafeMutableBytes(of: &address) { address -> String? in
        guard inet_pton(family, text, address.baseAddress) == 1 else { return nil }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            guard inet_ntop(family, address.baseAddress, buffer.baseAddress, socklen_t(buffer.count)) != nil else {
                return nil
            }
            return String(cString: buffer.baseAddress!)
        }
    }
}
