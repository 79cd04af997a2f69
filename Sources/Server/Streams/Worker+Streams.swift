import CLinux
import Glibc
import HTTP
import Primitives

/// Letting a connection go to a thread of its own.
extension Worker {
    /// Whether the body of such a request is not gathered here, but left to who serves it, as it comes.
    static func streamsBody(_ head: RequestHead, _ bytes: RawSpan) -> Bool {
        guard head.method == .post else { return false }
        return bytes.extracting(head.path.range).withUnsafeBytes { $0.elementsEqual("/api/v1/urls/import".utf8) }
    }

    /// The connection leaves the loop, and takes its place among the port's connections along. False if the system gives
    /// no thread: then it stays, and is told that there is too much to do.
    func detach(_ stream: ServedStream, _ form: Response.Form, _ call: HandedOver, _ connection: Connection) -> Bool {
        var form = form
        form.keepsAlive = false
        let body = call.body ?? .empty
        var head: [UInt8] = []
        if body.expectsContinue { head.append(Response.continueLine) }
        over(connection, stream.head).appendHead(to: &head, form: form, date: redirects.date.span.bytes)
        let client = ClientStream(
            connection.descriptor, connection.session, node.api.streams, timeouts, unsent: connection.output,
            head: head,
            unread: connection.input, body, form)
        // From its start on the thread may close the descriptor.
        events.remove(connection.descriptor)
        let thread = SystemThread(ifPossible: "stream", niceness: API.niceness) { [budget] in
            client.run(stream.serve)
            budget.leavePlace()
        }
        guard let thread else {
            // There was room for it in the set just now.
            _ = events.add(connection.descriptor, EPOLLIN, token: connection.handle.token)
            connection.interest = .reading
            answer(Problem.overloaded.response, form, call, connection)
            return false
        }
        thread.detach()
        noteAccess(stream.head.status, call, from: output.count, connection)
        release(connection)
        return true
    }
}
