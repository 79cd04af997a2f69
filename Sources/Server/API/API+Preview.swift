import HTTP
import Links
import Primitives
import Store

/// `/{code}+`: where a link leads, instead of the jump. What anybody learns who follows the link, and no more; and no click.
extension API {
    /// The code in the path of a preview; nil for other paths. No alias ends so.
    static func previewed(_ path: String) -> String? {
        guard path.utf8.last == UInt8(ascii: "+") else { return nil }
        let path = path.dropLast()
        return Array(path.utf8).withUnsafeBytes({ Route.code($0) != nil }) ? String(path.dropFirst()) : nil
    }

    func preview(_ call: APICall, _ code: String) {
        var call = call
        call.isForAnybody = true
        let accept = call.message.value(of: .accept).map { Array($0.utf8) } ?? []
        func prefers(_ type: StaticString, over other: StaticString) -> Bool {
            MediaType.prefers(type, over: other, accept: accept.span.bytes)
        }
        // Who says nothing gets the page, and of a refusal what a redirect's is.
        let wantsJSON = prefers("application/json", over: "text/html")
        call.showsPages = prefers("text/html", over: "application/problem+json")
        find(call, code) { call, link in
            if link.isBlocked { return call.refuse(.blocked(by: publicURL)) }
            let body = link.record.body
            guard !body.flags.contains(.inactive), body.expiresAt.map({ now() < $0 }) ?? true else {
                return call.refuse(.gone)
            }
            let text = text(of: link)
            call.answer(wantsJSON ? text.publicResponse : text.pageResponse)
        }
    }
}

extension LinkText {
    fileprivate var publicResponse: Response {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: "short_code", utf8: code)
        json.append(jsonKey: "short_url", string: shortURL)
        json.append(jsonKey: "long_url", utf8: body.destination)
        json.append(jsonKey: "title", string: body.title)
        json.append(jsonKey: "created_at", string: CalendarTime(body.createdAt(writtenAt: stamp)).rfc3339)
        json.append(jsonKey: "expires_at", string: body.expiresAt.map { CalendarTime($0).rfc3339 })
        json.append(jsonKey: "is_active", bool: true)
        json.append(UInt8(ascii: "}"))
        return Response(
            status: 200, fields: [("Content-Type", "application/json")] + Self.fields, body: json)
    }

    fileprivate var pageResponse: Response {
        let destination = HTMLPage.escaped(String(decoding: body.destination, as: UTF8.self))
        var content = "<p>This link leads to</p>\n"
        content += "<p><a href=\"\(destination)\" rel=\"noreferrer nofollow\">\(destination)</a></p>\n"
        if let title = body.title { content += "<p>Title: \(HTMLPage.escaped(title))</p>\n" }
        content += "<p>Made at \(CalendarTime(body.createdAt(writtenAt: stamp)).rfc3339)</p>"
        if let end = body.expiresAt { content += "\n<p>Ends at \(CalendarTime(end).rfc3339)</p>" }
        return HTMLPage.response(shortURL, content, fields: Self.fields)
    }

    private static var fields: [(name: String, value: String)] {
        [("Cache-Control", "no-store"), ("Vary", "Accept")]
    }
}
