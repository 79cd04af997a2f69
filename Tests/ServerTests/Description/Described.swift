import Primitives

@testable import Server

/// The description as answers are held to it.
struct Described {
    /// Of a node that says nothing of itself.
    static let usual = Described(OpenAPIDocument(Configuration(), publicURL: "http://localhost").body)

    let document: JSONValue
    private var schemas: SchemaCheck { SchemaCheck(document: document) }

    init(_ text: [UInt8]) {
        document = try! JSONValue(text, valueLimit: .max)
        paths = document["paths"]!.members!
    }

    struct Place {
        let path: String
        let methods: [String: JSONValue]
    }

    let paths: [String: JSONValue]

    /// The path of the description that is meant; nil if there is none.
    func place(_ target: String) -> Place? {
        let path = String(target.prefix { $0 != "?" })
        let matching = paths.keys.filter { template in
            guard let start = template.firstIndex(of: "{"), let end = template.firstIndex(of: "}") else {
                return template == path
            }
            let (head, tail) = (template[..<start], template[end...].dropFirst())
            guard path.count > head.count + tail.count, path.hasPrefix(head), path.hasSuffix(tail) else { return false }
            return !path.dropFirst(head.count).dropLast(tail.count).contains("/")
        }
        // The one that says most of the path in its own words.
        guard
            let best = matching.max(by: { !$0.contains("{") ? false : !$1.contains("{") ? true : $0.count < $1.count })
        else { return nil }
        return Place(path: best, methods: paths[best]!.members!.filter { $0.key != "parameters" })
    }

    func operation(_ method: String, _ target: String) -> JSONValue? {
        place(target)?.methods[method == "HEAD" ? "get" : method.lowercased()]
    }

    /// Fields that the renderer of all answers writes, and those that only a browser looks at.
    private static let unnamed: Set = [
        "date", "content-length", "content-type", "connection", "transfer-encoding", "content-security-policy",
        "x-content-type-options", "referrer-policy",
    ]

    /// What every page forbids a browser: to load or run anything, to send forms, to be framed.
    static let contentPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    /// What of an answer is otherwise than described, or not as safe in a browser as it has to be. Of a request that is
    /// none of the operations' nothing is described.
    func faults(_ answer: Answer, _ method: String, _ target: String) -> [String] {
        let name = "\(method) \(target.prefix(80)): \(answer.status)"
        let unsafe = Self.browserFaults(answer).map { "\(name): \($0)" }
        guard let operation = operation(method, target), let responses = operation["responses"]?.members else {
            return unsafe
        }
        // The configuration says which of them it is.
        let status = [301, 307, 308].contains(answer.status) ? 302 : answer.status
        guard let response = responses[String(status)].map({ schemas.resolved($0["$ref"] ?? $0) }) else {
            return ["\(name) is not described: \(answer.text.prefix(300))"]
        }
        return unsafe + fieldFaults(answer, response).map { "\(name): \($0)" }
            + (method == "HEAD" ? [] : contentFaults(answer, response).map { "\(name): \($0)" })
    }

    private static func browserFaults(_ answer: Answer) -> [String] {
        guard !answer.body.isEmpty else { return [] }
        var faults = answer["x-content-type-options"] == "nosniff" ? [] : ["its type may be guessed"]
        guard answer["content-type"]?.hasPrefix("text/html") == true else { return faults }
        if answer["content-security-policy"] != contentPolicy { faults.append("a page may load or do something") }
        if answer["referrer-policy"] != "no-referrer" { faults.append("a page tells where its links stand") }
        return faults
    }

    private func fieldFaults(_ answer: Answer, _ response: JSONValue) -> [String] {
        var faults: [String] = []
        let headers = response["headers"]?.members ?? [:]
        for (name, reference) in headers {
            let header = schemas.resolved(reference["$ref"] ?? reference)
            guard let value = answer[name.lowercased()] else {
                if header["required"] == .bool(true) { faults.append("\(name) is missing") }
                continue
            }
            let read: JSONValue =
                header["schema"]?["type"] == .string("integer")
                ? Int64(value).map(JSONValue.integer) ?? .null : .string(value)
            faults += schemas.faults(read, header["schema"]!, at: name)
        }
        let described = Self.unnamed.union(headers.keys.map { $0.lowercased() })
        return faults + answer.fields.filter { !described.contains($0.name) }.map { "\($0.name) is not described" }
    }

    private func contentFaults(_ answer: Answer, _ response: JSONValue) -> [String] {
        guard let content = response["content"]?.members else { return answer.body.isEmpty ? [] : ["a body"] }
        let type = (answer["content-type"] ?? "").prefix { $0 != ";" }
        guard let schema = content.first(where: { $0.key.prefix { $0 != ";" } == type })?.value["schema"] else {
            return ["the type \(type) is not described"]
        }
        guard type.hasSuffix("json"), type != "application/x-ndjson" else { return [] }
        guard let value = try? JSONValue(answer.body, valueLimit: .max) else { return ["no JSON: \(answer.text)"] }
        return schemas.faults(value, schema, at: "body")
    }

    /// What is wrong with a line of an answer that is lines.
    func faults(line: String, _ schema: String) -> [String] {
        guard let value = try? JSONValue(Array(line.utf8)) else { return ["no JSON: \(line)"] }
        return schemas.faults(value, schemas.resolved(.string("#/components/schemas/\(schema)")), at: schema)
    }
}
