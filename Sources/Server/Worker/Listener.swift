import CLinux
import Glibc

/// Why a port cannot be listened on.
package struct ListenError: Error, CustomStringConvertible {
    let address: ListenAddress
    package let code: Int32
    /// What sets the address.
    var flag = "--listen"

    package var description: String {
        let reason = String(cString: strerror(code))
        let hint =
            switch code {
            case EACCES: "; ports below 1024 need the right to bind them"
            case EADDRINUSE: "; another process has this port, choose another with \(flag)"
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
    ///
    /// - Parameter flag: what sets the address, for errors.
    init(_ wanted: ListenAddress, joins: Bool = false, flag: String = "--listen") throws(ListenError) {
        let own = SocketAddress(wanted)
        descriptor = socket(own.family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw ListenError(address: wanted, code: errno, flag: flag) }
        do throws(ListenError) {
            try Self.set(SO_REUSEADDR, descriptor, wanted)
            if joins { try Self.set(SO_REUSEPORT, descriptor, wanted) }
            let descriptor = descriptor
            try Self.check(own.withPointer { bind(descriptor, $0, $1) }, wanted)
            if !joins { try Self.set(SO_REUSEPORT, descriptor, wanted) }
            try Self.check(listen(descriptor, 4096), wanted)
            address = ListenAddress(host: wanted.host, port: SocketAddress.own(descriptor)!.port)
        } catch {
            close(descriptor)
            throw ListenError(address: error.address, code: error.code, flag: flag)
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
}
