import Primitives

/// `name=value` pairs of a query, each name once. Values are as they were sent; `text` and `instant` decode them.
struct QueryValues {
    private var values: [String: String] = [:]

    init(_ query: String?) throws(RefusedRequest) {
        for pair in (query ?? "").split(separator: "&", omittingEmptySubsequences: false) where query != nil {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, values.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw .wrongQuery(String(pair))
            }
        }
    }

    subscript(name: String) -> String? { values[name] }

    /// Nothing beside these is in the query.
    func allow(_ names: Set<String>) throws(RefusedRequest) {
        if let other = values.keys.first(where: { !names.contains($0) }) { throw .wrongQuery(other) }
    }

    func allow(_ parameters: [QueryParameter]) throws(RefusedRequest) { try allow(Set(parameters.map(\.name))) }

    /// A whole number within `range`; nil if it is not there.
    func number(_ name: String, _ range: ClosedRange<Int>) throws(RefusedRequest) -> Int? {
        guard let text = self[name] else { return nil }
        guard let number = Int(text), range.contains(number), String(number) == text else {
            throw .wrongQuery(name, is: "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A text of so many bytes, written as forms write it: percent-encoded UTF-8, in which a `+` is a space.
    func text(_ name: String, _ sizeBytes: ClosedRange<Int>) throws(RefusedRequest) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = Self.decoded(value), sizeBytes.contains(text.utf8.count) else {
            throw .wrongQuery(
                name, is: "\(sizeBytes.lowerBound) to \(sizeBytes.upperBound) bytes of percent-encoded UTF-8")
        }
        return text
    }

    func instant(_ name: String) throws(RefusedRequest) -> Instant? {
        guard let value = self[name] else { return nil }
        guard let instant = Self.decoded(value).flatMap({ Instant(rfc3339: $0) }) else {
            throw .wrongQuery(name, is: "a time as RFC 3339 has it, like 2030-01-31T12:00:00Z, with %2B for a +")
        }
        return instant
    }

    private static func decoded(_ value: String) -> String? {
        var (bytes, rest) = ([UInt8](), Array(value.utf8)[...])
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, digits.allSatisfy(\.isLetterOrDigit),
                let encoded = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return nil }
            rest = rest.dropFirst(2)
            bytes.append(encoded)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// A sequence of a log: from 1 on, 48 bits.
    func sequence(_ name: String) throws(RefusedRequest) -> UInt64 {
        guard let number = self[name].flatMap({ UInt64($0) }), (1..<1 << 48).contains(number) else {
            throw .wrongQuery(name)
        }
        return number
    }
}

extension RefusedRequest {
    static func wrongQuery(_ name: String) -> RefusedRequest {
        RefusedRequest(
            Problem(.invalidQuery, "\(quoted(name)) is missing, unknown, repeated or not what it should be."))
    }

    static func wrongQuery(_ name: String, is wanted: String) -> RefusedRequest {
        RefusedRequest(Problem(.invalidQuery, "\(quoted(name)) is not \(wanted)."))
    }
}
