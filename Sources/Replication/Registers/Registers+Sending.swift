import Links
import Primitives

/// What one event has to say to others, by node; rows of a kind share a frame.
struct Outbox: Sendable {
    struct Rows: Sendable {
        var prepares: [Prepare.Row] = []
        /// By the life to which they go, and under whose promise.
        var accepts: [UInt64: [Accept.Row]] = [:]
        var votes: [Votes.Row] = []
        var chosen: [Accept.Row] = []
    }

    var rows: [NodeID: Rows] = [:]
    var isEmpty: Bool { rows.isEmpty }

    subscript(node: NodeID) -> Rows {
        get { rows[node] ?? Rows() }
        _modify { yield &rows[node, default: Rows()] }
    }
}

extension Registers {
    mutating func send(_ frame: Frame, to node: NodeID) {
        if node == me {
            inbox.append(frame)
        } else {
            effects.append(.send(node, frame))
        }
    }

    /// Rows become frames, each within its bounds.
    mutating func flush() {
        guard !outbox.isEmpty else { return }
        let (full, epoch) = (outbox, standing.epoch.number)
        outbox = Outbox()
        for node in full.rows.keys.sorted() {
            let rows = full.rows[node]!
            for part in Self.parts(rows.votes, \.sizeBytes) {
                send(.votes(Votes(epoch: epoch, roll: ownRoll, rows: Array(part))), to: node)
            }
            for part in Self.parts(rows.prepares, \.sizeBytes) {
                send(.prepare(Prepare(epoch: epoch, rows: Array(part))), to: node)
            }
            for (life, list) in rows.accepts.sorted(by: { $0.key < $1.key }) {
                for part in Self.parts(list, \.sizeBytes) {
                    send(.accept(Accept(epoch: epoch, life: life, rows: Array(part))), to: node)
                }
            }
            for part in Self.parts(rows.chosen, \.sizeBytes) { send(.chosen(Chosen(rows: Array(part))), to: node) }
        }
    }

    /// What is told of lives: what is durable here, of the acceptors of this epoch and the former one.
    var ownRoll: Roll {
        var told = standing.roll
        told[me] = standing.life
        return told
    }

    private static func parts<Row>(_ rows: [Row], _ size: (Row) -> Int) -> [ArraySlice<Row>] {
        var (parts, start, bytes): ([ArraySlice<Row>], Int, Int) = ([], 0, 0)
        for index in rows.indices {
            let next = size(rows[index])
            if index > start, bytes + next > WireLimits.registerBytes || index - start == WireLimits.registerRows {
                parts.append(rows[start..<index])
                (start, bytes) = (index, 0)
            }
            bytes += next
        }
        if start < rows.count { parts.append(rows[start...]) }
        return parts
    }
}
