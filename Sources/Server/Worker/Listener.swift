import CLinux
import Glibc

/// Why a port cannot be listened on.
struct ListenError: Error, CustomStringConvertible {
    let address: ListenAddress
    let code: Int32

    var description: String {
        let reason = String(cString: strerror(code))
        let hint =
            switch code {
            case EACCES: "; ports below 1024 need the right to bind them"
            case EADDRINUSE: "; another process has this port, choose another with --listen"
            case EADDRNOTAVAIL: "; it is no address of this machine"
            default: ""
            }
        return "cannot listen on \(address): \(reason)\(hint)"
    }
}

/// A listening socket, shared by port with the other workers' (SO_REUSEPORT): the kernel spreads connections.
final class Listener: Sendable {
    let descriptor: Int32
    /// Where it really listens: the port is known now, even if 0 was asked for.
    let address: ListenAddress

    /// The first socket of a node takes the port for itself, so that no other process has it or gets it; only then may
    /// others of this node join, which is what `joins` says of them.
    init(_ wanted: ListenAddress, joins: Bool = false) throws(ListenError) {
        let family = wanted.isIPv6 ? AF_INET6 : AF_INET
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw ListenError(address: wanted, code: errno) }
        do throws(ListenError) {
            try Self.set(SO_REUSEADDR, descriptor, wanted)
            if joins { try Self.set(SO_REUSEPORT, descriptor, wanted) }
            try Self.bind(descriptor, wanted)
            if !joins { try Self.set(SO_REUSEPORT, descriptor, wanted) }
            try Self.check(listen(descriptor, 4096), wanted)
            address = ListenAddress(host: wanted.host, port: Self.port(descriptor))
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    private static func check(_ code: Int32, _ address: ListenAddress) throws(ListenError) {
        if code != 0 { throw ListenError(address: address, code: errno) }
    }

    private static func set(
        _ option: Int32, _ descriptor: Int32, _ address: ListenAddress
    ) throws(ListenError) {
        var one: Int32 = 1
        try check(setsockopt(descriptor, SOL_SOCKET, option, &one, socklen_t(MemoryLayout<Int32>.size)), address)
    }

    private static func bind(_ descriptor: Int32, _ wanted: ListenAddress) throws(ListenError) {
        var code: Int32
        if wanted.isIPv6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = wanted.port.bigEndian
            inet_pton(AF_INET6, wanted.host, &address.sin6_addr)
            code = withBytes(of: &address) { Glibc.bind(descriptor, $0, $1) }
        } else {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = wanted.port.bigEndian
            inet_pton(AF_INET, wanted.host, &address.sin_addr)
            code = withBytes(of: &address) { Glibc.bind(descriptor, $0, $1) }
        }
        try check(code, wanted)
    }

    private static func port(_ descriptor: Int32) -> UInt16 {
        var address = sockaddr_in6()  // Large enough for both families, and the port stands in the same place.
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        _ = withUnsafeMutableBytes(of: &address) { bytes in
            getsockname(descriptor, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &size)
        }
        return UInt16(bigEndian: address.sin6_port)
    }

    private static func withBytes<Address>(
        of address: inout Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        withUnsafeBytes(of: &address) {
            body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
    }
}
