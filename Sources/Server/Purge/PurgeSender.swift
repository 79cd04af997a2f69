import Glibc

/// Makes calls to a cache, one after the other, over a connection that it keeps. For one thread.
final class PurgeSender {
    private let url: PurgeURL
    private let method: PurgeMethod
    private let host: String
    private let limits: PurgeLimits
    private var connection: KeptConnection?

    /// `publicHost`: host and port that short URLs start with. A cache knows what it keeps by the name that users ask for, so
    /// PURGE names that one; POST is for the server that it is sent to.
    init(_ url: PurgeURL, _ method: PurgeMethod, publicHost: String, _ limits: PurgeLimits) {
        (self.url, self.method, self.limits) = (url, method, limits)
        host = method == .purge ? publicHost : "\(url.server)"
    }

    /// Nil if the cache has done it, or has nothing of that code; else why not.
    func send(_ code: String) -> String? {
        do throws(CommandClientError) {
            let status: Int
            if let kept = connection, kept.isQuiet {
                do throws(CommandClientError) { status = try exchange(kept, code) } catch .connectionLost {
                    // A server may close a connection that rests at any moment, also while a request is on its way.
                    status = try sendAnew(code)
                }
            } else {
                status = try sendAnew(code)
            }
            return (200..<300).contains(status) || status == 404 ? nil : "the answer was \(status)"
        } catch {
            connection = nil
            return Self.reason(error)
        }
    }

    private func sendAnew(_ code: String) throws(CommandClientError) -> Int {
        connection = nil
        let fresh = try CommandConnection(url.server, timeoutMilliseconds: limits.connectMilliseconds)
        return try exchange(KeptConnection(fresh), code)
    }

    private func exchange(_ kept: KeptConnection, _ code: String) throws(CommandClientError) -> Int {
        var request = "\(method.rawValue) \(url.target(code)) HTTP/1.1\r\nHost: \(host)\r\n"
        request += "User-Agent: edge/\(edgeVersion)\r\nSurrogate-Key: \(code)\r\n"
        if method == .post { request += "Content-Length: 0\r\n" }
        let deadline = System.monotonicMilliseconds() + limits.answerMilliseconds
        try kept.connection.send(Array((request + "\r\n").utf8), before: deadline)
        var received: [UInt8] = []
        while true {
            let count = try kept.connection.receive(into: &received, before: deadline)
            if let answer = try CommandAnswer.parse(received, isWhole: count == 0) {
                self.connection = count == 0 ? nil : kept
                return answer.status
            }
            guard count > 0 else { throw .connectionLost }
            guard received.count <= CommandClient.answerBytes else { throw .answerTooLarge }
        }
    }

    static func reason(_ error: CommandClientError) -> String {
        switch error {
        case .unknownHost(let reason): "the host is not found: \(reason)"
        case .unreachable(let reason): "no connection: \(reason)"
        case .timedOut: "no answer in time"
        case .connectionLost: "the connection ended before the answer did"
        case .malformedAnswer: "the answer is not HTTP/1.1"
        case .answerTooLarge: "the answer is too large"
        }
    }
}

/// One that may serve another call.
private final class KeptConnection {
    let connection: CommandConnection

    init(_ connection: consuming CommandConnection) { self.connection = connection }

    /// Nothing has come that was not read, nor the end.
    var isQuiet: Bool {
        var readiness = pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&readiness, 1, 0) == 0
    }
}
