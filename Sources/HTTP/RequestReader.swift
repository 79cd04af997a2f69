import Primitives

/// One connection's requests, read from its bytes (RFC 9112). A pure machine: the connection's owner keeps the bytes
/// that have not been consumed, and does what each step says.
///
///     bytes ──► next ──► .request, .message     answer it; drop what it consumed; ask again
///                   ├──► .stream                take the body from the bytes behind; ask no more
///                   ├──► .continueExpected      send 100 Continue; drop; ask again
///                   ├──► .incomplete            drop; ask again when more has come
///                   ├──► .refused               answer with its status and close
///                   └──► .ended                 close when what is owed has been sent
///
/// The steps depend on the bytes alone, not on how they arrived. After a refusal, or a request that ends the
/// connection, there is nothing but `.ended`.
/// Not to be copied: whoever asks one something would copy it.
package struct RequestReader: ~Copyable, Sendable {
    package enum Step: Sendable {
        /// More bytes are needed. Of a head nothing is consumed until it is whole.
        case incomplete(consumed: Int)
        /// A request without a body: offsets into the bytes given. It consumes the head's `byteCount`.
        case request(RequestHead)
        /// A request with a body, however long, even of no bytes if it was chunked. Boxed, so that the other steps stay
        /// small.
        indirect case message(Message, consumed: Int)
        /// A request whose body is not gathered: its head, and what takes the body from the bytes behind it.
        indirect case stream(Message, StreamedBody, consumed: Int)
        /// The client waits for `100 Continue` before it sends the body (RFC 9110 10.1.1).
        case continueExpected(consumed: Int)
        case refused(Refusal)
        /// The peer has sent its last whole request, or was told or has said that no more follow.
        case ended
    }

    private enum Phase {
        case head
        case fixedBody(remaining: Int)
        case chunkedBody(ChunkedBody)
        case finished
    }

    private var phase = Phase.head
    private var parser = HeadParser()
    /// Of the request whose body is being read; its head is the parser's.
    private var headBytes: [UInt8] = []
    private var body: [UInt8] = []

    package init() {}

    /// No part of a request has been consumed that is not delivered yet.
    package var isBetweenRequests: Bool {
        switch phase {
        case .head, .finished: true
        case .fixedBody, .chunkedBody: false
        }
    }

    /// Bytes that were consumed and belong to a request that is not delivered yet.
    package var keptBytes: Int { headBytes.count + body.count }

    /// Reads on. `bytes` are all that have come and have not been consumed, `ended` whether the peer will send no more.
    /// Each call without a consuming step between must give at least the bytes that the last one gave.
    ///
    /// `streams`: whether the body of a request with that head, read from those bytes, is left to a stream.
    package mutating func next(
        _ bytes: RawSpan, ended: Bool, streams: (RequestHead, RawSpan) -> Bool = { _, _ in false }
    ) -> Step {
        switch phase {
        case .head:
            if bytes.byteCount == 0 { return wait(consumed: 0, ended: ended) }
            switch parser.parse(bytes) {
            case .complete: return concludeHead(bytes, ended: ended, streams)
            case .incomplete: return wait(consumed: 0, ended: ended)
            case .refused(let refusal): return refuse(refusal)
            }
        case .fixedBody, .chunkedBody: return nextOfBody(bytes, at: 0, ended: ended)
        case .finished: return .ended
        }
    }

    @inline(__always)
    private mutating func concludeHead(
        _ bytes: RawSpan, ended: Bool, _ streams: (RequestHead, RawSpan) -> Bool
    ) -> Step {
        let count = Int(parser.head.byteCount)
        switch parser.framing {
        case .none:
            // After the head has been copied into the step.
            defer { finishRequest() }
            return .request(parser.head)
        case .length where streams(parser.head, bytes), .chunked where streams(parser.head, bytes):
            return beginStream(bytes, consumed: count)
        case .length(let length):
            if length > Limits.bodyBytes { return refuse(.bodyTooLarge) }
            phase = .fixedBody(remaining: length)
        case .chunked: phase = .chunkedBody(ChunkedBody())
        }
        headBytes = [UInt8](bytes.extracting(..<count))
        if parser.expectsContinue, parser.head.minorVersion == 1 { return .continueExpected(consumed: count) }
        return nextOfBody(bytes, at: count, ended: ended)
    }

    @inline(never)
    private mutating func beginStream(_ bytes: RawSpan, consumed: Int) -> Step {
        phase = .finished
        let expectsContinue = parser.expectsContinue && parser.head.minorVersion == 1
        return .stream(
            Message(copying: parser.head, from: bytes),
            StreamedBody(parser.framing, expectsContinue: expectsContinue), consumed: consumed)
    }

    @inline(never)
    private mutating func nextOfBody(_ bytes: RawSpan, at start: Int, ended: Bool) -> Step {
        var offset = start
        switch phase {
        case .fixedBody(let remaining):
            let taken = min(remaining, bytes.byteCount - offset)
            body.append(bytes.extracting(offset..<offset + taken))
            offset += taken
            phase = .fixedBody(remaining: remaining - taken)
            if taken < remaining { return wait(consumed: offset, ended: ended) }
        case .chunkedBody(var chunks):
            let outcome = chunks.decode(bytes, at: &offset, into: &body)
            phase = .chunkedBody(chunks)
            switch outcome {
            case .complete: break
            case .incomplete: return wait(consumed: offset, ended: ended)
            case .refused(let refusal): return refuse(refusal)
            }
        case .head, .finished: preconditionFailure("no body is being read")
        }
        let message = Message(headBytes: headBytes, head: parser.head, body: body)
        (headBytes, body) = ([], [])
        finishRequest()
        return .message(message, consumed: offset)
    }

    @inline(__always)
    private mutating func finishRequest() {
        phase = parser.head.keepsAlive ? .head : .finished
        parser.reset()
    }

    private mutating func refuse(_ refusal: Refusal) -> Step {
        self = RequestReader()
        phase = .finished
        return .refused(refusal)
    }

    /// A request that is not whole when the peer ends is never delivered.
    private mutating func wait(consumed: Int, ended: Bool) -> Step {
        guard ended else { return .incomplete(consumed: consumed) }
        self = RequestReader()
        phase = .finished
        return .ended
    }
}
