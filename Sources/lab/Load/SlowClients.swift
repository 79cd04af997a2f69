import CLinux
import Glibc
import Primitives
import Synchronization

/// Connections that keep a node waiting: a third sends a head byte by byte, a third a body, a third asks for much and
/// takes no answer. One that the node closes comes again. A thread of its own serves them all.
final class SlowClients {
    private enum Kind: Int { case head, body, unread }

    private struct Connection {
        var descriptor: Int32
        let kind: Kind
    }

    /// Each connection's turn comes so often.
    private static let periodMicroseconds = 1_000_000

    private let port: UInt16
    private let code: [UInt8]
    private var connections: [Connection] = []
    private let isStopping = Atomic<Bool>(false)
    private let counts = Mutex((bytes: 0, closed: 0))
    private var thread: SystemThread?

    /// Connects `count` clients to the port on 127.0.0.1. `code` is a link's.
    init(_ count: Int, port: UInt16, code: [UInt8]) throws {
        (self.port, self.code) = (port, code)
        for index in 0..<count {
            let kind = Kind(rawValue: index % 3)!
            connections.append(Connection(descriptor: try open(kind), kind: kind))
        }
        // Safety: the thread alone uses the value until it is joined.
        nonisolated(unsafe) let clients = self
        // What is measured are the node's delays, not those of whoever measures.
        thread = SystemThread("slow-clients", niceness: 19) { clients.run() }
    }

    /// Closes all; how many bytes they sent after their beginnings, and how often the node closed one.
    func stop() -> (bytes: Int, closed: Int) {
        isStopping.store(true, ordering: .relaxed)
        thread?.join()
        for connection in connections where connection.descriptor >= 0 { close(connection.descriptor) }
        return counts.withLock { $0 }
    }

    private func open(_ kind: Kind) throws -> Int32 {
        let descriptor = try connectToLoopback(port)
        if kind == .unread {
            var bytes: Int32 = 4096
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
        let start: [UInt8]
        switch kind {
        case .head: start = Array("GET /".utf8)
        case .body:
            start = Array(
                ("POST /api/v1/urls HTTP/1.1\r\nHost: sho.rt\r\nContent-Type: application/json\r\n"
                    + "Content-Length: 4000\r\n\r\n").utf8)
        case .unread:
            let one = Array("GET /".utf8) + code + Array(" HTTP/1.1\r\nHost: sho.rt\r\n\r\n".utf8)
            start = (0..<1000).flatMap { _ in one }
        }
        _ = send(start, descriptor)
        return descriptor
    }

    /// False if the connection is closed.
    private func send(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) >= 0
            || errno == EAGAIN
    }

    private func run() {
        let pause = UInt32(max(1, Self.periodMicroseconds / max(1, connections.count)))
        var index = 0
        while !isStopping.load(ordering: .relaxed), !connections.isEmpty {
            usleep(pause)
            turn(index)
            index = (index + 1) % connections.count
        }
    }

    private func turn(_ index: Int) {
        let connection = connections[index]
        let byte: [UInt8] = [connection.kind == .body ? 0x20 : 0x61]
        var isOpen = connection.descriptor >= 0
        if isOpen, connection.kind != .unread { isOpen = send(byte, connection.descriptor) }
        if isOpen, connection.kind == .unread { isOpen = !Self.hasEnded(connection.descriptor) }
        counts.withLock { counts in
            counts.bytes += isOpen && connection.kind != .unread ? 1 : 0
            counts.closed += isOpen ? 0 : 1
        }
        guard !isOpen else { return }
        if connection.descriptor >= 0 { close(connection.descriptor) }
        connections[index].descriptor = (try? open(connection.kind)) ?? -1
    }

    private static func hasEnded(_ descriptor: Int32) -> Bool {
        var state = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&state, 1, 0) > 0 && state.revents & Int16(POLLHUP | POLLERR) != 0
    }
}
