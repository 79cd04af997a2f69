import Primitives

/// What clients that claimed names were told, and whether all of it can be true.
struct ClaimWitness {
    enum Answer: Equatable {
        /// 201.
        case created
        /// 409; whose claim the node holds it for, 0 if it does not know.
        case taken(by: UInt128)
    }

    struct Client {
        let key: [UInt8]
        let node: Int
        let begun: Int64
        var answer: Answer?
    }

    private(set) var clients: [UInt128: Client] = [:]
    /// In the order in which they began.
    private(set) var claims: [UInt128] = []
    private var winners: [[UInt8]: UInt128] = [:]
    /// Names whose links somebody has asked to delete: who made them is then not told any more.
    private var deleted: Set<[UInt8]> = []
    /// Names that two asked for at once, at different nodes.
    private(set) var raced: Set<[UInt8]> = []
    private var findings: [(rule: Rule, text: String)] = []

    private mutating func found(_ rule: Rule, _ text: String) { findings.append((rule, text)) }

    /// What did not hold since this was asked for last.
    mutating func takeFindings() -> [(rule: Rule, text: String)] {
        defer { findings = [] }
        return findings
    }

    /// The newest claim of each name.
    private var newest: [[UInt8]: UInt128] = [:]

    /// So close one behind the other that the second began before the first could be decided everywhere.
    private static let atOnce: Int64 = 500

    mutating func began(_ claim: UInt128, _ key: [UInt8], at node: Int, _ time: Int64) {
        clients[claim] = Client(key: key, node: node, begun: time)
        claims.append(claim)
        if let other = newest[key].flatMap({ clients[$0] }), other.node != node, time - other.begun <= Self.atOnce {
            raced.insert(key)
        }
        newest[key] = claim
    }

    mutating func isDeleted(_ key: [UInt8]) { deleted.insert(key) }

    /// A final answer. `chosen`: whose claims are chosen for this name.
    mutating func answered(_ claim: UInt128, _ answer: Answer, chosen: Set<UInt128>) {
        guard let client = clients[claim] else { return found(.oneWinner, "an answer to \(claim), which nobody made") }
        switch answer {
        case .created:
            if let winner = winners[client.key], winner != claim {
                found(.oneWinner, "201 for \(client.key) to \(claim) after \(winner)")
            }
            winners[client.key] = claim
            if !chosen.contains(claim) { found(.byMajority, "201 to \(claim), which is not chosen") }
        case .taken(let by):
            if chosen.isEmpty { found(.takenIfWon, "409 to \(claim), and nobody has won") }
            if by != 0, !chosen.contains(by) { found(.takenIfWon, "409 to \(claim) for \(by), which is not chosen") }
            if chosen.contains(claim), !deleted.contains(client.key) {
                found(.takenIfWon, "409 to \(claim), which has won")
            }
        }
        if let before = client.answer, (before == .created) != (answer == .created), !deleted.contains(client.key) {
            found(.oneWinner, "201 and 409 to \(claim)")
        }
        clients[claim]!.answer = answer
    }

    /// A node shows a link under a name, whose claim made it; nil once it is deleted.
    mutating func showed(_ key: [UInt8], of claim: UInt128?, at node: String, chosen: Set<UInt128>) {
        if let claim, !chosen.contains(claim) { found(.byMajority, "\(node) shows \(key) of \(claim), not chosen") }
        if let claim, let winner = winners[key], winner != claim {
            found(.oneWinner, "\(node) shows \(key) of \(claim), and \(winner) was told 201")
        }
        if claim == nil, !deleted.contains(key) { found(.oneWinner, "\(node) shows \(key) deleted by nobody") }
    }

    /// Claims without a final answer, in their order.
    var unanswered: [UInt128] { claims.filter { clients[$0]!.answer == nil } }

    /// Names with a claim, sorted.
    var names: [[UInt8]] { Set(clients.values.map(\.key)).sorted { $0.lexicographicallyPrecedes($1) } }
}

/// What became of claims and acceptors in a run.
package struct ClaimSums: Equatable, Sendable {
    package var created = 0
    package var taken = 0
    package var unknown = 0
    package var unavailable = 0
    package var raced = 0
    package var epochs = 0
    /// Acceptors whose disk was lost, rolled back or damaged, and that were given up for good.
    package var losses = 0
    package var dead = 0
    package var vouched = 0

    package init() {}

    private static var paths: [WritableKeyPath<ClaimSums, Int>] {
        [\.created, \.taken, \.unknown, \.unavailable, \.raced, \.epochs, \.losses, \.dead, \.vouched]
    }

    package static func += (left: inout ClaimSums, right: ClaimSums) {
        for path in paths { left[keyPath: path] += right[keyPath: path] }
    }

    package var text: String {
        "claims: \(created) created, \(taken) taken, \(unknown) unknown, \(unavailable) unavailable; \(raced) names raced; "
            + "acceptors: \(epochs) epochs begun, \(losses) disks lost, \(dead) declared dead, \(vouched) vouched for"
    }
}
