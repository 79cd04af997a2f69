/// A JSON text (RFC 8259), read strictly: UTF-8 without a byte order mark, and nothing that two readers could take
/// differently. So a name that stands twice in an object is an error, and so is half of a surrogate pair.
package enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    /// Digits, with or without a minus or a fraction of zeros, that fit.
    case integer(Int64)
    /// Any other number, as near as it can be; infinite if it is too large.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// Arrays and objects within each other.
    package static let depth = 16
    /// In one text: no route wants more, and a text of nothing but values would keep the one who reads it busy.
    package static let values = 4096

    /// - valueLimit: more values are an error.
    package init(_ text: [UInt8], valueLimit: Int = values) throws(JSONError) {
        guard String(validating: text, as: UTF8.self) != nil else { throw .notUTF8 }
        var reader = JSONReader(text, valueLimit: valueLimit)
        self = try reader.readText()
    }
}

package enum JSONError: Error, Equatable {
    case notUTF8
    case malformed(at: Int)
    case tooDeep(at: Int)
    case repeatedName(at: Int)
    /// Behind so many values.
    case tooMany(Int, at: Int)

    /// One sentence for the user; `text` names what was read: "The body".
    package func message(of text: String) -> String {
        switch self {
        case .notUTF8: "\(text) is not UTF-8."
        case .malformed(let offset): "\(text) is not JSON from byte \(offset) on."
        case .tooDeep(let offset):
            "More than \(JSONValue.depth) arrays and objects stand within each other at byte \(offset)."
        case .tooMany(let limit, let offset): "More than \(limit) values stand before byte \(offset)."
        case .repeatedName(let offset): "A member has the name of an earlier one at byte \(offset)."
        }
    }
}

/// Reads one text from its start. The bytes are valid UTF-8.
private struct JSONReader {
    private let text: [UInt8]
    private var offset = 0
    private var depth = 0
    private var values = 0
    private let valueLimit: Int

    init(_ text: [UInt8], valueLimit: Int) { (self.text, self.valueLimit) = (text, valueLimit) }

    mutating func readText() throws(JSONError) -> JSONValue {
        let value = try readValue()
        skipSpace()
        guard offset == text.count else { throw .malformed(at: offset) }
        return value
    }

    private mutating func readValue() throws(JSONError) -> JSONValue {
        skipSpace()
        guard values < valueLimit else { throw .tooMany(valueLimit, at: offset) }
        values += 1
        switch next {
        case UInt8(ascii: "{"): return try readObject()
        case UInt8(ascii: "["): return try readArray()
        case UInt8(ascii: "\""): return .string(try readString())
        case UInt8(ascii: "t"): return try read("true", .bool(true))
        case UInt8(ascii: "f"): return try read("false", .bool(false))
        case UInt8(ascii: "n"): return try read("null", .null)
        default: return try readNumber()
        }
    }

    private mutating func readObject() throws(JSONError) -> JSONValue {
        var members: [String: JSONValue] = [:]
        try enter()
        if take(UInt8(ascii: "}")) { return leave(.object(members)) }
        repeat {
            skipSpace()
            let start = offset
            let name = try readString()
            guard members[name] == nil else { throw .repeatedName(at: start) }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw .malformed(at: offset) }
            members[name] = try readValue()
            skipSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw .malformed(at: offset) }
        return leave(.object(members))
    }

    private mutating func readArray() throws(JSONError) -> JSONValue {
        var elements: [JSONValue] = []
        try enter()
        if take(UInt8(ascii: "]")) { return leave(.array(elements)) }
        repeat {
            elements.append(try readValue())
            skipSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw .malformed(at: offset) }
        return leave(.array(elements))
    }

    /// Over the opening bracket and the space behind it.
    private mutating func enter() throws(JSONError) {
        guard depth < JSONValue.depth else { throw .tooDeep(at: offset) }
        depth += 1
        offset += 1
        skipSpace()
    }

    private mutating func leave(_ value: JSONValue) -> JSONValue {
        depth -= 1
        return value
    }

    // MARK: Strings

    private mutating func readString() throws(JSONError) -> String {
        guard take(UInt8(ascii: "\"")) else { throw .malformed(at: offset) }
        var content: [UInt8] = []
        while true {
            let start = offset
            while let byte = next, byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { offset += 1 }
            content += text[start..<offset]
            if take(UInt8(ascii: "\"")) { return String(decoding: content, as: UTF8.self) }
            guard take(UInt8(ascii: "\\")) else { throw .malformed(at: offset) }
            try readEscape(into: &content)
        }
    }

    /// What stands behind a backslash.
    private mutating func readEscape(into content: inout [UInt8]) throws(JSONError) {
        guard let byte = next else { throw .malformed(at: offset) }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"): content += Array(String(try readScalar()).utf8)
        default: throw .malformed(at: offset - 1)
        }
    }

    private mutating func readScalar() throws(JSONError) -> Unicode.Scalar {
        let start = offset
        let first = try readHexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // The two halves of a pair follow each other (RFC 8259 7), the high one first.
        guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else { throw .malformed(at: start) }
        let second = try readHexadecimal()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw .malformed(at: start) }
        return scalar
    }

    private mutating func readHexadecimal() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = next.flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
                throw .malformed(at: offset)
            }
            value = value << 4 | UInt32(digit)
            offset += 1
        }
        return value
    }

    // MARK: Numbers and names

    /// RFC 8259 6.
    private mutating func readNumber() throws(JSONError) -> JSONValue {
        let start = offset
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try skipDigits() }
        let end = offset
        // To JSON Schema a number with a fraction of zeros is an integer like any other.
        var isWhole = true
        if take(UInt8(ascii: ".")) {
            try skipDigits()
            isWhole = text[end + 1..<offset].allSatisfy { $0 == UInt8(ascii: "0") }
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try skipDigits()
            isWhole = false
        }
        guard isWhole, let integer = Int64(String(decoding: text[start..<end], as: UTF8.self)) else {
            // All of JSON's numbers are such of Swift.
            return .number(Double(String(decoding: text[start..<offset], as: UTF8.self))!)
        }
        return .integer(integer)
    }

    private mutating func skipDigits() throws(JSONError) {
        let start = offset
        while let byte = next, (0x30...0x39).contains(byte) { offset += 1 }
        guard offset > start else { throw .malformed(at: offset) }
    }

    private mutating func read(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        let bytes = unsafe UnsafeRawBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard unsafe text[offset...].starts(with: bytes) else { throw .malformed(at: offset) }
        offset += word.utf8CodeUnitCount
        return value
    }

    // MARK: Bytes

    private var next: UInt8? { offset < text.count ? text[offset] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        offset += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }
}
