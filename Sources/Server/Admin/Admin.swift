import HTTP
import Links
import Primitives
import Store

/// The admin port: metrics, status and readiness, answered by a thread of its own. It tells much and changes nothing.
///
/// Safety: the queue is the only thing shared; `node` outlives the thread.
final class Admin: RequestHandler, @unchecked Sendable {
    static let queuedCalls = 256

    private unowned let node: Node
    private let calls = WaitingQueue<HandedOver>(capacity: queuedCalls)

    init(_ node: Node) { self.node = node }

    func take(_ call: HandedOver) -> Shedding? { calls.push(call) ? nil : .queueLength }

    func close() { calls.closeAndDiscard() }

    func run() {
        while let gathered = calls.take(atMost: 64, timeoutMilliseconds: 1000) {
            for call in gathered { call.answer(response(call.message)) }
        }
    }

    private func response(_ message: Message) -> Response {
        let paths = ["/metrics", "/status", "/health/ready"]
        guard paths.contains(message.path) else { return Problem.notFound.response }
        guard [.get, .head].contains(message.head.method) else {
            return Problem.methodNotAllowed(allow: "GET, HEAD").response
        }
        switch message.path {
        case "/metrics":
            let type = "text/plain; version=0.0.4; charset=utf-8"
            return Response(
                status: 200, fields: [("Content-Type", type), ("Cache-Control", "no-store")],
                body: Array(Metrics(node).text.utf8))
        case "/status":
            return Response(
                status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
                body: NodeStatus(node).json)
        default: return API.health(node.isReady)
        }
    }
}
