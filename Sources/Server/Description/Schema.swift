import Links
import Primitives
import Store

/// The kinds of JSON that requests and answers are made of, as JSON Schema 2020-12 has it. Bounds are the rules' own.
/// A length counts characters there and bytes in the rules, which are stricter where text is not ASCII.
enum Schema: String, CaseIterable, Sendable {
    case code = "Code"
    case link = "Link"
    case linkPage = "LinkPage"
    case publicLink = "PublicLink"
    case shortURL = "ShortURL"
    case newLink = "NewLink"
    case newShortLink = "NewShortLink"
    case linkChange = "LinkChange"
    case newBatch = "NewBatch"
    case batchTaken = "BatchTaken"
    case batch = "Batch"
    case clicks = "Clicks"
    case clickCounts = "ClickCounts"
    case change = "Change"
    case newBlock = "NewBlock"
    case block = "Block"
    case blockPage = "BlockPage"
    case newReport = "NewReport"
    case reportTaken = "ReportTaken"
    case report = "Report"
    case reportPage = "ReportPage"
    case newDecision = "NewDecision"
    case actPage = "ActPage"
    case importResult = "ImportResult"
    case health = "Health"
    case problem = "Problem"

    var reference: JSONTree { .member("$ref", "#/components/schemas/\(rawValue)") }

    static var components: JSONTree { .object(allCases.map { ($0.rawValue, $0.definition) }) }

    private var definition: JSONTree {
        switch self {
        case .code: Self.text(of: Alias.lengths, pattern: Self.codePattern)
        case .link: Self.object(Self.linkMembers, optional: [("is_blocked", ["const": true])])
        case .linkPage:
            Self.object(
                [("urls", Self.array(of: Self.link.reference)), ("next_cursor", Self.orNull(Self.text()))],
                optional: [("incomplete", ["const": true]), ("damaged", ["type": "integer", "minimum": 1])])
        case .publicLink:
            Self.object(
                ["short_code", "short_url", "long_url", "title", "created_at", "expires_at", "is_active"].map { name in
                    Self.linkMembers.first { $0.name == name }!
                })
        case .shortURL: Self.object([("short_url", Self.uri)])
        case .newLink: Self.request(CreateRequest.Form.full.members)
        case .newShortLink: Self.request(CreateRequest.Form.short.members)
        case .linkChange: Self.anyMembers
        // Whatever an entry is: one that is no new link is refused by itself.
        case .newBatch: Self.array(of: ["anyOf": [Self.newLink.reference, [:]]], count: 1...BatchLimits.entries)
        case .batchTaken: Self.object([("batch_id", Self.batchID)])
        case .batch: Self.batchState
        case .clicks:
            Self.object([
                ("short_code", Self.code.reference), ("clicks", Self.count), ("bots", Self.count),
                ("head", Self.count), ("since", Self.time), ("days", Self.array(of: Self.clickCounts.reference)),
            ])
        case .clickCounts:
            Self.object([
                ("date", ["type": "string", "format": "date"]), ("clicks", Self.count), ("bots", Self.count),
                ("head", Self.count),
            ])
        case .change:
            Self.object([
                ("position", Self.text()), ("kind", ["enum": .strings(LinkWrite.Kind.allCases.map(\.rawValue))]),
                ("at", Self.time),
                ("region", Self.text()), ("version", Self.text()), ("short_code", Self.code.reference),
                ("link", ["oneOf": [["type": "null"], Self.link.reference]]),
            ])
        case .newBlock: Self.blockWish
        case .block: Self.object(Self.blockMembers)
        case .blockPage: Self.page("blocks", Self.block.reference)
        case .newReport: Self.reportWish
        case .reportTaken: Self.object([("report_id", Self.reportID)])
        case .report: Self.object(Self.reportMembers)
        case .reportPage: Self.page("reports", Self.report.reference)
        case .newDecision: Self.decisionWish
        case .actPage: Self.page("acts", Self.object(Self.actMembers))
        case .importResult: Self.lineResult
        case .health: Self.object([("status", ["enum": ["pass", "fail"]]), ("version", Self.text())])
        case .problem:
            Self.object(
                [
                    ("type", ["type": "string", "format": "uri-reference"]), ("title", Self.text()),
                    ("status", ["type": "integer", "minimum": 400, "maximum": 599]), ("detail", Self.text()),
                    ("code", ["enum": .strings(Operation.describedProblems.map(\.code))]),
                ],
                optional: [
                    ("after", Self.text()), ("claim_id", Self.claimID), ("short_code", Self.code.reference),
                ])
        }
    }

    // MARK: Pieces

    static func text(of lengths: ClosedRange<Int>? = nil, pattern: String? = nil) -> JSONTree {
        var schema: JSONTree = ["type": "string"]
        if let lengths {
            schema = schema + ["minLength": .integer(lengths.lowerBound), "maxLength": .integer(lengths.upperBound)]
        }
        return pattern.map { schema + ["pattern": .string($0)] } ?? schema
    }

