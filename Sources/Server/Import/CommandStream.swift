import CLinux
import Glibc
import HTTP

/// What a stream of a command ended with.
struct StreamedAnswer {
    /// Nil: the answer was a stream, and all of it has been taken. Else the node answered with this.
    let refusal: CommandAnswer?
    /// Field lines behind the body.
    var trailer = ""
}

extension CommandClient {
    /// How long nothing may come and nothing be taken.
    private static let quietMilliseconds: Int64 = 120_000

    /// One request whose answer, and body if it has one, is a stream. The body is asked for piece by piece, nil at its end,
    /// while the answer is taken: so neither side holds more of it than what is on its way. Throws what the two throw, and
    /// `CommandClientError`.
    func stream(
        _ method: String, _ target: String, body: (type: String, next: () throws -> [UInt8]?)? = nil,
        take: ([UInt8]) throws -> Void
    ) throws -> StreamedAnswer {
        let connection = try CommandConnection(server)
        var request = "\(method) \(target) HTTP/1.1\r\nHost: \(server)\r\nUser-Agent: edge/\(edgeVersion)\r\n"
        request += "Connection: close\r\n"
        if let key { request += "Authorization: Bearer \(key)\r\n" }
        if let body { request += "Content-Type: \(body.type)\r\nTransfer-Encoding: chunked\r\n" }
        var unsent = Array((request + "\r\n").utf8)[...]
        var (answer, next) = (AnswerStream(), body?.next)
        while true {
            if unsent.isEmpty, let produce = next {
                let piece = try produce()
                if piece == nil { next = nil }
                unsent = Self.chunk(piece ?? [])[...]
            }
            if try !connection.exchange(
                &unsent, before: monotonicMilliseconds() + Self.quietMilliseconds,
                { bytes in
                    try answer.receive(bytes, take)
                })
            {
                guard let refusal = try answer.refusal(isWhole: true) else { throw CommandClientError.connectionLost }
                return StreamedAnswer(refusal: refusal)
            }
            if answer.isWhole { return StreamedAnswer(refusal: nil, trailer: answer.trailer) }
            if let refusal = try answer.refusal(isWhole: false) { return StreamedAnswer(refusal: refusal) }
            // Whoever is refused need not send the rest.
            if answer.isRefusal { (next, unsent) = (nil, []) }
        }
    }

    /// The last one is empty.
    private static func chunk(_ bytes: [UInt8]) -> [UInt8] {
        Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + Array("\r\n".utf8)
    }
}

extension CommandConnection {
    /// Sends of `unsent` what can be sent, and hands on what has come; waits if neither can be done. False at the end of what
    /// comes.
    borrowing func exchange(
        _ unsent: inout ArraySlice<UInt8>, before deadline: Int64, _ receive: ([UInt8]) throws -> Void
    ) throws -> Bool {
        let events = Int16(POLLIN) | (unsent.isEmpty ? 0 : Int16(POLLOUT))
        try Self.wait(descriptor, for: events, before: deadline)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 { try receive(Array(buffer[..<count])) }
        // A connection that is reset has ended too: what came before may be an answer.
        if count == 0 || count < 0 && errno != EAGAIN && errno != EINTR { return false }
        guard !unsent.isEmpty else { return true }
        let sent = unsent.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if sent > 0 {
            unsent = unsent.dropFirst(sent)
        } else if errno != EAGAIN, errno != EINTR {
            // The node may have answered without reading it all.
            unsent = []
        }
        return true
    }
}

/// An answer as it comes: a head, and then a stream, or a refusal that is gathered.
private struct AnswerStream {
    private enum State {
        case head([UInt8])
        case refusal([UInt8])
        case body(StreamedBody, unread: [UInt8])
        case whole(trailer: String)
    }
    private var state = State.head([])

    var isWhole: Bool { if case .whole = state { true } else { false } }
    var isRefusal: Bool { if case .refusal = state { true } else { false } }
    var trailer: String { if case .whole(let trailer) = state { trailer } else { "" } }

    mutating func receive(_ bytes: [UInt8], _ take: ([UInt8]) throws -> Void) throws {
        switch state {
        case .head(let earlier):
            let all = earlier + bytes
            state = .head(all)
            guard let end = CommandAnswer.headEnd(of: all[...]) else {
                guard all.count <= CommandClient.answerBytes else { throw CommandClientError.answerTooLarge }
                return
            }
            guard let head = AnswerHead(all[..<end]) else { throw CommandClientError.malformedAnswer }
            if head.status == 200, case .chunked = head.framing {
                state = .body(.chunked, unread: [])
                return try receive(Array(all[end...]), take)
            }
            state = .refusal(all)
        case .refusal(let earlier):
            guard earlier.count <= CommandClient.answerBytes else { throw CommandClientError.answerTooLarge }
            state = .refusal(earlier + bytes)
        case .body(var body, var unread):
            var content: [UInt8] = []
            unread += bytes
            let (consumed, outcome) = body.decode(unread.span.bytes, into: &content)
            if !content.isEmpty { try take(content) }
            switch outcome {
            case .incomplete: state = .body(body, unread: Array(unread[consumed...]))
            case .complete: state = .whole(trailer: body.trailer)
            case .refused: throw CommandClientError.malformedAnswer
            }
        case .whole: break
        }
    }

    /// The refusal, if one has come; `isWhole`: nothing more will come.
    func refusal(isWhole: Bool) throws(CommandClientError) -> CommandAnswer? {
        guard case .refusal(let bytes) = state else { return nil }
        return try CommandAnswer.parse(bytes, isWhole: isWhole)
    }
}
