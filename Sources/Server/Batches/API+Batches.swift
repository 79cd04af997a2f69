import HTTP
import Links
import Primitives
import Store

/// Many links by one request: taken durably, made one after the other, asked for by the id that the answer gave.
extension API {
    func takeBatch(_ call: APICall) {
        guard configuration.role == .edge else { return call.answer(Problem.witness.response) }
        var call = call
        let principal = call.principal
        let request: RepeatableRequest?
        let entries: [BatchEntry]
        do throws(RefusedRequest) {
            try allowCreation(call)
            request = try repeatableRequest(call.message, of: principal)
            if request != nil, !knowsWhatCame(before: &call) { return }
            if let request, let earlier = try earlier(request) {
                guard case .batch(let head) = earlier else { preconditionFailure("the path is a part of the hash") }
                return call.answer(accepted(head, isReplay: true, call.message))
            }
            entries = try batchEntries(call)
        } catch {
            return refuse(call, error.problem)
        }
        guard intake.lets() else { return call.answer(Problem.overloaded.response) }
        if let problem = batches.reserve(principal) { return call.answer(problem.response) }
        let head = BatchHead(
            number: request?.claim ?? .random(in: 1 ... .max),
            request: request?.hash ?? requests.hash(call.message.path, call.message.body), takenAt: now(),
            count: entries.count, principal: principal)
        store.takeBatch(head, entries) { [self, call] result in
            switch result {
            case .success(let taken):
                if taken.isReplay { batches.release(principal) } else { batches.begin(taken.head) }
                call.answer(accepted(taken.head, isReplay: taken.isReplay, call.message))
            case .failure(let error):
                batches.release(principal)
                if error == .damagedRecord { noteDamage() }
                refuse(call, Problem(error))
            }
        }
    }

    private func accepted(_ head: BatchHead, isReplay: Bool, _ message: Message) -> Response {
        let id = batchID(head.number)
        var body: [UInt8] = [UInt8(ascii: "{")]
        body.append(jsonKey: "batch_id", string: id.text)
        body.append(UInt8(ascii: "}"))
        return Response(
            status: 202,
            fields: [
                ("Content-Type", "application/json"), ("Location", "/api/v1/urls/bulk/\(id.text)"),
                ("Cache-Control", "no-store"),
            ] + repeatMark(isReplay, message), body: body)
    }

    private func batchID(_ number: UInt128) -> BatchID {
        BatchID(region: store.origin.region, node: store.origin.node, number: number)
    }

    // MARK: Entries

