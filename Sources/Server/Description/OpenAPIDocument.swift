import HTTP
import Primitives

/// The description of the public port (OpenAPI 3.1), made of what makes the answers: the routes' table, the catalogue of
/// problems, and the rules' own bounds. Made when it is first asked for, and anew once what it tells has changed.
struct OpenAPIDocument: Sendable {
    let body: [UInt8]
    let entityTag: String

    init(_ configuration: Configuration, publicURL: String) {
        let document: JSONTree = [
            "openapi": "3.1.1", "info": Self.info, "servers": [["url": .string(publicURL)]],
            "paths": .object(
                Resource.allCases.map { ($0.rawValue, OpenAPIPath(resource: $0, configuration: configuration).tree) }),
            "components": [
                "schemas": Schema.components, "parameters": RequestField.components,
                "headers": AnswerField.components, "responses": ProblemAnswer.components,
                "securitySchemes": [
                    "bearer": [
                        "type": "http", "scheme": "bearer",
                        "description":
                            "An API key; or a JSON Web Token (RS256, ES256, EdDSA), where the node takes those.",
                    ],
                    "apiKey": ["type": "apiKey", "in": "header", "name": "X-Api-Key"],
                ],
            ],
        ]
        var body: [UInt8] = []
        document.append(to: &body)
        self.body = body
        entityTag = "\"\(String(SipHash.hash13(body.span.bytes, key0: 0, key1: 0), radix: 16))\""
    }

    /// - ifNoneMatch: the field's value.
    func response(ifNoneMatch: String?) -> Response {
        let fields = [(name: "ETag", value: entityTag), ("Cache-Control", "no-cache")]
        let (value, tag) = (Array((ifNoneMatch ?? "").utf8), Array(entityTag.utf8))
        if ifNoneMatch != nil, EntityTags.match(value.span.bytes, tag: tag.span.bytes, strongly: false) {
            return Response(status: 304, fields: fields)
        }
        return Response(status: 200, fields: [("Content-Type", "application/json")] + fields, body: body)
    }

    private static let info: JSONTree = [
        "title": "edge", "version": .string(edgeVersion),
        "description": """
        A URL shortener. Every GET is answered to HEAD too, without the body; OPTIONS names a path's methods.

        Refusals are `application/problem+json` (RFC 9457). Their `code` is stable, and `type` leads to a page that says \
        what happened and what to do. Bounds of lengths count characters here, and bytes of UTF-8 on the server.

        **Versions.** What is described here stays as it is within `/api/v1`. There may come: paths, methods, optional \
        parameters and members of requests, members of answers, fields, values of enumerations in answers, and codes of \
        problems. So clients pass over members and fields that they do not know, and go by the status of a problem whose \
        code they do not know. What takes something away, demands more of a request or changes a meaning would be \
        `/api/v2`, beside `/api/v1`. What is to go says so in its answers, with the fields `Deprecation` (RFC 9745) and \
        `Sunset` (RFC 8594); at present nothing is.
        """,
    ]
}

/// One path and what can be done there.
struct OpenAPIPath {
    let resource: Resource
    let configuration: Configuration

    var tree: JSONTree {
        let operations = resource.operations.map { ("\($0.method.name)".lowercased(), tree(of: $0.operation)) }
        guard let parameter else { return .object(operations) }
        return .member("parameters", [parameter]) + .object(operations)
    }

    private var parameter: JSONTree? {
        resource.parameter.map { name in
            let schema: JSONTree =
                switch resource {
                case .batch: Schema.batchID
                case .decision: Schema.reportID
                case .problem: ["enum": .strings(ProblemKind.all.map(\.code))]
                default: Schema.code.reference
                }
            return ["name": .string(name), "in": "path", "required": true, "schema": schema]
        }
    }

    private func tree(of operation: Operation) -> JSONTree {
        var tree: JSONTree = [
            "operationId": .string(operation.identifier(at: resource)), "summary": .string(operation.summary),
            "security": security(operation.access),
        ]
        let query = operation.query.map { parameter -> JSONTree in
            [
                "name": .string(parameter.name), "in": "query", "description": .string(parameter.words),
                "schema": parameter.schema,
            ]
        }
        let parameters = query + operation.fields.map(\.reference)
        if !parameters.isEmpty { tree = tree + .member("parameters", .array(parameters)) }
        if let body = operation.body {
            let content: JSONTree = .member(body.mediaType, ["schema": body.schema])
            tree = tree + .member("requestBody", ["required": true, "content": content])
        }
        return tree + .member("responses", responses(operation))
    }

    private func security(_ access: Operation.Access) -> JSONTree {
        let keys: [JSONTree] = [["bearer": []], ["apiKey": []]]
        switch access {
        case .open: return []
        case .anybody: return .array([.object([])] + keys)
        case .creators: return .array((configuration.anonymousCreate ? [.object([])] : []) + keys)
        case .keyHolders: return .array(keys)
        }
    }

