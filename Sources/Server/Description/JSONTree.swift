import Primitives

/// A JSON text that is put together before it is written. Members keep their order, so the same tree is the same text.
enum JSONTree: Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case string(String)
    case array([JSONTree])
    case object([(name: String, value: JSONTree)])

    /// An object with the members of both; no name stands in both.
    static func + (left: JSONTree, right: JSONTree) -> JSONTree {
        guard case .object(let first) = left, case .object(let second) = right else {
            preconditionFailure("only objects have members to add")
        }
        precondition(Set((first + second).map(\.name)).count == first.count + second.count, "a member stands twice")
        return .object(first + second)
    }

    /// An object of one member.
    static func member(_ name: String, _ value: JSONTree) -> JSONTree { .object([(name, value)]) }

    static func strings(_ texts: some Sequence<String>) -> JSONTree { .array(texts.map(JSONTree.string)) }

    func append(to json: inout [UInt8]) {
        switch self {
        case .null: json.append(contentsOf: "null".utf8)
        case .bool(let flag): json.append(contentsOf: (flag ? "true" : "false").utf8)
        case .integer(let number): json.append(contentsOf: String(number).utf8)
        case .string(let text): json.append(jsonString: text)
        case .array(let elements):
            json.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                element.append(to: &json)
            }
            json.append(UInt8(ascii: "]"))
        case .object(let members):
            json.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                json.append(jsonString: member.name)
                json.append(UInt8(ascii: ":"))
                member.value.append(to: &json)
            }
            json.append(UInt8(ascii: "}"))
        }
    }
}

extension JSONTree: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(arrayLiteral elements: JSONTree...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, JSONTree)...) { self = .object(elements.map { ($0, $1) }) }
}
