import HTTP
import Links
import Primitives
import Store

/// What other programs follow: every change of every link.
extension API {
    func tellChanges(_ call: APICall) {
        let request: ChangesRequest
        do throws(RefusedRequest) { request = try ChangesRequest(call.message.query, call.caller) } catch {
            return call.answer(error.problem.response)
        }
        guard request.isStream else { return feed.take(call, request) }
        let start = feed.position(request)
        // A refusal has to be told in place of the first line.
        if case .failure(let error) = store.changes(after: start, atMost: 1) {
            return call.answer(feed.problem(error).response)
        }
        call.stream(Response(status: 200, fields: ChangeFeed.fields), in: streams) { [feed] stream throws(StreamEnd) in
            try feed!.tell(stream, after: start)
        }
    }

    /// Any thread. One line of JSON, and the position behind it.
    func line(_ write: LinkWrite, _ position: ChangePosition) -> [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: "position", string: position.text)
        json.append(jsonKey: "kind", string: write.kind.rawValue)
        json.append(jsonKey: "at", string: CalendarTime(write.stamp.instant).rfc3339)
        json.append(jsonKey: "region", string: regionName(write.origin))
        json.append(jsonKey: "version", string: write.version)
        json.append(jsonKey: "short_code", utf8: write.code)
        json.append(jsonKey: "link")
        if case .link(let body) = write.content, write.kind != .deleted {
            json += text(write.code, isAlias: write.key.isAlias, write.stamp, write.origin, body).json
        } else {
            json += Array("null".utf8)
        }
        return json + [UInt8(ascii: "}"), 0x0a]
    }
}
