import CLinux
import Glibc

/// An IP address and a port as the system takes them.
package struct SocketAddress: Sendable, CustomStringConvertible {
    private var storage = sockaddr_storage()
    private var size = socklen_t(MemoryLayout<sockaddr_storage>.size)

    package init(_ address: ListenAddress) {
        if address.isIPv6 {
            var own = sockaddr_in6()
            own.sin6_family = sa_family_t(AF_INET6)
            own.sin6_port = address.port.bigEndian
            inet_pton(AF_INET6, address.host, &own.sin6_addr)
            self.init(own, as: sockaddr_in6.self)
        } else {
            var own = sockaddr_in()
            own.sin_family = sa_family_t(AF_INET)
            own.sin_port = address.port.bigEndian
            inet_pton(AF_INET, address.host, &own.sin_addr)
            self.init(own, as: sockaddr_in.self)
        }
    }

    private init<Address>(_ address: Address, as: Address.Type) {
        size = socklen_t(MemoryLayout<Address>.size)
        withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: address, as: Address.self) }
    }

    /// Nil if it is no IP address.
    init?(_ storage: sockaddr_storage) {
        self.storage = storage
        switch Int32(storage.ss_family) {
        case AF_INET: size = socklen_t(MemoryLayout<sockaddr_in>.size)
        case AF_INET6: size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        default: return nil
        }
    }

    /// What `call` writes, such as getpeername(2). Nil if it fails.
    init?(_ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32) {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutableBytes(of: &storage) {
            call($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), &size)
        }
        guard code == 0 else { return nil }
        self.init(storage)
    }

    package static func own(_ descriptor: Int32) -> SocketAddress? { SocketAddress { getsockname(descriptor, $0, $1) } }
    package static func peer(_ descriptor: Int32) -> SocketAddress? {
        SocketAddress { getpeername(descriptor, $0, $1) }
    }

    package var family: Int32 { Int32(storage.ss_family) }
    /// Both families have it in the same place.
    package var port: UInt16 {
        withUnsafeBytes(of: storage) { UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) }
    }
    package var host: IPAddress { IPAddress(storage)! }
    package var description: String { host.isIPv4 ? "\(host):\(port)" : "[\(host)]:\(port)" }

    package func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafeBytes(of: storage) { body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), size) }
    }

    /// The addresses of a host, the system's favourite first; or why there are none. Asks name servers and waits for them,
    /// unless `isLiteral`: then the host must be an address.
    static func resolve(_ host: String, port: UInt16, isLiteral: Bool) -> Result<[SocketAddress], ResolutionError> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (isLiteral ? AI_NUMERICHOST : 0)
        var first: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &first)
        guard code == 0 else { return .failure(ResolutionError(description: String(cString: gai_strerror(code)))) }
        defer { freeaddrinfo(first) }
        var addresses: [SocketAddress] = []
        var next = first
        while let entry = next, addresses.count < TransportLimits.addressesOfName {
            var storage = sockaddr_storage()
            withUnsafeMutableBytes(of: &storage) {
                $0.copyMemory(from: .init(start: entry.pointee.ai_addr, count: Int(entry.pointee.ai_addrlen)))
            }
            if let address = SocketAddress(storage) { addresses.append(address) }
            next = entry.pointee.ai_next
        }
        guard !addresses.isEmpty else { return .failure(ResolutionError(description: "the name has no IP address")) }
        return .success(addresses)
    }
}

/// Why a name has no addresses, in the resolver's words.
package struct ResolutionError: Error, CustomStringConvertible { package let description: String }

extension IPAddress {
    /// 127.0.0.0/8, also mapped into IPv6, or ::1: only this machine has it.
    package var isLoopback: Bool { isIPv4 ? low >> 24 & 0xff == 127 : high == 0 && low == 1 }
}