    /// What is wrong with an entry is its own result.
    private func batchEntries(_ call: APICall) throws(RefusedRequest) -> [BatchEntry] {
        let body = call.message.body
        guard body.count <= BatchLimits.bodyBytes else {
            throw RefusedRequest(Problem(.payloadTooLarge, "At most \(BatchLimits.bodyBytes >> 20) MiB are taken."))
        }
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue(body, valueLimit: BatchLimits.jsonValues) } catch {
            throw RefusedRequest(Problem(.invalidJSON, error.message(of: "The body")))
        }
        guard case .array(let values) = value else {
            throw RefusedRequest(Problem(.invalidJSON, "A JSON array is wanted."))
        }
        guard (1...BatchLimits.entries).contains(values.count) else {
            throw RefusedRequest(
                Problem(.invalidBatch, "It has \(values.count) entries; 1 to \(BatchLimits.entries) are taken."))
        }
        let (now, owner) = (now(), call.caller.principal)
        return values.map { value in
            do throws(RefusedRequest) {
                let form = CreateRequest.Form.full
                let wanted = try CreateRequest(try JSONMembers(value, known: form.members), form)
                guard wanted.claimID == nil else { throw RefusedRequest(.claimInBatch) }
                var (link, hostName) = try wanted.link(policy, store.codeSpace, now: now)
                link.body.owner = owner
                return BatchEntry(isDone: false, content: BatchLink(link, hostName: hostName).content)
            } catch {
                batches.note(isMade: false)
                return BatchEntry(isDone: true, content: BatchResult.refused(error.problem))
            }
        }
    }

    /// Makes an entry, or finds that it was made before. Any thread. `completion` gets its result; nil: what keeps it from
    /// being made does not last.
    func make(
        _ content: [UInt8], of batch: BatchHead, at index: Int, _ completion: @escaping @Sendable ([UInt8]?) -> Void
    ) {
        guard let wanted = BatchLink(content) else { return completion(BatchResult.refused(.damagedRecord)) }
        var link = wanted.link
        link.claim(
            RepeatableRequest(claim: requests.claim(ofEntry: index, in: batch.number), hash: batch.request),
            since: batch.takenAt.advanced(byMilliseconds: -StoreLimits.claimsKeptMilliseconds))
        guard let nameRule, let name = wanted.hostName else { return make(link, for: completion) }
        nameRule.judge(name) { [self, link] verdict in
            switch verdict {
            case .admitted: make(link, for: completion)
            case .refused: refused(.namePrivate, completion)
            case .unknown: refused(.lookupFailed, completion)
            }
        }
    }

    private func make(_ link: NewLink, for completion: @escaping @Sendable ([UInt8]?) -> Void) {
        make(link) { [self] result in
            switch result {
            case .success(let made):
                let text = text(of: made)
                durability.hold(made.origin, made.sequence, at: System.monotonicMilliseconds()) { [self] isDurable in
                    batches.note(isMade: true)
                    // To wait on, its claim would have to be kept for as long, or it would be made a second time.
                    completion(BatchResult.made(text, isDurable ? nil : Problem.notReplicated(made.code)))
                }
            case .failure(let refusal):
                let passing = [ProblemKind.overloaded, .aliasUnavailable, .claimUnknown].map(\.code)
                if passing.contains(refusal.problem.kind.code) { return completion(nil) }
                refused(refusal.problem, completion)
            }
        }
    }

    private func refused(_ problem: Problem, _ completion: ([UInt8]?) -> Void) {
        batches.note(isMade: false)
        completion(BatchResult.refused(problem))
    }

    // MARK: Reading

    func showBatch(_ call: APICall, _ text: String) {
        guard let id = BatchID(text) else { return missing(call) }
        guard id == batchID(id.number) else {
            guard let region = configuration.regions.first(where: { $0.character == id.region }) else {
                return missing(call)
            }
            return call.answer(Problem.batch(withNode: id.node, of: region.name).response)
        }
        let found: (head: BatchHead, entries: [BatchEntry])?
        do throws(StoreError) { found = try store.batch(id.number) } catch {
            if case .damaged = error { return damaged(call) }
            return call.answer(Problem.overloaded.response)
        }
        guard let found, found.head.principal == call.principal || call.caller.allows(.admin) else {
            return missing(call)
        }
        call.answer(
            Response(
                status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
                body: Self.json(found.head, found.entries)))
    }

    private static func json(_ head: BatchHead, _ entries: [BatchEntry]) -> [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: "status", string: head.doneAt == nil ? "running" : "done")
        json.append(jsonKey: "total")
        json += Array(String(entries.count).utf8)
        json.append(jsonKey: "done")
        json += Array(String(entries.count(where: \.isDone)).utf8)
        json.append(jsonKey: "results")
        json.append(UInt8(ascii: "["))
        for (index, entry) in entries.enumerated() {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            json += entry.isDone ? entry.content : Array("null".utf8)
        }
        json.append(UInt8(ascii: "]"))
        json.append(UInt8(ascii: "}"))
        return json
    }
}

extension Problem {
    static let tooManyBatches = Problem(
        .rateLimited, "\(BatchLimits.unfinishedOfOne) batches of this client are not done yet; send the next one then."
    )
    .retryAfter(seconds: 1)
    static let claimInBatch = Problem(
        .invalidJSON, "The member \"claim_id\" is for a request of its own; a batch's entries have claims of theirs.")

    static func batch(withNode node: UInt8, of region: String) -> Problem {
        Problem(.batchElsewhere, "The batch is with node \(node) of the region \(region); ask that one.")
    }
}
