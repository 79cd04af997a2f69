import Primitives

/// Judges JSON by those words of JSON Schema 2020-12 that the description uses; one that is not known here is a fault.
/// Stricter in one thing: members that no schema names are faults too.
struct SchemaCheck {
    let document: JSONValue

    /// What is wrong with `value`, each with its place.
    func faults(_ value: JSONValue, _ schema: JSONValue, at place: String, namesAll: Bool = true) -> [String] {
        guard case .object(let words) = schema else { return ["\(place): no schema"] }
        var faults = words.flatMap { word, argument in self.faults(value, word, argument, schema, at: place) }
        if namesAll, case .object(let members) = value, let names = names(schema) {
            faults += Set(members.keys).subtracting(names).map { "\(place).\($0) is not described" }
        }
        return faults
    }

    /// Members that a schema names by itself or by its parts; nil if it says nothing of members.
    private func names(_ schema: JSONValue) -> Set<String>? {
        var names: Set<String>?
        for part in [schema["$ref"].map(resolved)].compactMap(\.self) + (schema["allOf"]?.elements ?? []) {
            if let others = self.names(part) { names = (names ?? []).union(others) }
        }
        if let own = schema["properties"]?.members { names = (names ?? []).union(own.keys) }
        return names
    }

    /// What a reference stands for; itself if it is none.
    func resolved(_ reference: JSONValue) -> JSONValue {
        guard case .string(let path) = reference, path.hasPrefix("#/") else { return reference }
        return path.dropFirst(2).split(separator: "/").reduce(document) { $0[String($1)] ?? .null }
    }

    private func faults(
        _ value: JSONValue, _ word: String, _ argument: JSONValue, _ schema: JSONValue, at place: String
    ) -> [String] {
        func check(_ holds: Bool) -> [String] {
            holds ? [] : ["\(place): \(word) \(argument) does not hold of \(value)"]
        }
        func ways() -> Int { argument.elements!.count { faults(value, $0, at: place).isEmpty } }
        switch word {
        case "description", "default": return []
        case "$ref": return faults(value, resolved(argument), at: place, namesAll: false)
        case "allOf": return argument.elements!.flatMap { faults(value, $0, at: place, namesAll: false) }
        case "oneOf": return check(ways() == 1)
        case "anyOf": return check(ways() > 0)
        case "not": return check(!faults(value, argument, at: place, namesAll: false).isEmpty)
        case "type": return check((argument.elements ?? [argument]).contains(.string(value.type)))
        case "const": return check(value == argument)
        case "enum": return check(argument.elements!.contains(value))
        case "pattern", "format", "minLength", "maxLength":
            guard case .string(let text) = value else { return [] }
            return check(Self.holds(word, argument, of: text))
        case "minimum", "maximum":
            guard case .integer(let number) = value else { return [] }
            return check(word == "minimum" ? number >= argument.integer! : number <= argument.integer!)
        default: return structureFaults(value, word, argument, schema, at: place)
        }
    }

    private func structureFaults(
        _ value: JSONValue, _ word: String, _ argument: JSONValue, _ schema: JSONValue, at place: String
    ) -> [String] {
        func check(_ holds: Bool) -> [String] { holds ? [] : ["\(place): \(word) \(argument) does not hold"] }
        let elements = value.elements ?? []
        let members = value.members ?? [:]
        switch word {
        case "minItems": return check(elements.count >= argument.integer! || value.elements == nil)
        case "maxItems": return check(elements.count <= argument.integer!)
        case "uniqueItems": return check(elements.indices.allSatisfy { !elements[..<$0].contains(elements[$0]) })
        case "items": return elements.enumerated().flatMap { faults($1, argument, at: "\(place)[\($0)]") }
        case "minProperties": return check(members.count >= argument.integer! || value.members == nil)
        case "required":
            return check(value.members == nil || argument.elements!.allSatisfy { members[$0.text!] != nil })
        case "properties":
            return argument.members!.flatMap { name, schema in
                members[name].map { faults($0, schema, at: "\(place).\(name)") } ?? []
            }
        case "additionalProperties":
            return check(Set(members.keys).isSubset(of: Set(schema["properties"]?.members?.keys.map(\.self) ?? [])))
        case "dependentRequired":
            return argument.members!.flatMap { name, others in
                check(members[name] == nil || others.elements!.allSatisfy { members[$0.text!] != nil })
            }
        default: return ["\(place): the word \(word) is not known"]
        }
    }

    private static func holds(_ word: String, _ argument: JSONValue, of text: String) -> Bool {
        switch (word, argument.text) {
        case ("minLength", _): text.unicodeScalars.count >= argument.integer!
        case ("maxLength", _): text.unicodeScalars.count <= argument.integer!
        case ("pattern", let pattern?): (try? Regex(pattern).firstMatch(in: text)) ?? nil != nil
        case ("format", "date-time"): Instant(rfc3339: text) != nil
        case ("format", "date"): Instant(rfc3339: text + "T00:00:00Z") != nil
        case ("format", "uri"): text.contains(/^[a-z]+:/.ignoresCase())
        case ("format", "uri-reference"): !text.isEmpty
        default: false
        }
    }
}

extension JSONValue {
    subscript(_ name: String) -> JSONValue? { members?[name] }

    var members: [String: JSONValue]? { if case .object(let members) = self { members } else { nil } }
    var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    var text: String? { if case .string(let text) = self { text } else { nil } }
    var integer: Int64? { if case .integer(let number) = self { number } else { nil } }

    /// As JSON Schema names it.
    var type: String {
        switch self {
        case .null: "null"
        case .bool: "boolean"
        case .integer: "integer"
        case .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}
