import Primitives

/// Takes a chunked body apart (RFC 9112 7.1): data and trailers are kept, extensions validated and dropped.
struct ChunkedBody: Sendable {
    enum Outcome: Equatable { case incomplete, complete, refused(Refusal) }

    private enum Expected { case sizeLine, data(Int), dataEnd, trailers }

    /// Of the data in all.
    private let limitBytes: Int
    private var expected = Expected.sizeLine
    /// Of what has not been consumed, as many bytes hold no line feed.
    private var searched = 0
    private var extensionBytes = 0
    private(set) var trailer: [UInt8] = []
    private var trailerCount = 0

    init(limitBytes: Int = Limits.bodyBytes) { self.limitBytes = limitBytes }

    /// Consumes from `offset` on what it understands; the rest comes again with more behind it.
    mutating func decode(_ bytes: RawSpan, at offset: inout Int, into body: inout [UInt8]) -> Outcome {
        do throws(Refusal) {
            while true {
                switch expected {
                case .sizeLine:
                    let limit = Limits.chunkLineBytes
                    guard let lineEnd = try lineEnd(bytes, from: offset, limit: limit, beyond: .malformed) else {
                        return .incomplete
                    }
                    try takeSizeLine(bytes, from: offset, to: lineEnd, bodyBytes: body.count)
                    offset = lineEnd + 2
                case .data(let remaining):
                    let taken = min(remaining, bytes.byteCount - offset)
                    body.append(bytes.extracting(offset..<offset + taken))
                    offset += taken
                    expected = taken == remaining ? .dataEnd : .data(remaining - taken)
                    if taken < remaining { return .incomplete }
                case .dataEnd:
                    guard try takeDataEnd(bytes, from: offset) else { return .incomplete }
                    offset += 2
                case .trailers:
                    let limit = Limits.trailerBytes - trailer.count
                    guard let lineEnd = try lineEnd(bytes, from: offset, limit: limit, beyond: .headTooLarge) else {
                        return .incomplete
                    }
                    let isLast = lineEnd == offset
                    if !isLast { try takeTrailer(bytes, from: offset, to: lineEnd) }
                    offset = lineEnd + 2
                    if isLast { return .complete }
                }
            }
        } catch {
            return .refused(error)
        }
    }

    /// The offset of the CR that ends the line at `start`; nil if it has not come.
    private mutating func lineEnd(
        _ bytes: RawSpan, from start: Int, limit: Int, beyond: Refusal
    ) throws(Refusal) -> Int? {
        let end = min(bytes.byteCount, start + limit)
        guard let lineFeed = bytes.firstLineFeed(from: min(start + searched, end), to: end) else {
            if end == start + limit { throw beyond }
            searched = end - start
            return nil
        }
        searched = 0
        guard lineFeed > start, bytes.byte(lineFeed - 1) == ASCII.carriageReturn else { throw .malformed }
        return lineFeed - 1
    }

    /// `chunk-size [ chunk-ext ]`.
    private mutating func takeSizeLine(
        _ bytes: RawSpan, from start: Int, to end: Int, bodyBytes: Int
    ) throws(Refusal) {
        var size: UInt64 = 0
        var offset = start
        while offset < end, let digit = ASCII.hexValue(bytes.byte(offset)) {
            if size >> 60 != 0 { throw .malformed }
            size = size << 4 | UInt64(digit)
            offset += 1
        }
        guard offset > start, Self.areExtensions(bytes, from: offset, to: end) else { throw .malformed }
        extensionBytes += max(0, end + 2 - start - Limits.plainChunkLineBytes)
        if extensionBytes > Limits.chunkExtensionBytes { throw .malformed }
        if size > UInt64(limitBytes - bodyBytes) { throw .bodyTooLarge }
        expected = size == 0 ? .trailers : .data(Int(size))
    }

    /// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`.
    private static func areExtensions(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
        var offset = start
        while offset < end {
            offset = bytes.endOfBlanks(from: offset, to: end)
            guard offset < end, bytes.byte(offset) == ASCII.semicolon else { return false }
            offset = bytes.endOfBlanks(from: offset + 1, to: end)
            let nameEnd = bytes.endOfRun(of: .token, from: offset, to: end)
            guard nameEnd > offset else { return false }
            offset = nameEnd
            let equals = bytes.endOfBlanks(from: offset, to: end)
            guard equals < end, bytes.byte(equals) == ASCII.equals else { continue }
            let value = bytes.endOfBlanks(from: equals + 1, to: end)
            guard let valueEnd = bytes.endOfTokenOrQuotedString(from: value, to: end) else { return false }
            offset = valueEnd
        }
        return true
    }

    /// False if CR LF has not come whole.
    private mutating func takeDataEnd(_ bytes: RawSpan, from start: Int) throws(Refusal) -> Bool {
        let count = bytes.byteCount - start
        if count > 0, bytes.byte(start) != ASCII.carriageReturn { throw .malformed }
        if count > 1, bytes.byte(start + 1) != ASCII.lineFeed { throw .malformed }
        guard count > 1 else { return false }
        expected = .sizeLine
        return true
    }

    /// A field line, as in a head; what it says is not believed (RFC 9110 6.5.1).
    private mutating func takeTrailer(_ bytes: RawSpan, from start: Int, to end: Int) throws(Refusal) {
        let nameEnd = bytes.endOfRun(of: .token, from: start, to: end)
        guard nameEnd > start, nameEnd < end, bytes.byte(nameEnd) == ASCII.colon,
            bytes.endOfFieldContent(from: nameEnd + 1, to: end) == end
        else { throw .malformed }
        trailer.append(bytes.extracting(start..<end + 2))
        trailerCount += 1
        if trailerCount > Limits.trailers { throw .headTooLarge }
    }
}

extension RawSpan {
    /// RFC 9110 5.6.2, 5.6.4; nil if neither begins at `start`.
    func endOfTokenOrQuotedString(from start: Int, to end: Int) -> Int? {
        guard start < end, byte(start) == ASCII.quote else {
            let tokenEnd = endOfRun(of: .token, from: start, to: end)
            return tokenEnd > start ? tokenEnd : nil
        }
        var offset = start + 1
        while offset < end {
            if byte(offset) == ASCII.quote { return offset + 1 }
            if byte(offset) == ASCII.backslash { offset += 1 }
            guard offset < end, ASCII.isFieldContent(byte(offset)) else { return nil }
            offset += 1
        }
        return nil
    }
}
