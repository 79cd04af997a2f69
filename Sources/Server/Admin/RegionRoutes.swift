import HTTP
import Links
import Replication

/// What an operator may do to the acceptors of aliases: one at a time.
package enum AcceptorAction: String, CaseIterable, Sendable {
    /// One more, of a region that has none.
    case add
    /// One fewer.
    case remove
    /// This node, in place of its region's other one.
    case move
    /// One that leaves will never confirm it: nobody waits for it.
    case dead

    /// Of the next epoch.
    func acceptors(_ node: NodeID, after present: [NodeID]) -> [NodeID] {
        switch self {
        case .add: present + [node]
        case .remove: present.filter { $0 != node }
        case .move: present.filter { $0.region != node.region } + [node]
        case .dead: present
        }
    }
}

/// `GET /replication/regions`, and `POST` of what changes them.
struct RegionRoutes {
    let peers: PeerThread
    let regions: [Configuration.Region]

    var report: Response {
        let body = AdminJSON.encode(RegionReport(peers.figures.registers, regions))
        return Response(
            status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")], body: body)
    }

    /// Nil: it is done. Waits as long as a claim does.
    func problem(_ action: AcceptorAction, _ node: NodeID) -> Problem? {
        if action == .dead {
            guard peers.figures.registers.awaited?.contains(node) == true else { return .notAwaited }
            peers.give(.declareDead(node))
            return nil
        }
        switch peers.change(action, node) {
        case .won: return nil
        case .taken: return Problem(.regionsUnchanged, "Another change was decided first.")
        case .refused(let objection): return Problem(.regionsUnchanged, objection.text)
        case .unknown, .unavailable, .overloaded, nil: return .regionsUnknown
        }
    }
}

/// Which nodes decide about aliases.
struct RegionReport: Codable {
    var epoch: UInt64
    /// REGION/NODE each.
    var acceptors: [String]
    /// The answers of the node that was asked count.
    var voting: Bool
    /// Whom the next epoch waits for; nil: none is decided.
    var awaited: [String]?

    init(_ figures: RegisterFigures, _ regions: [Configuration.Region]) {
        func name(_ node: NodeID) -> String {
            regions.first { $0.character == node.region }.map { "\($0.name)/\(node.node)" } ?? "\(node)"
        }
        epoch = figures.epoch.number
        acceptors = figures.epoch.acceptors.map(name)
        voting = figures.isVoting
        awaited = figures.awaited?.map(name)
    }

    /// For people.
    var text: String {
        var lines = ["epoch      \(epoch)", "acceptors  \(acceptors.joined(separator: ", "))"]
        if let awaited { lines.append("next       decided; waits for \(awaited.joined(separator: ", "))") }
        lines.append("this node  \(voting ? "votes" : "does not vote")")
        return lines.map { $0 + "\n" }.joined()
    }
}

extension EpochObjection {
    /// One sentence for the operator.
    var text: String {
        switch self {
        case .notTheNext: "It is not the next one: ask again."
        case .malformed: "A cluster has at least one acceptor, and each once."
        case .noChange: "It is so already."
        case .moreThanOne: "One at a time is added, removed or moved."
        case .twoInOneRegion: "Its region has an acceptor: move it, or remove that one first."
        case .tooMany: "There are as many acceptors as can be."
        case .noneStays: "A single acceptor is not moved: add the new one, then remove the old."
        case .underWay: "Another change is under way: edge cluster regions tells for whom it waits."
        }
    }
}

extension Problem {
    static let notAwaited = Problem(
        .regionsUnchanged, "No change is decided that waits for this node, as far as is known here.")
    static let regionsUnknown = Problem(
        .aliasUnavailable, "It is not known whether the change was decided: edge cluster regions tells.")
}