    private func responses(_ operation: Operation) -> JSONTree {
        let answers = operation.answers(redirectStatus: configuration.redirectStatus.rawValue)
        let problems = ProblemAnswer.answers(of: operation)
        let own = answers.map { answer in
            (String(answer.status), tree(of: answer, operation, problems.first { $0.status == answer.status }))
        }
        let rest = problems.filter { problem in !answers.contains { $0.status == problem.status } }
        return .object((own + rest.map { (String($0.status), $0.reference) }).sorted { $0.0 < $1.0 })
    }

    /// - problem: what else has the same status.
    private func tree(of answer: OperationAnswer, _ operation: Operation, _ problem: ProblemAnswer?) -> JSONTree {
        let limits: [AnswerField] = operation.isLimited ? [.rateLimit, .rateLimitPolicy] : []
        let content = answer.content.map { ($0.mediaType, JSONTree.member("schema", $0.schema)) }
        var tree: JSONTree = [
            "description": .string(answer.words), "headers": AnswerField.references(answer.fields + limits),
        ]
        if !content.isEmpty { tree = tree + .member("content", .object(content + (problem?.content ?? []))) }
        guard !answer.links.isEmpty else { return tree }
        let links = answer.links.map { link -> (name: String, value: JSONTree) in
            let parameters = JSONTree.member(link.parameter, "$response.body#/\(link.member)")
            let tree: JSONTree = ["operationId": .string(link.operation.rawValue), "parameters": parameters]
            return (link.operation.rawValue, tree)
        }
        return tree + .member("links", .object(links))
    }
}

/// What is answered with one status to what is refused.
struct ProblemAnswer: Hashable {
    let status: Int
    let codes: [String]
    /// People are shown pages.
    let hasPages: Bool

    /// One for each status of an operation's problems.
    static func answers(of operation: Operation) -> [ProblemAnswer] {
        let codes = Set((Operation.problemsOfAll + operation.problems).map(\.code))
        let kinds = ProblemKind.all.filter { codes.contains($0.code) }
        return Set(kinds.flatMap(\.statuses)).sorted().map { status in
            let codes = kinds.filter { $0.statuses.contains(status) }.map(\.code)
            let hasPages =
                operation == .preview && !Set(codes).isDisjoint(with: operation.problems.map(\.code))
                || operation == .follow && codes.contains(ProblemKind.blocked.code)
            return ProblemAnswer(status: status, codes: codes, hasPages: hasPages)
        }
    }

    static var components: JSONTree {
        let answers = Set(Operation.allCases.flatMap(answers)).sorted { $0.name < $1.name }
        return .object(answers.map { ($0.name, $0.tree) })
    }

    var reference: JSONTree { .member("$ref", "#/components/responses/\(name)") }

    private var name: String { ([String(status)] + codes + (hasPages ? ["page"] : [])).joined(separator: ".") }

    private var tree: JSONTree {
        let titles = codes.compactMap { ProblemKind.named($0)?.title }
        return [
            "description": .string(titles.joined(separator: "; ") + "."), "headers": AnswerField.references(fields),
            "content": .object(content),
        ]
    }

    private var fields: [AnswerField] {
        let own: [AnswerField] =
            switch status {
            case 401: [.wwwAuthenticate]
            case 405: [.allow]
            case 429, 503: [.retryAfter]
            case 451: [.link, .vary]
            default: []
            }
        return [.cacheControl] + own + [.xConsistency, .edgeToken, .rateLimit, .rateLimitPolicy]
    }

    var content: [(name: String, value: JSONTree)] {
        let own: JSONTree = ["status": ["const": .integer(status)], "code": ["enum": .strings(codes)]]
        let schema: JSONTree = ["allOf": [Schema.problem.reference, ["properties": own]]]
        let pages: [(name: String, value: JSONTree)] =
            hasPages ? [("text/html", .member("schema", Schema.text()))] : []
        return [("application/problem+json", .member("schema", schema))] + pages
    }
}

extension Operation {
    /// All that the public port refuses something with, in the catalogue's order.
    static var describedProblems: [ProblemKind] {
        let codes = Set((problemsOfAll + problemsOfImporting + allCases.flatMap(\.problems)).map(\.code))
        return ProblemKind.all.filter { codes.contains($0.code) }
    }

    /// The name alone where it belongs, and with that of the path where else it is.
    func identifier(at resource: Resource) -> String {
        let places = Resource.allCases.filter { $0.operations.contains { $0.operation == self } }
        let home = places.first { $0.parameter != nil } ?? places[0]
        return resource == home ? rawValue : "\(rawValue)_\(resource)"
    }

    /// A limit tells how much of it is left.
    var isLimited: Bool {
        switch self {
        case .health, .readiness, .listProblems, .showProblem, .follow: false
        default: true
        }
    }
}

extension AnswerField {
    static func references(_ fields: [AnswerField]) -> JSONTree {
        .object(fields.map { ($0.rawValue, .member("$ref", "#/components/headers/\($0.rawValue)")) })
    }
}
