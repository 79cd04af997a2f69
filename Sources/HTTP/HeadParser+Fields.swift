import Primitives

/// RFC 9112 5: `field-name ":" OWS field-value OWS CRLF`, and the empty line that ends them.
extension HeadParser {
    /// False at the empty line, which concludes the head. Throws `.malformed` also if the line is not whole yet, with
    /// nothing taken note of.
    @inline(__always)
    mutating func readFieldLine(_ bytes: RawSpan, end: Int) throws(Refusal) -> Bool {
        let start = lineStart
        if bytes.hasLineEnd(at: start, before: end) {
            head.byteCount = UInt32(truncatingIfNeeded: start &+ 2)
            try conclude()
            return false
        }
        guard let nameEnd = bytes.firstColon(from: start, to: end) else { throw .malformed }
        let field = Field.named(bytes, at: start, count: nameEnd &- start)
        // A name that is known is a token; what stands before the colon otherwise may be anything.
        guard field != nil || bytes.isToken(from: start, to: nameEnd) else { throw .malformed }
        let valueStart = bytes.endOfBlanks(from: nameEnd &+ 1, to: end)
        let lineEnd = bytes.endOfFieldContent(from: valueStart, to: end)
        guard bytes.hasLineEnd(at: lineEnd, before: end) else { throw .malformed }
        fieldCount &+= 1
        if fieldCount > Limits.fields { throw .headTooLarge }
        if let field {
            let value = HeadSlice(from: valueStart, to: bytes.trimmedEnd(from: valueStart, to: lineEnd))
            try take(field, value, bytes)
        }
        lineStart = lineEnd &+ 2
        return true
    }

    @inline(__always)
    private mutating func take(_ field: Field, _ value: HeadSlice, _ bytes: RawSpan) throws(Refusal) {
        if head.has(field) {
            if field.mustNotRepeat { throw .malformed }
            head.markRepeated(field)
        } else {
            head[field] = value
        }
        let start = value.range.lowerBound
        let end = value.range.upperBound
        switch field {
        case .host: guard Authority.isValid(bytes, from: start, to: end) else { throw .malformed }
        case .connection:
            if end &- start == 10, bytes.spells("keep-alive", at: start) {
                options.keepsAlive = true
            } else {
                takeConnection(bytes, from: start, to: end)
            }
        case .contentLength: contentLength = try Self.length(bytes, from: start, to: end)
        case .transferEncoding: try takeTransferEncoding(bytes, from: start, to: end)
        case .expect: try takeExpectations(bytes, from: start, to: end)
        default: break
        }
    }

    private mutating func takeConnection(_ bytes: RawSpan, from start: Int, to end: Int) {
        var list = ListElements(from: start, to: end)
        while let element = list.next(bytes) {
            if bytes.equalsIgnoringCase("keep-alive", from: element.lowerBound, to: element.upperBound) {
                options.keepsAlive = true
            } else if bytes.equalsIgnoringCase("close", from: element.lowerBound, to: element.upperBound) {
                options.closes = true
            }
        }
    }

    /// `1*DIGIT` (RFC 9110 8.6); no sign, no list.
    private static func length(_ bytes: RawSpan, from start: Int, to end: Int) throws(Refusal) -> Int {
        guard start < end else { throw .malformed }
        var length = 0
        for offset in start..<end {
            let byte = bytes.byte(offset)
            guard ByteSet.digit.contains(byte) else { throw .malformed }
            let (product, tooLarge) = length.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = product.addingReportingOverflow(Int(byte - ASCII.zero))
            if tooLarge || overflow { throw .malformed }
            length = sum
        }
        return length
    }

    /// A list of codings. What is no bare token is refused, with or without parameters, and so are empty elements:
    /// here a second reading would be a smuggled request.
    private mutating func takeTransferEncoding(_ bytes: RawSpan, from start: Int, to end: Int) throws(Refusal) {
        var elementStart = start
        while true {
            let tokenStart = bytes.endOfBlanks(from: elementStart, to: end)
            let tokenEnd = bytes.endOfRun(of: .token, from: tokenStart, to: end)
            let separator = bytes.endOfBlanks(from: tokenEnd, to: end)
            guard tokenEnd > tokenStart, separator == end || bytes.byte(separator) == ASCII.comma else {
                throw .malformed
            }
            codings.append(isChunked: bytes.equalsIgnoringCase("chunked", from: tokenStart, to: tokenEnd))
            if separator == end { return }
            elementStart = separator + 1
        }
    }

    private mutating func takeExpectations(_ bytes: RawSpan, from start: Int, to end: Int) throws(Refusal) {
        var list = ListElements(from: start, to: end)
        while let element = list.next(bytes) {
            guard bytes.equalsIgnoringCase("100-continue", from: element.lowerBound, to: element.upperBound) else {
                throw .expectationFailed
            }
            expectsContinue = true
        }
    }
}
