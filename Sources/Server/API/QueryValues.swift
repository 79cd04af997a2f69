/// `name=value` pairs of a query that needs no percent-encoding, each name once.
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

    /// A whole number within `range`; nil if it is not there.
    func number(_ name: String, _ range: ClosedRange<Int>) throws(RefusedRequest) -> Int? {
        guard let text = self[name] else { return nil }
        guard let number = Int(text), range.contains(number), String(number) == text else { throw .wrongQuery(name) }
        return number
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
}
