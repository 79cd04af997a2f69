/// Throws for what a reader cannot see: controls, surrounding spaces, and the characters that reorder text or have no
/// width. They hide what a URL is, or part it (RFC 3987 4.1; a browser silently drops tabs and newlines).
func refuseHiddenCharacters(in text: [UInt8]) throws(DestinationError) {
    guard let first = text.first, let last = text.last else { throw .empty }
    if first == 0x20 { throw .surroundingSpace(at: 0) }
    if last == 0x20 { throw .surroundingSpace(at: text.count - 1) }
    let span = text.span
    var isASCII = true
    for index in span.indices {
        let byte = span[index]
        if byte &- 0x20 < 0x5f { continue }
        guard byte >= 0x80 else { throw .controlCharacter(at: index) }
        isASCII = false
    }
    if isASCII { return }
    guard let string = String(validating: text, as: UTF8.self) else { throw .notUTF8 }
    var offset = 0
    for scalar in string.unicodeScalars {
        if (0x80...0x9f).contains(scalar.value) { throw .controlCharacter(at: offset) }
        if isHidden(scalar) { throw .invisibleCharacter(at: offset) }
        offset += UTF8.width(scalar)
    }
}

/// Bidirectional controls (UAX 9) and zero-width characters.
func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x061c, 0x200b...0x200f, 0x202a...0x202e, 0x2060, 0x2066...0x2069, 0xfeff: true
    default: false
    }
}
