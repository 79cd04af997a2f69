import Primitives

/// What one connection's bytes lead to, without how they were cut up.
package enum ReadEvent: Equatable, Sendable {
    /// The head and its bytes.
    case request(RequestHead, [UInt8])
    case message(Message)
    case continueExpected
    case refused(Refusal)
    case ended
}

extension RequestReader {
    /// Everything that `bytes` lead to if they arrive in pieces that end at `splits` (ascending) and at the end, where
    /// the peer ends too. Keeps what is not consumed, as a connection does, and traps if the machine breaks its word.
    package static func readAll(_ bytes: RawSpan, splits: [Int] = []) -> [ReadEvent] {
        var reader = RequestReader()
        var events: [ReadEvent] = []
        var start = 0
        for end in splits + [bytes.byteCount] {
            let isLast = end == bytes.byteCount
            reading: while true {
                let unread = bytes.extracting(start..<max(start, end))
                switch reader.next(unread, ended: isLast) {
                case .incomplete(let consumed):
                    precondition(!isLast && consumed <= unread.byteCount)
                    start += consumed
                    break reading
                case .request(let head):
                    head.checkInvariants(unread)
                    let consumed = Int(head.byteCount)
                    events.append(.request(head, [UInt8](unread.extracting(..<consumed))))
                    start += consumed
                case .message(let message, let consumed):
                    unsafe message.head.checkInvariants(message.headBytes.span.bytes)
                    precondition(consumed <= unread.byteCount)
                    events.append(.message(message))
                    start += consumed
                case .stream: preconditionFailure("a stream that nobody asked for")
                case .continueExpected(let consumed):
                    precondition(consumed > 0 && consumed <= unread.byteCount)
                    events.append(.continueExpected)
                    start += consumed
                case .refused(let refusal): events.append(.refused(refusal))
                case .ended: return events + [.ended]
                }
            }
        }
        preconditionFailure("the peer ended, the machine did not")
    }
}

extension RequestHead {
    /// What a delivered head promises of the bytes it was read from.
    package func checkInvariants(_ bytes: RawSpan) {
        let count = Int(byteCount)
        precondition(count >= 16 && count <= min(bytes.byteCount, Limits.headBytes))
        precondition(bytes.hasLineEnd(at: count - 4, before: count) && bytes.hasLineEnd(at: count - 2, before: count))
        precondition(path.isPresent && path.count > 0 && path.range.upperBound < count)
        let first = bytes.byte(path.range.lowerBound)
        precondition(first == ASCII.slash || (first == ASCII.asterisk && method == .options && path.count == 1))
        precondition(bytes.endOfEncodedRun(of: .path, from: Int(path.start), to: count) >= path.range.upperBound)
        if query.isPresent { precondition(bytes.byte(query.range.lowerBound - 1) == ASCII.questionMark) }
        precondition(minorVersion == 0 || (minorVersion == 1 && self[.host].count > 0))
        precondition(!(self[.transferEncoding].isPresent && self[.contentLength].isPresent))
        for field in Field.allCases where self[field].isPresent {
            let range = self[field].range
            precondition(range.upperBound < count)
            precondition(bytes.endOfFieldContent(from: range.lowerBound, to: range.upperBound) == range.upperBound)
            precondition(!(isRepeated(field) && field.mustNotRepeat))
            _ = value(of: field, in: bytes)
        }
    }
}

/// For a fuzzer: reads the input whole, and in pieces of sizes that the input itself chooses; traps if the two differ.
package func fuzzRequestReader(_ bytes: RawSpan) {
    let whole = RequestReader.readAll(bytes)
    var random = SeededRandom(seed: (0..<bytes.byteCount).reduce(0) { $0 &* 31 &+ UInt64(bytes.byte($1)) })
    for longest in [1, 7, 64] {
        var splits: [Int] = []
        var end = 0
        while true {
            end += Int.random(in: 1...longest, using: &random)
            if end >= bytes.byteCount { break }
            splits.append(end)
        }
        precondition(RequestReader.readAll(bytes, splits: splits) == whole, "what is read depends on the splits")
    }
    fuzzStream(bytes, whole, &random)
    fuzzFieldValues(bytes)
}

/// A first request with a body, taken as a stream in pieces of any size: the same head and the same body as gathered.
private func fuzzStream(_ bytes: RawSpan, _ whole: [ReadEvent], _ random: inout SeededRandom) {
    var reader = RequestReader()
    guard case .stream(let head, var body, var start) = reader.next(bytes, ended: false, streams: { _, _ in true })
    else {
        return
    }
    guard case .ended = reader.next(bytes, ended: false) else { preconditionFailure("something follows a stream") }
    var (content, end, outcome) = ([UInt8](), start, StreamedBody.Outcome.incomplete)
    while outcome == .incomplete, end < bytes.byteCount || start == end {
        end = min(bytes.byteCount, end + Int.random(in: 1...64, using: &random))
        let (consumed, next) = body.decode(bytes.extracting(start..<end), into: &content)
        precondition(consumed <= end - start)
        (start, outcome) = (start + consumed, next)
        if end == bytes.byteCount { break }
    }
    for event in whole {
        switch event {
        case .continueExpected: continue
        case .message(let message):
            precondition(outcome == .complete && message.headBytes == head.headBytes && message.body == content)
        case .refused: precondition(outcome != .complete || content.count > Limits.bodyBytes)
        case .ended: precondition(outcome == .incomplete)
        case .request: preconditionFailure("a body that is not there")
        }
        return
    }
}

/// The readers of values take any bytes: none may trap, and what they return lies inside.
private func fuzzFieldValues(_ bytes: RawSpan) {
    _ = MediaType.matches(bytes, "application/json")
    _ = MediaType.prefers("text/html", over: "application/json", accept: bytes)
    _ = FieldList.contains(bytes, "token=cookie")
    precondition(FieldList.elements(of: bytes).allSatisfy { !$0.isEmpty && $0.upperBound <= bytes.byteCount })
    precondition(FieldList.last(of: bytes) == FieldList.elements(of: bytes).last)
    _ = EntityTags.match(bytes, tag: bytes, strongly: false)
    if let value = Cookies.value(of: "edge", in: bytes) { precondition(value.upperBound <= bytes.byteCount) }
}
