import CLinux
import FoundationEssentials
import Glibc

/// Why a command got no answer from its server.
package enum CommandClientError: Error, Equatable, CustomStringConvertible {
    case unknownHost(String)
    case unreachable(String)
    case timedOut
    case connectionLost
    case malformedAnswer
    case answerTooLarge

    package var description: String {
        switch self {
        case .unknownHost(let reason): "the host is not found: \(reason)"
        case .unreachable(let reason): "no connection: \(reason); is edge serve running there?"
        case .timedOut: "no answer within \(CommandClient.timeoutMilliseconds / 1000) seconds"
        case .connectionLost: "the connection ended before the answer did"
        case .malformedAnswer: "the answer is not HTTP/1.1"
        case .answerTooLarge: "the answer is more than \(CommandClient.answerBytes) bytes"
        }
    }
}

/// A small blocking HTTP/1.1 client for commands that talk to a running node: one request a connection, no TLS.
package struct CommandClient {
    /// How long connecting to one address may take, and then the exchange.
    package static let timeoutMilliseconds: Int64 = 10_000
    package static let answerBytes = 1 << 20

    let server: Authority
    let key: String?

    /// `key`: an API key to be shown with each request.
    package init(server: Authority, key: String? = nil) { (self.server, self.key) = (server, key) }

    /// Sends one request and waits for its answer. `target` is a path with an optional query.
    package func send(
        _ method: String, _ target: String, json body: [UInt8]? = nil
    ) throws(CommandClientError) -> CommandAnswer {
        var request = "\(method) \(target) HTTP/1.1\r\nHost: \(server)\r\nUser-Agent: edge/\(edgeVersion)\r\n"
        request += "Accept: application/json, application/problem+json\r\nConnection: close\r\n"
        if let key { request += "Authorization: Bearer \(key)\r\n" }
        if let body { request += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n" }
        let connection = try CommandConnection(server)
        let deadline = monotonicMilliseconds() + Self.timeoutMilliseconds
        try connection.send(Array((request + "\r\n").utf8) + (body ?? []), before: deadline)
        var received: [UInt8] = []
        while true {
            let count = try connection.receive(into: &received, before: deadline)
            if let answer = try CommandAnswer.parse(received, isWhole: count == 0) { return answer }
            guard count > 0 else { throw .connectionLost }
            guard received.count <= Self.answerBytes else { throw .answerTooLarge }
        }
    }
}

/// A TCP connection whose every wait has an end; closed when it goes.
struct CommandConnection: ~Copyable {
    let descriptor: Int32

    /// Connects to the first address of the host that accepts.
    init(
        _ server: Authority, timeoutMilliseconds: Int64 = CommandClient.timeoutMilliseconds
    ) throws(CommandClientError) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(server.host, String(server.port ?? 80), &hints, &found)
        guard status == 0 else { throw .unknownHost(String(cString: gai_strerror(status))) }
        defer { freeaddrinfo(found) }
        var failure = CommandClientError.unreachable("no address")
        var next = found
        while let address = next {
            do {
                descriptor = try Self.connect(to: address.pointee, timeoutMilliseconds)
                return
            } catch {
                failure = error
            }
            next = address.pointee.ai_next
        }
        throw failure
    }

    deinit { close(descriptor) }

    private static func connect(
        to address: addrinfo, _ timeoutMilliseconds: Int64
    ) throws(CommandClientError) -> Int32 {
        let type = address.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.ai_family, type, address.ai_protocol)
        guard descriptor >= 0 else { throw .unreachable(String(cString: strerror(errno))) }
        do throws(CommandClientError) {
            var status = Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno
            if status == EINPROGRESS || status == EINTR {
                try wait(descriptor, for: Int16(POLLOUT), before: monotonicMilliseconds() + timeoutMilliseconds)
                var size = socklen_t(MemoryLayout<Int32>.size)
                getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &status, &size)
            }
            guard status == 0 else { throw .unreachable(String(cString: strerror(status))) }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    borrowing func send(_ bytes: [UInt8], before deadline: Int64) throws(CommandClientError) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN {
                try Self.wait(descriptor, for: Int16(POLLOUT), before: deadline)
            } else if errno != EINTR {
                // The server may have answered without reading it all: what it said is there to be received.
                return
            }
        }
    }

    /// Appends what has come; 0 once the server has closed its side.
    borrowing func receive(into bytes: inout [UInt8], before deadline: Int64) throws(CommandClientError) -> Int {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count >= 0 {
                bytes += buffer[..<count]
                return count
            }
            if errno == EAGAIN {
                try Self.wait(descriptor, for: Int16(POLLIN), before: deadline)
            } else if errno != EINTR {
                throw .connectionLost
            }
        }
    }

    static func wait(
        _ descriptor: Int32, for events: Int16, before deadline: Int64
    ) throws(CommandClientError) {
        var readiness = pollfd(fd: descriptor, events: events, revents: 0)
        while true {
            let left = deadline - monotonicMilliseconds()
            guard left > 0 else { throw .timedOut }
            let count = poll(&readiness, 1, Int32(left))
            if count > 0 { return }
            precondition(count == 0 || errno == EINTR, "poll refused a descriptor")
        }
    }
}

func monotonicMilliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
}

/// `edge create`: asks the server for a link and prints its short URL. Returns the exit status.
package func runCreate(_ request: LinkRequest) -> Int32 {
    func failed(_ message: String) -> Int32 {
        StandardStream.error.write("edge create: \(message)\n")
        return ExitStatus.failed
    }
    let answer: CommandAnswer
    do {
        let client = CommandClient(server: request.server, key: try HeldKey.read(file: request.keyFile))
        answer = try client.send("POST", "/api/v1/urls", json: request.json)
    } catch let error as CommandClientError {
        return failed("http://\(request.server): \(error)")
    } catch {
        return failed("\(error)")
    }
    switch answer.created {
    case .link(let url): return StandardStream.output.write(url + "\n") ? ExitStatus.done : ExitStatus.failed
    case .refused(let reason): return failed(reason)
    }
}

extension LinkRequest {
    /// The body of `POST /api/v1/urls`.
    var json: [UInt8] {
        struct Body: Encodable {
            let long_url: String
            let custom_alias: String?
            let expires_in: Int64?
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let body = Body(long_url: url, custom_alias: alias, expires_in: expiresInSeconds)
        guard let bytes = try? encoder.encode(body) else { preconditionFailure("strings and numbers always encode") }
        return Array(bytes)
    }
}
