import HTTP
import Links
import Primitives
import Store

/// Every refusal that the public port answers with, as RFC 9457 describes them. `code` is what clients rely on.
struct Problem: Sendable {
    let status: Int
    let code: String
    let title: String
    /// What was wrong this time and what would be right. Never anything of the machine or of another client.
    var detail: String
    var fields: [(name: String, value: String)] = []

    init(_ status: Int, _ code: String, _ title: String, _ detail: String) {
        (self.status, self.code, self.title, self.detail) = (status, code, title, detail)
    }

    var response: Response {
        var body: [UInt8] = [UInt8(ascii: "{")]
        body.append(jsonKey: "type", string: "/problems/\(code)")
        body.append(jsonKey: "title", string: title)
        body.append(jsonKey: "status")
        body += Array(String(status).utf8)
        body.append(jsonKey: "detail", string: detail)
        body.append(jsonKey: "code", string: code)
        body.append(UInt8(ascii: "}"))
        return Response(
            status: status,
            fields: [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")] + fields, body: body)
    }

    private func retryAfter(seconds: Int64) -> Problem {
        var problem = self
        problem.fields.append(("Retry-After", String(max(1, seconds))))
        return problem
    }
}

extension Problem {
    static let notFound = Problem(404, "not-found", "No such link", "Nothing is known under this path.")
    static let gone = Problem(
        410, "expired", "The link is no longer available", "It has expired, or was switched off or deleted.")
    static let damagedRecord = Problem(
        500, "damaged-record", "The link cannot be read",
        "Its record fails its checksum, so it is not served. Other links are not affected.")
    static let overloaded = Problem(
        503, "overloaded", "Too much to do at once", "Nothing was changed; ask again in a moment."
    ).retryAfter(seconds: 1)
    static let storageFull = Problem(
        507, "storage-full", "No room for more links",
        "Nothing was changed. Redirects go on; links can be made again when there is room.")
    static let stopping = Problem(
        503, "overloaded", "The node is stopping", "Nothing was changed; another node will answer."
    ).retryAfter(seconds: 1)
    static let unauthorized: Problem = {
        var problem = Problem(
            401, "unauthorized", "Not allowed without a key", "This node makes no links for anonymous clients.")
        problem.fields = [("WWW-Authenticate", "Bearer")]
        return problem
    }()
    static let requestTimeout = Problem(
        408, "request-timeout", "The request took too long", "It has to arrive whole within 30 seconds.")
    static let unsupportedMediaType = Problem(
        415, "unsupported-media-type", "The body is not JSON", "Send it with Content-Type: application/json.")

    static func methodNotAllowed(allow: String) -> Problem {
        var problem = Problem(
            405, "method-not-allowed", "The method is not for this path", "It takes \(allow).")
        problem.fields = [("Allow", allow)]
        return problem
    }

    static func invalidJSON(_ detail: String) -> Problem {
        Problem(400, "invalid-json", "The body is not what it should be", detail)
    }

    /// A well-formed value that is refused.
    static func invalid(_ code: String, _ title: String, _ detail: String) -> Problem {
        Problem(422, code, title, detail)
    }

    init(_ refusal: Refusal) {
        switch refusal {
        case .malformed:
            self.init(400, "malformed-request", "The request is malformed", "It is not HTTP/1.1 as RFC 9112 has it.")
        case .bodyTooLarge:
            self.init(
                413, "payload-too-large", "The body is too large", "At most \(Limits.bodyBytes >> 20) MiB are taken.")
        case .targetTooLong:
            self.init(414, "target-too-long", "The path is too long", "At most \(Limits.targetBytes) bytes are taken.")
        case .expectationFailed:
            self.init(417, "expectation-failed", "The expectation is unknown", "Only 100-continue is understood.")
        case .headTooLarge:
            self.init(
                431, "head-too-large", "The head is too large",
                "At most \(Limits.headBytes >> 10) KiB and \(Limits.fields) fields are taken.")
        case .notImplemented:
            self.init(
                501, "not-implemented", "The request needs what is not implemented",
                "Methods are GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS; the only transfer coding is chunked.")
        case .versionNotSupported:
            self.init(505, "version-not-supported", "The HTTP version is not supported", "Use HTTP/1.1.")
        }
    }

    init(_ error: DestinationError) {
        self.init(
            error.kind == .malformed ? 400 : 422, "invalid-url", "The destination is not accepted",
            error.description)
    }

    init(_ error: AliasError) {
        self.init(422, "invalid-alias", "The alias is not accepted", error.message)
    }

    init(_ error: WriteError) {
        switch error {
        case .aliasTaken:
            self.init(409, "alias-taken", "The alias is taken", "Another link has it; choose another alias.")
        case .overloaded: self = .overloaded
        case .rateCapped(let milliseconds): self = .overloaded.retryAfter(seconds: (milliseconds + 999) / 1000)
        case .storageFull: self = .storageFull
        case .damagedRecord: self = .damagedRecord
        case .stopping: self = .stopping
        }
    }
}
