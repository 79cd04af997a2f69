import Primitives

/// RFC 9112 3: `method SP request-target SP HTTP-version CRLF`. What throws `.malformed` may just not be whole yet:
/// `parse` finds out.
extension HeadParser {
    @inline(__always)
    mutating func readRequestLine(_ bytes: RawSpan) throws(Refusal) {
        // One empty line before a request is forgiven (RFC 9112 2.2).
        if lineStart == 0, bytes.hasLineEnd(at: 0, before: bytes.byteCount) { lineStart = 2 }
        let end = min(bytes.byteCount, lineStart &+ Limits.requestLineBytes)
        let target = try readMethod(bytes, end: end)
        let targetEnd = try readTarget(bytes, from: target, end: end)
        guard targetEnd &+ 11 <= end, bytes.byte(targetEnd) == ASCII.space else { throw .malformed }
        head.minorVersion = try minorVersion(bytes, at: targetEnd &+ 1)
        guard bytes.hasLineEnd(at: targetEnd &+ 9, before: end) else { throw .malformed }
        if targetEnd &- target > Limits.targetBytes { throw .targetTooLong }
        lineStart = targetEnd &+ 11
        readsFields = true
    }

    /// Returns where the target begins.
    @inline(__always)
    private mutating func readMethod(_ bytes: RawSpan, end: Int) throws(Refusal) -> Int {
        if lineStart &+ 4 <= end, bytes.halfWord(lineStart) == 0x2054_4547 {  // "GET "
            head.method = .get
            return lineStart &+ 4
        }
        return try readAnyMethod(bytes, end: end)
    }

    private mutating func readAnyMethod(_ bytes: RawSpan, end: Int) throws(Refusal) -> Int {
        let nameEnd = bytes.endOfRun(of: .token, from: lineStart, to: end)
        guard nameEnd > lineStart, nameEnd < end, bytes.byte(nameEnd) == ASCII.space else { throw .malformed }
        if nameEnd - lineStart > Limits.methodBytes { throw .notImplemented }
        // Methods are case-sensitive (RFC 9110 9.1).
        func has(_ name: StaticString) -> Bool {
            guard nameEnd - lineStart == name.utf8CodeUnitCount else { return false }
            // Safety: the offset stays below the literal's count.
            return (0..<nameEnd - lineStart).allSatisfy { unsafe bytes.byte(lineStart + $0) == name.utf8Start[$0] }
        }
        if has("CONNECT") { throw try refusalOfTunnel(bytes, from: nameEnd + 1, end: end) }
        head.method =
            if has("HEAD") { .head } else if has("POST") { .post } else if has("PUT") { .put } else if has("PATCH") {
                .patch
            } else if has("DELETE") { .delete } else if has("OPTIONS") { .options } else { .other }
        return nameEnd + 1
    }

    /// CONNECT's target has a form of its own, and what follows would be a tunnel's: 501, if the line is right.
    private func refusalOfTunnel(_ bytes: RawSpan, from start: Int, end: Int) throws(Refusal) -> Refusal {
        var offset = start
        while offset < end, bytes.byte(offset) != ASCII.space, bytes.byte(offset) != ASCII.lineFeed { offset += 1 }
        guard offset + 11 <= end, bytes.byte(offset) == ASCII.space else { throw .malformed }
        _ = try minorVersion(bytes, at: offset + 1)
        return bytes.hasLineEnd(at: offset + 9, before: end) ? .notImplemented : .malformed
    }

    /// Returns where the target ends.
    @inline(__always)
    private mutating func readTarget(_ bytes: RawSpan, from start: Int, end: Int) throws(Refusal) -> Int {
        guard start < end else { throw .malformed }
        authority = .absent
        if bytes.byte(start) == ASCII.slash { return readPath(bytes, from: start, end: end) }
        return try readUncommonTarget(bytes, from: start, end: end)
    }

    /// `absolute-path [ "?" query ]`.
    @inline(__always)
    private mutating func readPath(_ bytes: RawSpan, from start: Int, end: Int) -> Int {
        let pathEnd = bytes.endOfEncodedRun(of: .path, from: start, to: end)
        head.path = HeadSlice(from: start, to: pathEnd)
        return readQuery(bytes, from: pathEnd, end: end)
    }

    @inline(__always)
    private mutating func readQuery(_ bytes: RawSpan, from start: Int, end: Int) -> Int {
        guard start < end, bytes.byte(start) == ASCII.questionMark else {
            head.query = .absent
            return start
        }
        let queryEnd = bytes.endOfRun(of: .query, from: start &+ 1, to: end)
        head.query = HeadSlice(from: start &+ 1, to: queryEnd)
        return queryEnd
    }

    /// `*` of OPTIONS, or a whole URI (RFC 9112 3.2.2, 3.2.4).
    private mutating func readUncommonTarget(_ bytes: RawSpan, from start: Int, end: Int) throws(Refusal) -> Int {
        if bytes.byte(start) == ASCII.asterisk {
            guard head.method == .options else { throw .malformed }
            head.path = HeadSlice(from: start, to: start + 1)
            head.query = .absent
            return start + 1
        }
        var authorityStart = start
        if start + 8 <= end, bytes.equalsIgnoringCase("https://", from: start, to: start + 8) {
            authorityStart += 8
        } else if start + 7 <= end, bytes.equalsIgnoringCase("http://", from: start, to: start + 7) {
            authorityStart += 7
        } else {
            throw .malformed
        }
        var authorityEnd = authorityStart
        while authorityEnd < end, !Self.endsAuthority(bytes.byte(authorityEnd)) { authorityEnd += 1 }
        guard Authority.isValid(bytes, from: authorityStart, to: authorityEnd) else { throw .malformed }
        authority = HeadSlice(from: authorityStart, to: authorityEnd)
        if authorityEnd < end, bytes.byte(authorityEnd) == ASCII.slash {
            return readPath(bytes, from: authorityEnd, end: end)
        }
        // An empty path is `/` (RFC 9110 4.2.3): the second one before the authority serves.
        head.path = HeadSlice(from: authorityStart - 1, to: authorityStart)
        return readQuery(bytes, from: authorityEnd, end: end)
    }

    private static func endsAuthority(_ byte: UInt8) -> Bool {
        byte == ASCII.slash || byte == ASCII.questionMark || byte == ASCII.space || byte == ASCII.lineFeed
    }

    /// The eight bytes at `offset` are there.
    @inline(__always)
    private func minorVersion(_ bytes: RawSpan, at offset: Int) throws(Refusal) -> UInt8 {
        let word = bytes.word(offset)
        if word == 0x312E_312F_5054_5448 { return 1 }  // "HTTP/1.1"
        if word == 0x302E_312F_5054_5448 { return 0 }  // "HTTP/1.0"
        // `HTTP/` DIGIT `.` DIGIT.
        guard word & 0xFF_00FF_FFFF_FFFF == 0x2E_002F_5054_5448, ByteSet.digit.contains(bytes.byte(offset &+ 5)),
            ByteSet.digit.contains(bytes.byte(offset &+ 7)), bytes.byte(offset &+ 8) == ASCII.carriageReturn
        else { throw .malformed }
        throw .versionNotSupported
    }
}
