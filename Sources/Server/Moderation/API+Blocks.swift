import HTTP
import Links
import Primitives
import Store

/// Blocks of links, for the scope `admin`.
extension API {
    /// False: the call is answered, because its caller is no admin.
    func isForAdmin(_ call: APICall) -> Bool {
        guard call.caller != .anonymous else {
            call.answer(Problem.needsAdmin.response)
            return false
        }
        guard call.caller.allows(.admin) else {
            call.answer(Problem.lacksScope(.admin).response)
            return false
        }
        return true
    }

    /// Blocks a link, or lifts its block.
    func setBlock(_ call: APICall, _ code: String, isBlocked: Bool) {
        guard isForAdmin(call) else { return }
        guard configuration.role == .edge else { return call.answer(Problem.witness.response) }
        var (call, reason) = (call, "")
        call.changes = true
        if isBlocked {
            guard call.message.hasJSONBody else { return call.answer(Problem(.unsupportedMediaType).response) }
            do throws(RefusedRequest) { reason = try BlockRequest(call.message.body).reason } catch {
                return call.answer(error.problem.response)
            }
        }
        let by = call.caller.principal!
        find(call, code) { call, link in
            var call = call
            // The answer to a write has a token of its own.
            call.marks.removeAll { $0.name == "Edge-Token" }
            let key = link.elsewhere?.key ?? reader.key(of: link.code.span.bytes)
            let write = BlockWrite(
                key: key, isBlocked: isBlocked, source: .decision, reason: reason, by: by,
                destination: link.record.body.destination)
            store.moderate(write) { [self, call] result in
                switch result {
                case .success(let written): answer(call, written, link.code)
                case .failure(.damagedRecord): damaged(call)
                case .failure(let error): call.answer(Problem(error).response)
                }
            }
        }
    }

    /// Any thread. Once as many other regions have it as the configuration wants.
    private func answer(_ call: APICall, _ written: WrittenBlock, _ code: [UInt8]) {
        guard let block = written.block else { preconditionFailure("a decision is written wherever there is none") }
        guard let sequence = written.sequence else { return answer(call, block, code, status: 200, position: nil) }
        AuditBody(
            block.body.isBlocked ? "block" : "lift-block", on: "/" + String(decoding: code, as: UTF8.self),
            by: block.body.by, detail: block.body.reason
        ).tell()
        durability.hold(block.origin, sequence, at: System.monotonicMilliseconds()) { [self] isDurable in
            guard isDurable else { return call.answer(Problem.changeNotReplicated(code).response) }
            let position = LifeTag(block.origin).map { LogPosition($0, sequence) }
            answer(call, block, code, status: written.isNew ? 201 : 200, position: position)
        }
    }

    private func answer(
        _ call: APICall, _ block: StoredBlock, _ code: [UInt8], status: Int, position: LogPosition?
    ) {
        var fields = writeFields(call, block.stamp, block.origin, position)
        guard block.body.isBlocked else { return call.answer(Response(status: 204, fields: fields)) }
        fields.append(("Content-Type", "application/json"))
        call.answer(Response(status: status, fields: fields, body: text(of: block, code).json))
    }

    func showBlock(_ call: APICall, _ code: String) {
        guard isForAdmin(call) else { return }
        find(call, code) { call, link in
            let key = link.elsewhere?.key ?? reader.key(of: link.code.span.bytes)
            guard let found = try? store.findBlock(key) else { return call.refuse(.overloaded) }
            switch found {
            case .absent: call.refuse(.notBlocked)
            case .damaged: damaged(call)
            case .block(let block): call.answer(json(text(of: block, link.code).json))
            }
        }
    }

    func listBlocks(_ call: APICall) {
        guard isForAdmin(call) else { return }
        let request: BlockListRequest
        do throws(RefusedRequest) { request = try BlockListRequest(call.message.query) } catch {
            return call.answer(error.problem.response)
        }
        guard let page = try? store.blocks(after: request.after, limit: request.limit) else {
            return call.answer(Problem.overloaded.response)
        }
        for _ in 0..<page.damagedCount { noteDamage() }
        let blocks = page.blocks.map { text(of: $0.block, $0.code).json }
        call.answer(
            self.page(
                "blocks", blocks, next: page.next.map { ModerationKey.block($0).text },
                damagedCount: page.damagedCount))
    }

    private func json(_ body: [UInt8]) -> Response {
        Response(
            status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")], body: body)
    }

    private func text(of block: StoredBlock, _ code: [UInt8]) -> BlockText {
        BlockText(block: block, code: code, publicURL: publicURL, region: regionName(block.origin))
    }
}

extension Problem {
    static let needsAdmin = unauthorized("This is for keys with the scope admin, and this request has none.")
    static let notBlocked = Problem(.notFound, "The link is not blocked, and never was.")
}
