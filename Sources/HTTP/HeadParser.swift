import Primitives

/// Reads one head, line by line, and can stop anywhere to go on when more bytes have come.
///
/// The way through a whole head is one pass over its bytes. Whatever stops it, an illegal byte or the end of what is
/// there, is looked at again in `interruption`: if the line is not whole yet, it is incomplete; else the refusal holds.
/// So the outcome depends on the bytes alone and not on how they were split. A line that was not whole is read again
/// only when its line feed has come, which is looked for from where the last search ended: linear in total.
struct HeadParser {
    /// How the bytes after the head are framed (RFC 9112 6.3).
    enum Framing { case none, length(Int), chunked }

    enum Outcome { case incomplete, complete, refused(Refusal) }

    var head = RequestHead()
    /// The first line that has not been read, and an offset from it on before which there is no line feed.
    var lineStart = 0
    var searched = 0
    var readsFields = false
    var fieldCount = 0
    /// Of a target in absolute form.
    var authority = HeadSlice.absent
    var contentLength: Int?
    var codings = TransferCodings()
    var options = ConnectionOptions()
    var expectsContinue = false

    /// Makes ready for the next head.
    @inline(__always)
    mutating func reset() {
        head.forgetFields()
        lineStart = 0
        searched = 0
        readsFields = false
        fieldCount = 0
        contentLength = nil
        codings = TransferCodings()
        options = ConnectionOptions()
        expectsContinue = false
    }

    /// `bytes` begins where the head does, and each time holds at least what it held before.
    mutating func parse(_ bytes: RawSpan) -> Outcome {
        if searched > lineStart, !lineIsWhole(bytes) { return unfinished(bytes) }
        do throws(Refusal) {
            if !readsFields { try readRequestLine(bytes) }
            let end = min(bytes.byteCount, Limits.headBytes)
            while try readFieldLine(bytes, end: end) {}
            return .complete
        } catch {
            return interruption(bytes, by: error)
        }
    }

    /// Where a line must have ended.
    private var lineLimit: Int { readsFields ? Limits.headBytes : lineStart + Limits.requestLineBytes }

    private mutating func lineIsWhole(_ bytes: RawSpan) -> Bool {
        let end = min(bytes.byteCount, lineLimit)
        if bytes.firstLineFeed(from: max(searched, lineStart), to: end) != nil { return true }
        searched = end
        return false
    }

    private func unfinished(_ bytes: RawSpan) -> Outcome {
        if bytes.byteCount < lineLimit { return .incomplete }
        return .refused(readsFields ? .headTooLarge : .targetTooLong)
    }

    @inline(never)
    private mutating func interruption(_ bytes: RawSpan, by refusal: Refusal) -> Outcome {
        lineIsWhole(bytes) ? .refused(refusal) : unfinished(bytes)
    }

    // MARK: The end of the head

    /// How the body is framed; all that only the whole head can tell. Called once, at the empty line.
    mutating func conclude() throws(Refusal) {
        guard head.has(.host) || head.minorVersion == 0 else { throw .malformed }
        if authority.isPresent { head[.host] = authority }
        head.keepsAlive = !options.closes && (head.minorVersion == 1 || options.keepsAlive)
        if head.has(.transferEncoding) {
            guard head.minorVersion == 1, contentLength == nil, codings.endInChunked else { throw .malformed }
            if codings.includeUnknown { throw .notImplemented }
        }
    }

    /// Only of a complete head.
    var framing: Framing {
        if head.has(.transferEncoding) { return .chunked }
        if let contentLength, contentLength > 0 { return .length(contentLength) }
        return .none
    }
}

/// What Connection fields said (RFC 9110 7.6.1).
struct ConnectionOptions {
    var closes = false
    var keepsAlive = false
}

/// What Transfer-Encoding fields named, in their order (RFC 9112 6.1, 7).
struct TransferCodings {
    private var chunkedCount = 0
    private var unknownCount = 0
    private var lastIsChunked = false

    var includeUnknown: Bool { unknownCount > 0 }
    /// Chunked once and last; or not named at all, but others, of which no length is known but which are unknown anyway.
    var endInChunked: Bool { chunkedCount == 0 ? unknownCount > 0 : chunkedCount == 1 && lastIsChunked }

    mutating func append(isChunked: Bool) {
        lastIsChunked = isChunked
        if isChunked { chunkedCount += 1 } else { unknownCount += 1 }
    }
}
