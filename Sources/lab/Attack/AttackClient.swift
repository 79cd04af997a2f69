import CLinux
import Glibc
import Primitives

/// One hostile connection.
final class AttackClient {
    struct Answer {
        let status: Int
        /// Status line and fields.
        let head: String
    }

    let descriptor: Int32
    private var received: [UInt8] = []
    private(set) var isClosed = false

    init(_ port: UInt16) throws { descriptor = try connectToLoopback(port) }

    deinit { close(descriptor) }

    /// Sends all of it, as far as the other side takes it within `milliseconds`, and keeps what comes meanwhile. A side
    /// that has closed takes nothing more.
    func send(_ bytes: [UInt8], withinMilliseconds milliseconds: Int = 30_000) {
        var sent = 0
        let deadline = MonotonicClock.nanoseconds + UInt64(milliseconds) * 1_000_000
        while sent < bytes.count, !isClosed, MonotonicClock.nanoseconds < deadline {
            var readiness = pollfd(fd: descriptor, events: Int16(POLLIN | POLLOUT), revents: 0)
            guard poll(&readiness, 1, 100) > 0 else { continue }
            if Int32(readiness.revents) & POLLIN != 0 { take() }
            guard Int32(readiness.revents) & POLLOUT != 0, !isClosed else { continue }
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress! + sent, $0.count - sent,
                    Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count > 0 { sent += count } else if errno != EAGAIN { return }
        }
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    /// The answers that come until there are `count`, the other side closes, or nothing has come for
    /// `patienceMilliseconds`.
    func answers(upTo count: Int, patienceMilliseconds: Int32 = 30_000) -> [Answer] {
        var answers: [Answer] = []
        while answers.count < count {
            if let answer = nextAnswer() {
                answers.append(answer)
                continue
            }
            var readiness = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard !isClosed, poll(&readiness, 1, patienceMilliseconds) > 0 else { break }
            take()
        }
        return answers
    }

    private func nextAnswer() -> Answer? {
        guard let found = received.withUnsafeBytes({ ResponseScanner.first(of: $0) }) else { return nil }
        let text = received[..<found.byteCount]
        received.removeFirst(found.byteCount)
        let head = String(decoding: text, as: UTF8.self).split(separator: "\r\n\r\n", maxSplits: 1)[0]
        return Answer(status: found.status, head: String(head))
    }

    private func take() {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &chunk, chunk.count, Int32(MSG_DONTWAIT))
        if count > 0 { received += chunk[..<count] } else if count == 0 || errno != EAGAIN { isClosed = true }
    }
}

/// Requests as text.
enum Request {
    static func get(_ path: String, _ fields: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: edge.example\r\n\(fields)\r\n"
    }

    static func post(_ body: [UInt8], _ fields: String = "") -> [UInt8] {
        Array(
            ("POST /api/v1/urls HTTP/1.1\r\nHost: edge.example\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.count)\r\n\(fields)\r\n").utf8) + body
    }

    static func create(_ url: String, alias: String? = nil) -> [UInt8] {
        var body = Array("{\"long_url\":".utf8)
        body.append(jsonString: url)
        if let alias {
            body += Array(",\"custom_alias\":".utf8)
            body.append(jsonString: alias)
        }
        return post(body + [UInt8(ascii: "}")])
    }
}
