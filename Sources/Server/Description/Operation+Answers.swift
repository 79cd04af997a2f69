import HTTP

/// An answer that is no refusal.
struct OperationAnswer: Sendable {
    let status: Int
    let words: String
    var fields: [AnswerField] = []
    /// A media type, and what is sent as it; none without a body.
    var content: [(mediaType: String, schema: JSONTree)] = []
    /// Operations that take a member of the answer as their parameter.
    var links: [(operation: Operation, parameter: String, member: String)] = []
}

extension Operation {
    /// - redirectStatus: of this node.
    func answers(redirectStatus: Int) -> [OperationAnswer] {
        let read: [AnswerField] = [.cacheControl, .xConsistency, .edgeToken]
        let written: [AnswerField] = [
            .cacheControl, .xWriteRegion, .xWriteTs, .edgeToken, .xConsistency, .setCookie, .preferenceApplied,
        ]
        switch self {
        case .listLinks: return [json("A page of links.", Schema.linkPage, read)]
        case .createLink, .shorten:
            var made = OperationAnswer(status: 201, words: "The link, which is on the disk.")
            made.fields = written + [.location, .eTag, .idempotentReplayed]
            made.content = [("application/json", (self == .shorten ? Schema.shortURL : Schema.link).reference)]
            let code = self == .shorten ? nil : "short_code"
            made.links = code.map { name in Self.ofLinks.map { ($0, "code", name) } } ?? []
            return [made]
        case .importLinks:
            return [lines("What became of each line, in their order.", Schema.importResult)]
        case .exportLinks:
            var links = lines("A line for each link.", Schema.link)
            links.content.append((ExportRequest.Format.csv.mediaType, Schema.text()))
            return [links]
        case .takeBatch:
            var taken = json("Taken, and on the disk.", Schema.batchTaken, [.cacheControl, .location], status: 202)
            taken.fields += [.idempotentReplayed, .xConsistency]
            taken.links = [(.showBatch, "id", "batch_id")]
            return [taken]
        case .showBatch: return [json("What has become of it so far.", Schema.batch, [.cacheControl])]
        case .showLink: return [json("The link.", Schema.link, read + [.eTag])]
        case .changeLink: return [json("The link as it is now.", Schema.link, written + [.eTag])]
        case .deleteLink: return [OperationAnswer(status: 204, words: "It is deleted.", fields: written)]
        case .showClicks: return [json("Its clicks.", Schema.clicks, read)]
        case .listBlocks, .showBlock, .setBlock, .liftBlock, .report, .listReports, .decideReport, .tellAudit:
            return moderationAnswers(read: read, written: written)
        case .tellChanges:
            var changes = lines(
                "Changes, in the order of each log. Of a page, not a stream, with Edge-Position.", Schema.change)
            changes.fields.append(.edgePosition)
            return [changes]
        case .describe:
            return [
                json("The description.", ["type": "object"], [.cacheControl, .eTag]),
                OperationAnswer(status: 304, words: "It is what If-None-Match names.", fields: [.cacheControl, .eTag]),
            ]
        case .health: return [health("The process serves.", 200)]
        case .readiness: return [health("It wants traffic.", 200), health("It does not.", 503)]
        case .listProblems, .showProblem:
            return [
                OperationAnswer(status: 200, words: "The page.", fields: [.cacheControl], content: [Self.page])
            ]
        case .follow:
            return [
                OperationAnswer(
                    status: redirectStatus, words: "To the destination.",
                    fields: [.location, .cacheControl, .xServedBy, .surrogateKey, .xConsistency, .edgeToken]),
                OperationAnswer(
                    status: 200,
                    words: "A warning, for people who follow a blocked link, where the configuration lets them go on.",
                    fields: [.cacheControl, .vary, .xConsistency, .edgeToken], content: [Self.page]),
            ]
        case .preview:
            var shown = json("Where it leads.", Schema.publicLink, read + [.vary])
            shown.content.append(Self.page)
            return [shown]
        }
    }

    /// What can be done with a link that was made.
    private static let ofLinks: [Operation] = [.showLink, .changeLink, .deleteLink, .showClicks, .follow, .preview]
    private static let page = (mediaType: "text/html", schema: Schema.text())

    func json(_ words: String, _ schema: Schema, _ fields: [AnswerField], status: Int = 200) -> OperationAnswer {
        json(words, schema.reference, fields, status: status)
    }

    private func json(
        _ words: String, _ schema: JSONTree, _ fields: [AnswerField], status: Int = 200
    ) -> OperationAnswer {
        OperationAnswer(status: status, words: words, fields: fields, content: [("application/json", schema)])
    }

    private func lines(_ words: String, _ line: Schema) -> OperationAnswer {
        let schema: JSONTree = [
            "type": "string", "description": "Each line is a \(line.rawValue); lines may be empty.",
        ]
        return OperationAnswer(
            status: 200, words: words, fields: [.cacheControl], content: [("application/x-ndjson", schema)])
    }

    private func health(_ words: String, _ status: Int) -> OperationAnswer {
        OperationAnswer(
            status: status, words: words, fields: [.cacheControl],
            content: [("application/health+json", Schema.health.reference)])
    }
}
