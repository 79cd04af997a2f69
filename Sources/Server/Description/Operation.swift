import HTTP

/// What the public port does. The router goes by this table, and so does the description: what is added to it has to be
/// described, because every aspect of it is a switch over these.
enum Operation: String, CaseIterable, Sendable {
    case listLinks, createLink, importLinks, exportLinks, takeBatch, showBatch
    case showLink, changeLink, deleteLink, showClicks
    case listBlocks, showBlock, setBlock, liftBlock, report, listReports, decideReport, tellAudit
    case tellChanges, describe, shorten, health, readiness, listProblems, showProblem, follow, preview
}

/// A path of the public port, as descriptions write it.
enum Resource: String, CaseIterable, Sendable {
    case links = "/api/v1/urls"
    case importing = "/api/v1/urls/import"
    case exporting = "/api/v1/urls/export"
    case batches = "/api/v1/urls/bulk"
    case batch = "/api/v1/urls/bulk/{id}"
    case link = "/api/v1/urls/{code}"
    case clicks = "/api/v1/analytics/{code}"
    case blocks = "/api/v1/blocks"
    case block = "/api/v1/blocks/{code}"
    case reports = "/api/v1/reports"
    case decision = "/api/v1/reports/{id}/decision"
    case audit = "/api/v1/audit"
    case changes = "/api/v1/changes"
    case description = "/api/v1/openapi.json"
    case shortening = "/shorten"
    case clicksInShort = "/analytics/{code}"
    case health = "/health"
    case readiness = "/health/ready"
    case problems = "/problems"
    case problem = "/problems/{code}"
    case redirect = "/{code}"
    case preview = "/{code}+"

    /// In the order in which `Allow` names the methods. A GET is also what a HEAD asks for.
    var operations: [(method: RequestHead.Method, operation: Operation)] {
        let ofLink: [(method: RequestHead.Method, operation: Operation)] = [
            (.get, .showLink), (.patch, .changeLink), (.delete, .deleteLink),
        ]
        switch self {
        case .links: return [(.get, .listLinks), (.post, .createLink)]
        // An alias may be one of these words: the link is there as any other is.
        case .importing: return [ofLink[0], (.post, .importLinks)] + ofLink[1...]
        case .exporting: return [(.get, .exportLinks)] + ofLink[1...]
        case .batches: return [ofLink[0], (.post, .takeBatch)] + ofLink[1...]
        case .batch: return [(.get, .showBatch)]
        case .link: return ofLink
        case .clicks, .clicksInShort: return [(.get, .showClicks)]
        case .blocks: return [(.get, .listBlocks)]
        case .block: return [(.get, .showBlock), (.put, .setBlock), (.delete, .liftBlock)]
        case .reports: return [(.get, .listReports), (.post, .report)]
        case .decision: return [(.post, .decideReport)]
        case .audit: return [(.get, .tellAudit)]
        case .changes: return [(.get, .tellChanges)]
        case .description: return [(.get, .describe)]
        case .shortening: return [(.post, .shorten)]
        case .health: return [(.get, .health)]
        case .readiness: return [(.get, .readiness)]
        case .problems: return [(.get, .listProblems)]
        case .problem: return [(.get, .showProblem)]
        case .redirect: return [(.get, .follow)]
        case .preview: return [(.get, .preview)]
        }
    }

    func operation(_ method: RequestHead.Method) -> Operation? {
        operations.first { $0.method == (method == .head ? .get : method) }?.operation
    }

    /// The value of the field `Allow`.
    var allow: String {
        (operations.map { $0.method == .get ? "GET, HEAD" : "\($0.method.name)" } + ["OPTIONS"]).joined(separator: ", ")
    }
}

extension Resource {
    /// The resource of a path, and its last segment or what of that stands in the place of the parameter. Nil if there
    /// is none.
    static func find(_ path: String) -> (resource: Resource, argument: String)? {
        if let resource = Resource(rawValue: path), resource.parameter == nil {
            return (resource, String(path.split(separator: "/").last!))
        }
        if path == ProblemPage.prefix + "/" { return (.problems, "") }
        if Array(path.utf8).withUnsafeBytes({ Route.code($0) != nil }) { return (.redirect, String(path.dropFirst())) }
        if let code = API.previewed(path) { return (.preview, code) }
        for resource in [batch, link, clicks, clicksInShort, block, decision, problem] {
            if let argument = resource.argument(in: path) { return (resource, argument) }
        }
        return nil
    }

    /// The name in braces.
    var parameter: String? {
        guard let start = rawValue.firstIndex(of: "{"), let end = rawValue.firstIndex(of: "}") else { return nil }
        return String(rawValue[rawValue.index(after: start)..<end])
    }

    /// The segment between what comes before the parameter and what comes behind it.
    private func argument(in path: String) -> String? {
        let (prefix, suffix) = (rawValue.prefix { $0 != "{" }, rawValue.drop { $0 != "}" }.dropFirst())
        guard path.hasPrefix(prefix), path.hasSuffix(suffix) else { return nil }
        let rest = path.dropFirst(prefix.count).dropLast(suffix.count)
        return rest.isEmpty || rest.utf8.contains(UInt8(ascii: "/")) ? nil : String(rest)
    }
}
