import Primitives

/// The members of a body's object, taken by name. One that is null is as good as none, and no name is taken that is not
/// `known`: a misspelt member is an error, not ignored.
struct JSONMembers {
    private let values: [String: JSONValue]

    init(_ body: [UInt8], known names: [String]) throws(RefusedRequest) {
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue(body) } catch {
            throw RefusedRequest(Problem(.invalidJSON, error.message(of: "The body")))
        }
        try self.init(value, known: names)
    }

    init(_ value: JSONValue, known names: [String]) throws(RefusedRequest) {
        guard case .object(let values) = value else {
            throw RefusedRequest(Problem(.invalidJSON, "A JSON object is wanted."))
        }
        if let unknown = values.keys.filter({ !names.contains($0) }).min() {
            let known = names.joined(separator: ", ")
            throw RefusedRequest(
                Problem(.invalidJSON, "\(quoted(unknown)) is no member of this body; \(known) are."))
        }
        self.values = values
    }

    func holdsString(_ name: String) -> Bool { if case .string = values[name] { true } else { false } }

    func isNull(_ name: String) -> Bool { if case .null = values[name] { true } else { false } }

    var isEmpty: Bool { values.isEmpty }

    func string(_ name: String) throws(RefusedRequest) -> String? {
        switch values[name] {
        case nil, .null: return nil
        case .string(let text): return text
        default: throw mismatch(name, "a string")
        }
    }

    func integer(_ name: String) throws(RefusedRequest) -> Int64? {
        switch values[name] {
        case nil, .null: return nil
        case .integer(let number): return number
        default: throw mismatch(name, "a whole number of at most 18 digits")
        }
    }

    func bool(_ name: String) throws(RefusedRequest) -> Bool? {
        switch values[name] {
        case nil, .null: return nil
        case .bool(let flag): return flag
        default: throw mismatch(name, "true or false")
        }
    }

    func strings(_ name: String) throws(RefusedRequest) -> [String]? {
        switch values[name] {
        case nil, .null: return nil
        case .array(let elements):
            return try elements.map { (element) throws(RefusedRequest) in
                guard case .string(let text) = element else { throw mismatch(name, "an array of strings") }
                return text
            }
        default: throw mismatch(name, "an array of strings")
        }
    }

    /// A member that must be there.
    func required<Value>(_ name: String, _ value: Value?) throws(RefusedRequest) -> Value {
        guard let value else { throw RefusedRequest(Problem(.invalidJSON, "The member \"\(name)\" is missing.")) }
        return value
    }

    private func mismatch(_ name: String, _ wanted: String) -> RefusedRequest {
        RefusedRequest(Problem(.invalidJSON, "The member \"\(name)\" is not \(wanted)."))
    }
}