    static func integer(in range: ClosedRange<Int>) -> JSONTree {
        ["type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound)]
    }

    /// Also null, which says that the member is not there.
    static func orNull(_ schema: JSONTree) -> JSONTree {
        guard case .object(let members) = schema else { preconditionFailure("a schema is an object") }
        return .object(
            members.map { name, value in name == "type" ? (name, .array([value, "null"])) : (name, value) })
    }

    static func array(of elements: JSONTree, count: ClosedRange<Int>? = nil) -> JSONTree {
        let schema: JSONTree = ["type": "array", "items": elements]
        guard let count else { return schema }
        return schema + ["minItems": .integer(count.lowerBound), "maxItems": .integer(count.upperBound)]
    }

    /// Of an answer: members may be added to it.
    static func object(
        _ members: [(name: String, value: JSONTree)], optional: [(name: String, value: JSONTree)] = []
    ) -> JSONTree {
        [
            "type": "object", "required": .strings(members.map(\.name)),
            "properties": .object(members + optional),
        ]
    }

    /// Base64url that only an answer gives.
    static let opaque = text(pattern: "^[A-Za-z0-9_-]+$")
    static let codePattern = "^[A-Za-z0-9_-]+$"
    static let plainText = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    static let uri: JSONTree = ["type": "string", "format": "uri"]
    static let time: JSONTree = ["type": "string", "format": "date-time"]
    static let count: JSONTree = ["type": "integer", "minimum": 0]
    static let flag: JSONTree = ["type": "boolean"]
    private static let claimID =
        text(pattern: "^[0-9A-Fa-f]{32}$") + ["not": ["const": .string(String(repeating: "0", count: 32))]]
    static let batchID = text(pattern: "^[0-9A-Za-z][0-9a-f]{33}$")
    private static let title = text(of: 0...LinkLimits.titleBytes, pattern: plainText)
    static let tag = text(of: 1...LinkLimits.tagBytes, pattern: plainText)
    private static let tags =
        array(of: tag, count: 0...LinkLimits.tags) + ["uniqueItems": true]
    private static let seconds = integer(in: 1...Int(LinkLimits.expiresInSeconds))

    private static let linkMembers: [(name: String, value: JSONTree)] = [
        ("short_code", code.reference), ("short_url", uri), ("long_url", uri), ("created_at", time),
        ("updated_at", time), ("expires_at", orNull(time)), ("is_active", flag), ("custom_alias", orNull(text())),
        ("title", orNull(text())), ("tags", array(of: text())), ("forward_query", flag), ("region", text()),
        ("owner", orNull(text())),
    ]

    // MARK: What is sent

    /// Of a member that says something of a link. Traps on one that is not described.
    private static func member(_ name: String) -> JSONTree {
        switch name {
        case "long_url": text(of: 1...Destination.maxSizeBytes) + ["format": "uri"]
        case "custom_alias": text(of: Alias.lengths, pattern: codePattern)
        case "claim_id": claimID
        case "expires_in": seconds
        case "expires_at": time
        case "title": title
        case "tags": tags
        case "forward_query", "is_active": flag
        default: preconditionFailure("the member \(name) is not described")
        }
    }

    /// The body of a create. Of a misspelt member nobody would hear, so there are no others.
    private static func request(_ names: [String]) -> JSONTree {
        let members = names.map { name -> (name: String, value: JSONTree) in
            switch name {
            case "long_url": (name, member(name))
            case "expiry": (name, ["oneOf": [seconds, time, ["type": "null"]]])
            default: (name, orNull(member(name)))
            }
        }
        var schema: JSONTree = [
            "type": "object", "required": ["long_url"], "properties": .object(members), "additionalProperties": false,
            "anyOf": [noClaim, hasAlias],
        ]
        if names.contains("expires_in") { schema = schema + oneExpiry }
        return schema
    }

    /// A claim is one of an alias.
    private static let noClaim: JSONTree = ["properties": ["claim_id": ["type": "null"]]]
    private static let hasAlias: JSONTree = [
        "required": ["custom_alias"], "properties": ["custom_alias": ["type": "string"]],
    ]

    private static let oneExpiry: JSONTree = ["not": ["required": ["expires_in", "expires_at"]]]

    private static var anyMembers: JSONTree {
        let members =
            PatchRequest.others.map { (name: $0, value: member($0)) }
            + PatchRequest.removable.map { (name: $0, value: orNull(member($0))) }
        return [
            "type": "object", "minProperties": 1, "properties": .object(members), "additionalProperties": false,
        ] + oneExpiry
    }

    // MARK: What became of many

    private static var batchState: JSONTree {
        let made = object(
            [("status", ["const": 201]), ("link", link.reference)], optional: [("problem", problem.reference)])
        let refused = object([("status", ["type": "integer", "minimum": 400]), ("problem", problem.reference)])
        return object([
            ("status", ["enum": ["running", "done"]]), ("total", integer(in: 1...BatchLimits.entries)),
            ("done", integer(in: 0...BatchLimits.entries)),
            ("results", array(of: ["oneOf": [["type": "null"], made, refused]])),
        ])
    }

    private static var lineResult: JSONTree {
        let problem = object([
            ("code", ["enum": .strings(Operation.problemsOfImporting.map(\.code))]), ("detail", text()),
        ])
        return object(
            [
                ("line", ["type": "integer", "minimum": 1]),
                ("status", ["enum": ["created", "exists", "would-create", "rejected"]]),
            ], optional: [("short_code", text()), ("problem", problem)])
    }
}
