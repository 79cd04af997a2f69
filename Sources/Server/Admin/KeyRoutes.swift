import HTTP
import Links
import Primitives
import Store

/// `GET /keys`, `POST /keys`, `DELETE /keys/{id}` and `POST /keys/revocations` of the admin port, for requests that `AdminAccess` let through.
final class KeyRoutes {
    private unowned let node: Node

    init(_ node: Node) { self.node = node }

    static func owns(_ path: String) -> Bool { path == "/keys" || path.hasPrefix("/keys/") }

    /// - by: the principal that asks.
    func answer(_ call: HandedOver, by principal: [UInt8]) {
        let (path, method) = (call.message.path, call.message.head.method)
        switch (path == "/keys", method) {
        case (true, .get), (true, .head): list(call)
        case (true, .post): create(call, principal)
        case (false, .post) where path == "/keys/revocations": revokeTokens(call, principal)
        case (true, _): call.answer(Problem.methodNotAllowed(allow: "GET, HEAD, POST").response)
        case (false, .delete): revoke(call, id: path.dropFirst("/keys/".count), principal)
        case (false, _): call.answer(Problem.methodNotAllowed(allow: "DELETE").response)
        }
    }

    private func list(_ call: HandedOver) {
        do throws(StoreError) {
            call.answer(Self.response(200, AdminJSON.encode(KeyList(try node.store.allKeys(), now: node.now()))))
        } catch {
            call.answer(Problem.damagedRecord.response)
        }
    }

    private func create(_ call: HandedOver, _ principal: [UInt8]) {
        guard call.message.hasJSONBody else { return call.answer(Problem(.unsupportedMediaType).response) }
        let now = node.now()
        let new: (key: KeyText, body: KeyBody)
        do throws(RefusedRequest) { new = try KeyRequest(json: call.message.body).newKey(now: now) } catch {
            return call.answer(error.problem.response)
        }
        let act = AuditBody.creation(of: new, by: principal)
        node.store.createKey(new.key.id, new.body, audit: act) { result in
            switch result {
            case .success(let stored?):
                let made = MadeKey(key: new.key.text, description: KeyDescription(stored, now: now))
                Log.write(.info, "key-created", Self.fields(stored))
                act.tell()
                call.answer(Self.response(201, AdminJSON.encode(made)))
            case .success(nil): preconditionFailure("a key that was made is there")
            case .failure(let error): call.answer(Problem(error).response)
            }
        }
    }

    private func revoke(_ call: HandedOver, id text: Substring, _ principal: [UInt8]) {
        guard let id = KeyID(text) else { return call.answer(Problem.noSuchKey.response) }
        let act = AuditBody("revoke-key", on: "\(id)", by: principal)
        node.store.revokeKey(id, audit: act) { result in
            switch result {
            case .success(let stored?):
                Log.write(.info, "key-revoked", Self.fields(stored))
                act.tell()
                call.answer(Response(status: 204))
            case .success(nil): call.answer(Problem.noSuchKey.response)
            case .failure(let error): call.answer(Problem(error).response)
            }
        }
    }

    private func revokeTokens(_ call: HandedOver, _ principal: [UInt8]) {
        guard call.message.hasJSONBody else { return call.answer(Problem(.unsupportedMediaType).response) }
        do throws(RefusedRequest) {
            let revocation = try TokenRevocation(json: call.message.body)
            let act = revocation.act(by: principal)
            try revocation.perform(on: node.store, audit: act) { result in
                switch result {
                case .success(let stored?):
                    Log.write(
                        .info, "tokens-revoked",
                        [
                            "claim": .string(KeyDescription(stored, now: stored.createdAt).kind),
                            "value": .string(stored.body.label),
                        ])
                    act.tell()
                    call.answer(Response(status: 204))
                case .success(nil): preconditionFailure("what was revoked is there")
                case .failure(let error): call.answer(Problem(error).response)
                }
            }
        } catch {
            call.answer(error.problem.response)
        }
    }

    /// What the log may say of a key.
    private static func fields(_ key: StoredKey) -> KeyValuePairs<String, Log.Value> {
        ["id": .init(key.id), "owner": .string(String(decoding: key.body.principal, as: UTF8.self))]
    }

    private static func response(_ status: Int, _ json: [UInt8]) -> Response {
        Response(
            status: status, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")], body: json)
    }
}

extension Problem {
    static let noSuchKey = Problem(.notFound, "No key has this id.")
}
