import Glibc
import Primitives
import Synchronization

/// A cache as far as it is told what to forget: answers as the test wants, and remembers what it was asked.
///
/// Safety: what threads share is behind a mutex.
final class PurgeServer: @unchecked Sendable {
    struct Request {
        let method, target: String
        /// Lines of the head behind the first one.
        let fields: [String]
        /// Counts from 1.
        let connection: Int
    }

    enum Reply {
        case status(Int)
        /// And closes the connection, without having said that it would.
        case lastStatus(Int)
        case silence, hangUp
    }

    private struct State {
        var requests: [Request] = []
        var descriptors: [Int32] = []
        var connectionCount = 0
        var reply: @Sendable (_ request: Request, _ index: Int) -> Reply
    }

    let port: UInt16
    private let listener: Int32
    private let state: Mutex<State>
    private let threads: Mutex<[SystemThread]> = Mutex([])

    /// `index` counts requests from 0.
    init(
        port: UInt16 = 0,
        _ reply: @escaping @Sendable (_ request: Request, _ index: Int) -> Reply = { _, _ in .status(200) }
    )
        throws
    {
        state = Mutex(State(reply: reply))
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        self.listener = listener
        var one: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, size) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, address, &size) == 0
            }
        }
        guard code else { throw HarnessError("no listener: \(String(cString: strerror(errno)))") }
        self.port = UInt16(bigEndian: address.sin_port)
        let accepting = SystemThread("purge-server") { [self] in accept() }
        threads.withLock { $0.append(accepting) }
    }

    /// On which nobody listens now.
    static func freePort() throws -> UInt16 {
        let server = try PurgeServer()
        server.stop()
        return server.port
    }

    /// Closes all there is, and waits until nothing more is answered. Once, before the last reference goes.
    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        while let thread = threads.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
            for descriptor in state.withLock({ $0.descriptors }) { shutdown(descriptor, Int32(SHUT_RDWR)) }
            thread.join()
        }
        close(listener)
    }

    var requests: [Request] { state.withLock { $0.requests } }
    var targets: [String] { requests.map(\.target) }
    var connectionCount: Int { state.withLock { $0.connectionCount } }

    func answer(_ reply: @escaping @Sendable (_ request: Request, _ index: Int) -> Reply) {
        state.withLock { $0.reply = reply }
    }

    private func accept() {
        while case let descriptor = Glibc.accept(listener, nil, nil), descriptor >= 0 {
            let number = state.withLock { state in
                state.descriptors.append(descriptor)
                state.connectionCount += 1
                return state.connectionCount
            }
            let serving = SystemThread("purge-server") { [self] in
                serve(descriptor, number)
                state.withLock { $0.descriptors.removeAll { $0 == descriptor } }
                close(descriptor)
            }
            threads.withLock { $0.append(serving) }
        }
    }

    private func serve(_ descriptor: Int32, _ number: Int) {
        var buffer: [UInt8] = []
        while let end = head(descriptor, &buffer) {
            let lines = String(decoding: buffer[..<end], as: UTF8.self).components(of: "\r\n")
            buffer.removeSubrange(..<end)
            let words = lines[0].split(separator: " ").map(String.init)
            let request = Request(
                method: words[0], target: words[1], fields: Array(lines[1...].filter { !$0.isEmpty }),
                connection: number)
            let (reply, index) = state.withLock { state in
                state.requests.append(request)
                return (state.reply, state.requests.count - 1)
            }
            switch reply(request, index) {
            case .status(let status): say(status, descriptor)
            case .lastStatus(let status): return say(status, descriptor)
            case .silence: break
            case .hangUp: return
            }
        }
    }

    /// Where the next head ends; nil at the end of the connection.
    private func head(_ descriptor: Int32, _ buffer: inout [UInt8]) -> Int? {
        while true {
            if let end = Answer.headEnd(buffer[...]) { return end }
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = recv(descriptor, &bytes, bytes.count, 0)
            guard count > 0 else { return nil }
            buffer += bytes[..<count]
        }
    }

    private func say(_ status: Int, _ descriptor: Int32) {
        let bytes = Array("HTTP/1.1 \(status) Said\r\nContent-Length: 3\r\n\r\nabc".utf8)
        _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}

extension String {
    fileprivate func components(of separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}
