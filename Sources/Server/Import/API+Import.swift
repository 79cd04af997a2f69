import HTTP
import Import
import Links
import Primitives
import Store

/// Links from elsewhere, and links for elsewhere.
extension API {
    /// `POST /api/v1/urls/import`
    func importLinks(_ call: APICall) {
        guard configuration.role == .edge else { return call.answer(Problem.witness.response) }
        let run: ImportRun
        do {
            try checkMayCreate(call.caller)
            let values = try QueryValues(call.message.query)
            try values.allow(ImportRules.parameters)
            if let given = values["dry_run"], given != "true" { throw RefusedRequest.wrongQuery("dry_run", is: "true") }
            guard call.message.hasNDJSONBody else { throw RefusedRequest(.noNDJSON) }
            let request = try repeatableRequest(call.message, of: call.principal)
            // Rows have claims of their own; what stands under the request's was another one.
            if let request {
                try checkCovered(call)
                _ = try earlier(request)
            }
            let isAdmin = call.caller.allows(.admin)
            run = try ImportRun(
                self,
                ImportRules(
                    policy: policy, nameRule: nameRule, principal: call.caller.principal, takesOwners: isAdmin),
                isDryRun: values["dry_run"] != nil, subject: isAdmin ? nil : call.subject, repeatable: request)
        } catch let error as RefusedRequest {
            return refuse(call, error.problem)
        } catch {
            return call.answer(Problem.overloaded.response)
        }
        let head = Response(
            status: 200, fields: [("Content-Type", "application/x-ndjson"), ("Cache-Control", "no-store")])
        let isolated = Isolated(run)
        call.stream(head, in: streams) { (stream) throws(StreamEnd) in try isolated.value.run(stream) }
    }

    /// What streams does not wait for what its token tells of.
    private func checkCovered(_ call: APICall) throws(RefusedRequest) {
        let message = call.message
        let token = message.headBytes.withUnsafeBytes {
            tokens.reading(message.head, $0, now: now(), tokenCounts).token
        }
        if let token, !tokens.covers(token), lookups != nil { throw RefusedRequest(.behind) }
    }

    /// `GET /api/v1/urls/export`
    func exportLinks(_ call: APICall) {
        do throws(RefusedRequest) {
            let request = try ExportRequest(call.message.query, call.caller)
            let start = try request.after.map { (code) throws(RefusedRequest) in try position(behind: code, request) }
            let export = LinkExport(self, request, after: start)
            let head = Response(
                status: 200, fields: [("Content-Type", request.format.mediaType), ("Cache-Control", "no-store")])
            call.stream(head, in: streams) { (stream) throws(StreamEnd) in try export.run(stream) }
        } catch {
            call.answer(error.problem.response)
        }
    }

    /// Where the link of the code stands in what is exported.
    private func position(behind code: String, _ request: ExportRequest) throws(RefusedRequest) -> ListPosition {
        let bytes = Array(code.utf8)
        do throws(StoreError) { try reader.begin() } catch { throw RefusedRequest(.overloaded) }
        defer { reader.end() }
        let key = reader.key(of: bytes.span.bytes)
        // In the order of keys there is a place for each.
        guard let owner = request.owner else { return ListPosition(createdAt: Instant(milliseconds: 0), key: key) }
        guard case .link(let found) = reader.find(bytes.span.bytes), let record = found.record,
            record.body.owner == owner
        else { throw RefusedRequest(.noSuchPlace) }
        return ListPosition(createdAt: record.body.createdAt(writtenAt: Stamp(rawValue: record.stamp)), key: key)
    }
}

extension LinkBody {
    /// When the link is shown to have been made; its record was written at `stamp`.
    func createdAt(writtenAt stamp: Stamp) -> Instant {
        importedCreation ?? creation.map { Stamp(rawValue: $0.stamp).instant } ?? stamp.instant
    }
}

extension Message {
    /// Whether the body says of itself that it is JSON, an object a line, and is not compressed.
    fileprivate var hasNDJSONBody: Bool {
        guard let type = value(of: .contentType), !head.has(.contentEncoding) else { return false }
        return Array(type.utf8).withUnsafeBytes { MediaType.matches($0.bytes, "application/x-ndjson") }
    }
}

extension Problem {
    fileprivate static let noNDJSON = Problem(
        .unsupportedMediaType,
        "Send lines of JSON as they are, not compressed, with Content-Type: application/x-ndjson.")
    fileprivate static let noSuchPlace = Problem(
        .invalidQuery, "\"after\" is the code of no link that is exported; give that of an earlier one.")
}

/// What one thread makes and another one uses, one after the other.
///
/// Safety: whoever makes it lets go of it before it is used.
private struct Isolated<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
