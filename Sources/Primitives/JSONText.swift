/// JSON written straight into bytes (RFC 8259). `JSONValue` reads it.
extension [UInt8] {
    /// A JSON string with its quotes. Beyond what JSON demands, U+007F is escaped, and nothing else.
    package mutating func append(jsonString text: String) {
        var text = text
        text.withUTF8 { unsafe append(jsonUTF8: $0) }
    }

    /// The same of bytes that are known to be UTF-8.
    package mutating func append(jsonUTF8 text: [UInt8]) {
        unsafe text.withUnsafeBufferPointer { unsafe append(jsonUTF8: $0) }
    }

    private mutating func append(jsonUTF8 text: UnsafeBufferPointer<UInt8>) {
        append(0x22)
        var start = 0
        for index in text.indices {
            let byte = unsafe text[index]
            if byte >= 0x20, byte != 0x22, byte != 0x5C, byte != 0x7F { continue }
            unsafe append(contentsOf: text[start..<index])
            appendEscaped(byte)
            start = index + 1
        }
        unsafe append(contentsOf: text[start...])
        append(0x22)
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        append(0x5C)
        switch byte {
        case 0x22, 0x5C: append(byte)
        case 0x0A: append(0x6E)
        case 0x0D: append(0x72)
        case 0x09: append(0x74)
        default:
            append(contentsOf: [0x75, 0x30, 0x30])
            append(Self.hexDigit(byte >> 4))
            append(Self.hexDigit(byte & 15))
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

    /// `,"name":`, without the comma behind an opening brace.
    package mutating func append(jsonKey name: StaticString) {
        if last != 0x7B { append(0x2C) }
        append(0x22)
        unsafe append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        append(0x22)
        append(0x3A)
    }

    package mutating func append(jsonKey name: StaticString, string: String?) {
        append(jsonKey: name)
        if let string { append(jsonString: string) } else { append(contentsOf: "null".utf8) }
    }

    package mutating func append(jsonKey name: StaticString, utf8 text: [UInt8]) {
        append(jsonKey: name)
        append(jsonUTF8: text)
    }

    package mutating func append(jsonKey name: StaticString, bool: Bool) {
        append(jsonKey: name)
        append(contentsOf: (bool ? "true" : "false").utf8)
    }

    package mutating func append(jsonKey name: StaticString, strings: [String]) {
        append(jsonKey: name)
        append(0x5B)
        for (index, string) in strings.enumerated() {
            if index > 0 { append(0x2C) }
            append(jsonString: string)
        }
        append(0x5D)
    }
}
