import HTTP
import Links
import Primitives
import Replication
import Store

/// The admin port: metrics, status and readiness, switches and the API keys, answered by a thread of its own.
///
/// Safety: the queue is the only thing shared; `node` outlives the thread.
final class Admin: RequestHandler, @unchecked Sendable {
    static let queuedCalls = 256

    private unowned let node: Node
    private let access: AdminAccess
    private let snapshot: SnapshotRoutes
    private let calls = WaitingQueue<HandedOver>(capacity: queuedCalls)

    private let keys: KeyRoutes

    init(_ node: Node, address: ListenAddress) throws(StoreError) {
        self.node = node
        let authentication = Authentication(
            node.store, node.jwt, noteFailure: { [unowned node] in node.noteAuthFailure() },
            noteDamage: { [unowned node] in node.noteDamage() })
        access = AdminAccess(
            listensOnLoopback: address.isLoopback, authentication: authentication,
            now: { [unowned node] in node.now() })
        keys = KeyRoutes(node)
        snapshot = SnapshotRoutes(store: node.store)
    }

    func take(_ call: HandedOver) -> Shedding? { calls.push(call) ? nil : .queueLength }

    func close() { calls.closeAndDiscard() }

    func run() {
        while let gathered = calls.take(atMost: 64, timeoutMilliseconds: 1000) {
            for call in gathered { answer(call) }
        }
    }

    private func answer(_ call: HandedOver) {
        let path = call.message.path
        guard KeyRoutes.owns(path) || PeerRoutes.owns(path) || SwitchRoutes.owns(path) else {
            return call.answer(response(call.message))
        }
        if let refusal = access.refusal(of: call.message) { return call.answer(refusal.response) }
        if KeyRoutes.owns(path) {
            keys.answer(call, by: access.principal(of: call.message))
        } else if SwitchRoutes.owns(path) {
            call.answer(SwitchRoutes(node: node, by: access.principal(of: call.message)).response(call.message))
        } else {
            call.answer(PeerRoutes(node: node, by: access.principal(of: call.message)).response(call.message))
        }
    }

    private func response(_ message: Message) -> Response {
        let paths = ["/metrics", "/status", "/health/ready", "/debug/hot", "/debug/replication"] + SnapshotRoutes.paths
        guard paths.contains(message.path) else { return Problem.notFound.response }
        guard [.get, .head].contains(message.head.method) else {
            return Problem.methodNotAllowed(allow: "GET, HEAD").response
        }
        if SnapshotRoutes.paths.contains(message.path) {
            return access.refusal(of: message)?.response ?? snapshot.response(message)
        }
        switch message.path {
        case "/debug/replication":
            guard let peers = node.peers else { return Problem.notFound.response }
            let figures = peers.figures
            let root = node.store.digests(.root)?.children.reduce(0) { $0 &+ $1.sum }
            return Response(
                status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
                body: AdminJSON.encode(ReplicationReport(figures, node.configuration.regions, digestRoot: root)))
        case "/debug/hot":
            // Who knows a code can follow its link.
            if let refusal = access.refusal(of: message) { return refusal.response }
            let hot = node.clicks.hottestCodes
            return Response(
                status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
                body: HotText(codes: hot.codes, errorBound: hot.errorBound).json)
        case "/metrics":
            let type = "text/plain; version=0.0.4; charset=utf-8"
            return Response(
                status: 200, fields: [("Content-Type", type), ("Cache-Control", "no-store")],
                body: Array(Metrics(node).text.utf8))
        case "/status":
            return Response(
                status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
                body: AdminJSON.encode(NodeStatus(node)))
        default: return API.health(node.isReady)
        }
    }
}
