import HTTP
import Links
import Replication

/// What an operator may tell a node about its peers.
package enum PeerOrder: Equatable, Sendable {
    /// The node is gone for good: it holds nothing back any more, and is turned away.
    case retire(region: String, node: Int)
    /// What the node's entries were quarantined for was seen to.
    case release(region: String, node: Int)
    /// This node has no peers, though some are configured: ordinary codes may go on.
    case alone
    /// Shows who decides about aliases.
    case regions
    case region(AcceptorAction, region: String, node: Int)
    /// The acceptor votes with what it has.
    case vouch

    package var path: String {
        switch self {
        case .retire(let region, let node): "/replication/retire/\(region)/\(node)"
        case .release(let region, let node): "/replication/release/\(region)/\(node)"
        case .alone: "/replication/alone"
        case .regions: "/replication/regions"
        case .region(let action, let region, let node): "/replication/regions-\(action.rawValue)/\(region)/\(node)"
        case .vouch: "/replication/vouch"
        }
    }

    var method: RequestHead.Method { self == .regions ? .get : .post }

    /// Nil if the path is none of these.
    init?(path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        guard parts.first == "replication" else { return nil }
        if let plain = [PeerOrder.alone, .regions, .vouch].first(where: { $0.path == path }) {
            self = plain
            return
        }
        guard parts.count == 4, !parts[2].isEmpty, let node = Int(parts[3]), String(node) == parts[3] else {
            return nil
        }
        switch parts[1] {
        case "retire": self = .retire(region: parts[2], node: node)
        case "release": self = .release(region: parts[2], node: node)
        default:
            guard let action = AcceptorAction.allCases.first(where: { "regions-\($0.rawValue)" == parts[1] }) else {
                return nil
            }
            self = .region(action, region: parts[2], node: node)
        }
    }
}

/// `POST /replication/…` of the admin port, for requests that `AdminAccess` let through.
struct PeerRoutes {
    unowned let node: Node
    /// The principal that asks.
    let by: [UInt8]

    static func owns(_ path: String) -> Bool { path.hasPrefix("/replication/") }

    func response(_ message: Message) -> Response {
        guard let peers = node.peers, let order = PeerOrder(path: message.path) else {
            return Problem.notFound.response
        }
        guard message.head.method == order.method else {
            return Problem.methodNotAllowed(allow: order.method == .get ? "GET" : "POST").response
        }
        let routes = RegionRoutes(peers: peers, regions: node.configuration.regions)
        let status = peers.figures.status
        switch order {
        case .regions: return routes.report
        case .vouch: peers.give(.vouch)
        case .region(let action, let region, let number):
            guard let id = id(region, number) else { return Problem.noSuchMember.response }
            if let problem = routes.problem(action, id) { return problem.response }
        case .alone: peers.give(.noPeers)
        case .retire(let region, let number):
            guard let id = id(region, number), status.members.contains(where: { $0.id == id }) else {
                return Problem.noSuchMember.response
            }
            guard id != NodeID(status.own) else { return Problem.retiresItself.response }
            peers.give(.retire(id))
        case .release(let region, let number):
            let origins = status.logs.filter { NodeID($0.state.origin) == id(region, number) && $0.quarantine != nil }
            guard !origins.isEmpty else { return Problem.notQuarantined.response }
            for log in origins { peers.give(.release(log.state.origin)) }
        }
        Log.write(.warning, "peer-order", ["order": .string(order.path)])
        AuditBody("cluster-order", on: order.path, by: by).tell(to: node.store)
        return Response(status: 204)
    }

    private func id(_ region: String, _ number: Int) -> NodeID? {
        guard ConfigurationLimits.nodes.contains(number) else { return nil }
        return node.configuration.regions.first { $0.name == region }.map {
            NodeID(region: $0.character, node: UInt8(number))
        }
    }
}

extension Problem {
    static let noSuchMember = Problem(.notFound, "No member of the cluster is known by this region and number.")
    static let notQuarantined = Problem(.notFound, "Nothing of this node's is quarantined here.")
    static let retiresItself = Problem(.forbidden, "A node is retired by another one.")
}

/// `edge cluster retire`, `release`, `alone` and `regions`: tells a running node through its admin port. Returns the exit status.
package func runPeerOrder(_ order: PeerOrder, _ server: Authority) -> Int32 {
    do throws(CommandClientError) {
        let client = CommandClient(server: server)
        let answer =
            order.method == .get
            ? try client.send("GET", order.path) : try client.send("POST", order.path, json: Array("{}".utf8))
        if answer.status == 204 { return ExitStatus.done }
        if answer.status == 200, let report = AdminJSON.decode(answer.body, as: RegionReport.self) {
            StandardStream.output.write(report.text)
            return ExitStatus.done
        }
        let problem = AdminJSON.decode(answer.body, as: ProblemDetail.self)?.detail ?? "status \(answer.status)"
        StandardStream.error.write("edge cluster: http://\(server): \(problem)\n")
    } catch {
        StandardStream.error.write("edge cluster: http://\(server): \(error)\n")
    }
    return ExitStatus.failed
}

private struct ProblemDetail: Codable { var detail: String }
