import CLinux
import COpenSSL
import Glibc

/// Closed-loop load over TLS, from one thread, as `LoadGenerator`'s is without it. Version, cipher and curve are fixed, so that
/// all servers do the same arithmetic.
final class TLSLoad {
    /// How connections begin.
    enum Form {
        /// They are there, and go on: so many requests at once on each.
        case kept(connections: Int, together: Int)
        /// One for each request, with a whole handshake or with the ticket of the one before.
        case new(resumes: Bool)
    }

    private struct Connection {
        let descriptor: Int32
        let session: OpaquePointer
        var awaited = 0
        var filled: [UInt8] = []
    }

    private let port: UInt16
    private let form: Form
    private var workload: Workload
    private let context: OpaquePointer
    private var connections: [Connection] = []
    private let events = epoll_create1(Int32(EPOLL_CLOEXEC))
    private var buffer = [UInt8](repeating: 0, count: 1 << 17)
    private var addresses = ClientAddresses()
    private var ticket: OpaquePointer?
    private(set) var resumed = 0

    /// `port` is on 127.0.0.1; its certificate is not checked.
    init(_ workload: Workload, port: UInt16, _ form: Form) throws {
        (self.workload, self.port, self.form) = (workload, port, form)
        context = SSL_CTX_new(TLS_client_method())!
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_3_VERSION), nil)
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256")
        SSL_CTX_ctrl(
            context, SSL_CTRL_SET_GROUPS_LIST, 0,
            UnsafeMutableRawPointer(mutating: ("X25519" as StaticString).utf8Start))
        if case .kept(let count, _) = form {
            for index in 0..<count {
                connections.append(try open())
                var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(index)))
                guard epoll_ctl(events, EPOLL_CTL_ADD, connections[index].descriptor, &event) == 0 else {
                    throw LabError("epoll refuses")
                }
            }
        }
    }

    deinit {
        for connection in connections { Self.close(connection) }
        SSL_SESSION_free(ticket)
        SSL_CTX_free(context)
        Glibc.close(events)
    }

    private static func close(_ connection: Connection) {
        SSL_free(connection.session)
        Glibc.close(connection.descriptor)
    }

    private func open(from source: UInt32? = nil, _ ticket: OpaquePointer? = nil) throws -> Connection {
        let connection = Connection(
            descriptor: try connectToLoopback(port, from: source), session: SSL_new(context)!)
        SSL_set_fd(connection.session, connection.descriptor)
        if let ticket { SSL_set_session(connection.session, ticket) }
        guard SSL_connect(connection.session) == 1 else { throw LabError("no TLS on port \(port)") }
        if SSL_session_reused(connection.session) == 1 { resumed += 1 }
        return connection
    }

    /// Asks for `seconds`, or until `groups` groups of requests are sent if that comes first, and waits for the answers that are
    /// owed; latencies are not measured.
    func run(seconds: Double, groups: Int = .max) throws -> LoadResult {
        var result = LoadResult()
        let end = MonotonicClock.nanoseconds + UInt64(seconds * 1e9)
        switch form {
        case .kept(_, let together): try run(until: end, groups, together, &result)
        case .new(let resumes):
            while MonotonicClock.nanoseconds < end { try visit(resumes, &result) }
        }
        result.answersInTime = result.answers
        result.seconds = seconds
        return result
    }

    private func visit(_ resumes: Bool, _ result: inout LoadResult) throws {
        var connection = try open(from: addresses.next(), ticket)
        try send(&connection, 1)
        while connection.awaited > 0 { try receive(&connection, &result) }
        if resumes {
            SSL_SESSION_free(ticket)
            ticket = SSL_get1_session(connection.session)
        }
        SSL_shutdown(connection.session)
        Self.close(connection)
    }

    private func run(until end: UInt64, _ groups: Int, _ together: Int, _ result: inout LoadResult) throws {
        var open = min(connections.count, groups)
        var left = groups - open
        for index in 0..<open { try send(&connections[index], together) }
        let ready = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: connections.count)
        defer { ready.deallocate() }
        while open > 0 {
            let count = epoll_wait(events, ready.baseAddress, Int32(ready.count), 60_000)
            if count == 0 { throw LabError("\(open) connections got no answer within 60 seconds") }
            for event in ready[..<max(0, Int(count))] {
                let index = Int(event.data.u64)
                try receive(&connections[index], &result)
                guard connections[index].awaited == 0 else { continue }
                if MonotonicClock.nanoseconds < end, left > 0 {
                    left -= 1
                    try send(&connections[index], together)
                } else {
                    open -= 1
                }
            }
        }
    }

    private func send(_ connection: inout Connection, _ count: Int) throws {
        let size = workload.template.count
        var requests: [UInt8] = []
        for _ in 0..<count { requests += workload.template }
        requests.withUnsafeMutableBufferPointer { requests in
            for place in 0..<count { workload.fill(requests.baseAddress! + place * size) }
        }
        connection.awaited = count
        guard SSL_write(connection.session, requests, Int32(requests.count)) == requests.count else {
            throw LabError("a connection takes no request")
        }
    }

    /// What a record holds; waits for one.
    private func receive(_ connection: inout Connection, _ result: inout LoadResult) throws {
        repeat {
            let count = SSL_read(connection.session, &buffer, Int32(buffer.count))
            guard count > 0 else { throw LabError("the server closed a connection") }
            connection.filled += buffer[..<Int(count)]
            var used = 0
            connection.filled.withUnsafeBytes { bytes in
                while let answer = ResponseScanner.first(of: UnsafeRawBufferPointer(rebasing: bytes[used...])) {
                    used += answer.byteCount
                    connection.awaited -= 1
                    result.answers += 1
                    if answer.status != workload.expectedStatus {
                        (result.failures, result.failureStatus) = (result.failures + 1, answer.status)
                    }
                }
            }
            connection.filled.removeFirst(used)
        } while SSL_pending(connection.session) > 0
    }

    /// A connection that has made a request, has its answer and stays. The own side of TLS is forgotten.
    func leaveIdle(_ count: Int) throws -> [Int32] {
        var result = LoadResult()
        return try (0..<count).map { _ in
            var connection = try open()
            try send(&connection, 1)
            while connection.awaited > 0 { try receive(&connection, &result) }
            SSL_set_quiet_shutdown(connection.session, 1)
            let descriptor = dup(connection.descriptor)
            Self.close(connection)
            return descriptor
        }
    }
}
