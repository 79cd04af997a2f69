import Links
import Replication

/// What operators find in the log.
extension PeerThread {
    func tellReadiness(_ isReady: Bool) {
        if isReady {
            Log.write(.info, "caught-up")
        } else {
            Log.write(
                .warning, "behind", ["reason": "peers have, or may have, what this node has not; redirects go on"])
        }
    }

    func tellConnection(_ id: ConnectionID, _ node: NodeID) {
        let subjects = ["\(node)", transport.dialledAddress(id), transport.host(id)]
        for subject in subjects.compactMap(\.self) { watch.forget(subject) }
        Log.write(.info, "peer-connected", ["peer": .init(node), "connection": .init(Int(id.rawValue))])
    }

    func tellLoss(of node: NodeID) { Log.write(.warning, "peer-lost", ["peer": .init(node)]) }

    /// A peer that is refused tries again and again: it is told once, and again when the reason is another one or there
    /// was a connection.
    func tellClosing(_ id: ConnectionID, _ reason: CloseReason) {
        let why: String
        switch reason {
        // Whoever shares a list of all nodes dials itself; of two that dial one another one connection stays.
        case .rejected(.own), .refused(.own): return
        case .duplicateConnection:
            if let address = transport.dialledAddress(id) { watch.forget(address) }
            return
        case .rejected(let objection): why = "rejected: \(objection)"
        case .refused(let objection): why = "refused: \(objection)"
        case .malformed, .violation, .authenticationTimeout, .silence, .newIncarnation: why = "\(reason)"
        }
        let node = forgetConnection(id)
        let known = node?.description ?? transport.dialledAddress(id)
        let peer = known ?? transport.host(id) ?? "unknown"
        // Behind one address there may be several strangers, each with a reason of its own.
        guard watch.isNews(why, of: known ?? "\(peer) \(why)") else { return }
        Log.write(.warning, "peer-closed", ["peer": .string(peer), "reason": .string(why)])
    }

    /// Each has its name in the documentation of operation.
    func raise(_ alarm: Alarm) {
        watch.noteAlarm(alarm.name)
        let peer = "\(alarm.subject)"
        switch alarm {
        case .duplicateNode: Log.write(.error, "duplicate-node", ["node": .string(peer)])
        case .rejected(let reason, _):
            Log.write(.error, "peer-rejected", ["peer": .string(peer), "reason": .string("\(reason)")])
        case .quarantined(_, let cause):
            Log.write(.error, "origin-quarantined", ["origin": .string(peer), "cause": .string("\(cause)")])
        case .ownClockWrong:
            Log.write(.error, "clock-wrong", ["reason": "most peers see another time; changes to links are refused"])
        case .incarnationInDoubt: Log.write(.error, "incarnation-in-doubt")
        case .diverged: Log.write(.error, "diverged", ["bucket": .string(peer)])
        case .damagedEntry(_, let from):
            Log.write(.error, "damaged-entry", ["origin": .string(peer), "peer": .init(from)])
        case .damagedLog: Log.write(.error, "damaged-log", ["origin": .string(peer)])
        case .snapshotNeeded: Log.write(.warning, "snapshot-needed", ["origin": .string(peer)])
        case .retired: Log.write(.error, "retired", ["reason": "this node's place was given up; it takes part no more"])
        }
    }

    func clear(_ alarm: Alarm) {
        Log.write(.info, "alarm-cleared", ["alarm": .string(alarm.name), "of": .string(alarm.subject)])
    }

    /// Of what this node writes from now on; the first format goes without saying.
    func tellFormat(_ format: UInt16) {
        guard format != writtenFormat else { return }
        writtenFormat = format
        Log.write(.info, "log-format", ["written": .init(Int(format))])
    }

    /// Dials that fail come again and again: of each address the first failure is told, and one with another reason.
    func tellNotices() {
        for notice in transport.takeNotices() {
            let fields: Log.Fields = ["address": .string(notice.address), "reason": .string(notice.reason)]
            switch notice.kind {
            case .unreachable:
                guard watch.isNews(notice.reason, of: notice.address) else { continue }
                Log.write(.warning, "peer-unreachable", fields)
            case .handshakeFailed:
                guard watch.isNews(notice.reason, of: notice.address) else { continue }
                Log.write(.error, "peer-handshake-failed", fields)
            case .plaintextRefused:
                guard watch.isNews(notice.reason, of: notice.address) else { continue }
                Log.write(.error, "peer-plaintext-refused", fields)
            case .tooManyConnections: Log.write(.warning, "peer-connections-full", fields)
            case .strangerDisplaced: Log.write(.warning, "peer-stranger-displaced", fields)
            case .malformedFrame: Log.write(.warning, "peer-frame-malformed", fields)
            case .queueFull: Log.write(.warning, "peer-queue-full", fields)
            case .stalled: Log.write(.warning, "peer-stalled", fields)
            case .acceptRests: Log.write(.warning, "peer-accept-rests", fields)
            }
        }
    }
}

extension Alarm {
    /// As in the log and in metrics.
    var name: String {
        switch self {
        case .duplicateNode: "duplicate-node"
        case .rejected: "peer-rejected"
        case .quarantined: "origin-quarantined"
        case .ownClockWrong: "clock-wrong"
        case .incarnationInDoubt: "incarnation-in-doubt"
        case .diverged: "diverged"
        case .damagedEntry: "damaged-entry"
        case .damagedLog: "damaged-log"
        case .snapshotNeeded: "snapshot-needed"
        case .retired: "retired"
        }
    }

    static let names = [
        "duplicate-node", "peer-rejected", "origin-quarantined", "clock-wrong", "incarnation-in-doubt", "diverged",
        "damaged-entry", "damaged-log", "snapshot-needed", "retired",
    ]

    /// What it speaks of.
    var subject: String {
        switch self {
        case .duplicateNode(let node): "\(node)"
        case .rejected(_, let by): by
        case .quarantined(let origin, _), .damagedEntry(let origin, _), .damagedLog(let origin),
            .snapshotNeeded(let origin):
            "\(origin)"
        case .diverged(let bucket): String(bucket, radix: 16)
        case .ownClockWrong, .incarnationInDoubt, .retired: "this node"
        }
    }
}
