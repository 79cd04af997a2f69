/// JSON written straight into bytes (RFC 8259). Reading is left to a library.
extension [UInt8] {
    /// A JSON string with its quotes. Beyond what JSON demands, U+007F is escaped, and nothing else.
    package mutating func append(jsonString text: String) {
        append(0x22)
        for byte in text.utf8 {
            switch byte {
            case 0x22: append(contentsOf: [0x5C, 0x22])
            case 0x5C: append(contentsOf: [0x5C, 0x5C])
            case 0x0A: append(contentsOf: [0x5C, 0x6E])
            case 0x0D: append(contentsOf: [0x5C, 0x72])
            case 0x09: append(contentsOf: [0x5C, 0x74])
            case 0..<0x20, 0x7F:
                append(contentsOf: [0x5C, 0x75, 0x30, 0x30])
                append(Self.hexDigit(byte >> 4))
                append(Self.hexDigit(byte & 15))
            default: append(byte)
            }
        }
        append(0x22)
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
