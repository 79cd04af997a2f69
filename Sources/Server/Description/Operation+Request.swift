import HTTP
import Links
import Replication

/// A parameter of a query, as the request that reads it takes it.
struct QueryParameter: Sendable {
    let name: String
    let words: String
    let schema: JSONTree

    init(_ name: String, _ words: String, _ schema: JSONTree) {
        (self.name, self.words, self.schema) = (name, words, schema)
    }
}

extension ClosedRange<Int> {
    /// With what holds where nothing is said.
    func schema(usually usual: Int) -> JSONTree { Schema.integer(in: self) + ["default": .integer(usual)] }
}

/// Fields of requests that mean something beside those that all of HTTP has.
enum RequestField: String, CaseIterable, Sendable {
    case edgeToken = "Edge-Token"
    case prefer = "Prefer"
    case xWriteRegion = "X-Write-Region"
    case xWriteTs = "X-Write-Ts"
    case idempotencyKey = "Idempotency-Key"
    case ifMatch = "If-Match"
    case ifNoneMatch = "If-None-Match"

    private var words: String {
        switch self {
        case .edgeToken:
            "Of an earlier answer, whatever node gave it. What is none of this cluster's counts for nothing."
        case .prefer:
            "consistency=strict: 503 behind from a node that lacks what the token tells of. token=cookie, on a write: the "
                + "token as a cookie too."
        case .xWriteRegion: "With X-Write-Ts, and without a token: where something was written a moment ago."
        case .xWriteTs: "When."
        case .idempotencyKey:
            "The same request with the same key is answered with the first answer again; of an import, rows that were "
                + "made are there already."
        case .ifMatch: "The ETag of the link that is to be changed: 412 if it is another one by now."
        case .ifNoneMatch: "The ETag of what is there already: 304 if it is this."
        }
    }

    private var schema: JSONTree {
        switch self {
        case .idempotencyKey: Schema.text(of: 1...RepeatableRequest.keyBytes, pattern: "^[!-~]+$")
        case .ifMatch: Schema.text(of: 0...WireLimits.conditionBytes)
        case .edgeToken, .prefer, .xWriteRegion, .xWriteTs, .ifNoneMatch: Schema.text()
        }
    }

    var reference: JSONTree { .member("$ref", "#/components/parameters/\(rawValue)") }

    static var components: JSONTree {
        .object(
            allCases.map { field in
                let parameter: JSONTree = [
                    "name": .string(field.rawValue), "in": "header", "description": .string(field.words),
                    "schema": field.schema,
                ]
                return (field.rawValue, parameter)
            })
    }
}

/// What operations are asked with.
extension Operation {
    var query: [QueryParameter] {
        switch self {
        case .listLinks: ListRequest.parameters
        case .importLinks: ImportRules.parameters
        case .exportLinks: ExportRequest.parameters
        case .showClicks: ClickText.parameters
        case .tellChanges: ChangesRequest.parameters
        case .listBlocks: BlockListRequest.parameters
        case .listReports: ReportListRequest.parameters
        case .tellAudit: AuditRequest.parameters
        case .createLink, .takeBatch, .showBatch, .showLink, .changeLink, .deleteLink, .describe, .shorten, .health,
            .readiness, .listProblems, .showProblem, .follow, .preview, .showBlock, .setBlock, .liftBlock,
            .report, .decideReport:
            []
        }
    }

    var fields: [RequestField] {
        let reading: [RequestField] = [.edgeToken, .prefer, .xWriteRegion, .xWriteTs]
        return switch self {
        case .listLinks: [.edgeToken, .prefer]
        case .createLink, .shorten, .takeBatch: [.idempotencyKey, .edgeToken, .prefer]
        case .importLinks: [.idempotencyKey, .edgeToken]
        case .showLink, .showClicks, .follow, .preview, .showBlock, .setBlock, .liftBlock, .report: reading
        case .changeLink, .deleteLink: [.ifMatch] + reading
        case .describe: [.ifNoneMatch]
        case .exportLinks, .showBatch, .tellChanges, .health, .readiness, .listProblems, .showProblem, .listBlocks,
            .listReports, .decideReport, .tellAudit:
            []
        }
    }

    /// What it takes in its body; nil if that means nothing.
    var body: (mediaType: String, schema: JSONTree)? {
        switch self {
        case .createLink: ("application/json", Schema.newLink.reference)
        case .shorten: ("application/json", Schema.newShortLink.reference)
        case .takeBatch: ("application/json", Schema.newBatch.reference)
        case .changeLink: ("application/json", Schema.linkChange.reference)
        case .setBlock: ("application/json", Schema.newBlock.reference)
        case .report: ("application/json", Schema.newReport.reference)
        case .decideReport: ("application/json", Schema.newDecision.reference)
        case .importLinks:
            (
                "application/x-ndjson",
                // Whatever a line is: one that is no link is rejected by itself.
                ["description": "A line for each link: a JSON object with the members of Link."]
            )
        case .listLinks, .exportLinks, .showBatch, .showLink, .deleteLink, .showClicks, .tellChanges, .describe,
            .health, .readiness, .listProblems, .showProblem, .follow, .preview, .listBlocks, .showBlock, .liftBlock,
            .listReports, .tellAudit:
            nil
        }
    }
}
