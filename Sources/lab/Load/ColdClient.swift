import CLinux
import Glibc
import Links
import Primitives
import Store
import Synchronization

/// Closed-loop requests for codes, one at a time on each connection, by a thread that gives way to whoever measures.
final class ColdClient {
    private let codes: IssuedCodes
    private let descriptors: [Int32]
    private let isStopping = Atomic<Bool>(false)
    private let count = Atomic<Int>(0)
    private var thread: SystemThread?

    /// Asks for any of `codes`, all alike, until `stop`. `port` is on 127.0.0.1.
    init(_ codes: IssuedCodes, port: UInt16, connections: Int) throws {
        self.codes = codes
        descriptors = try (0..<connections).map { _ in try connectToLoopback(port) }
        // Safety: the thread alone uses the value until it is joined, but for what is atomic.
        nonisolated(unsafe) let client = self
        thread = SystemThread("cold-client", niceness: 19) { client.run() }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    var answers: Int { count.load(ordering: .relaxed) }

    /// Waits for the answers that are owed.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        thread?.join()
        thread = nil
    }

    static func request(_ code: Code) -> [UInt8] {
        var request = Array("GET /".utf8)
        request.append(code)
        return request + Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
    }

    private func run() {
        var random = SeededRandom(seed: 7)
        func next(_ descriptor: Int32) -> Bool {
            guard !isStopping.load(ordering: .relaxed) else { return false }
            let request = Self.request(codes[Int.random(in: 0..<codes.count, using: &random)])
            return send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count
        }
        var waiting = descriptors.filter(next).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var answer = [UInt8](repeating: 0, count: 4096)
        while !waiting.isEmpty {
            guard poll(&waiting, nfds_t(waiting.count), 10_000) > 0 else { return }
            waiting.removeAll { entry in
                guard entry.revents != 0 else { return false }
                // An answer to one request without a body comes whole.
                guard recv(entry.fd, &answer, answer.count, 0) > 0 else { return true }
                count.add(1, ordering: .relaxed)
                return !next(entry.fd)
            }
        }
    }
}
