import HTTP
import Links
import Primitives
import Store

/// Lists of links for their owners.
extension API {
    func list(_ call: APICall) {
        var call = call
        let request: ListRequest
        do throws(RefusedRequest) { request = try ListRequest(call.message.query, call.caller) } catch {
            return call.answer(error.problem.response)
        }
        let cursors = tokens.listCursor(owner: request.owner)
        var after: ListPosition?
        if let cursor = request.cursor {
            after = cursors.position(Array(cursor.utf8).span.bytes)
            if after == nil { return call.answer(Problem.wrongCursor.response) }
        }
        // There is no code that others could be asked for: what its token tells of may come while it waits.
        guard let environment = read(&call, []) else { return }
        let page: OwnedPage
        do throws(StoreError) {
            let end = System.monotonicMicroseconds() + ListRequest.Limits.readMicroseconds
            page = try store.ownedLinks(
                request.query(after: after), isOver: { System.monotonicMicroseconds() >= end },
                matches: request.matches)
        } catch {
            if case .damaged = error { return damaged(call) }
            return call.answer(Problem.overloaded.response)
        }
        noteReplacement(&call, since: environment)
        for _ in 0..<page.damagedCount { noteDamage() }
        call.answer(
            Response(
                status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
                body: json(page, cursors)))
    }

    private func json(_ page: OwnedPage, _ cursors: ListCursor) -> [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: "urls")
        json.append(UInt8(ascii: "["))
        for (index, link) in page.links.enumerated() {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            let shown = ShownLink(
                code: link.code, isAlias: link.key.isAlias, record: link.record, origin: link.origin,
                elsewhere: nil, isBlocked: link.isBlocked)
            json += text(of: shown).json
        }
        json.append(UInt8(ascii: "]"))
        json.append(jsonKey: "next_cursor", string: page.next.map(cursors.text))
        if page.isCutShort { json.append(jsonKey: "incomplete", bool: true) }
        if page.damagedCount > 0 {
            json.append(jsonKey: "damaged")
            json += Array(String(page.damagedCount).utf8)
        }
        json.append(UInt8(ascii: "}"))
        return json
    }
}
