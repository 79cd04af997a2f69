import Links
import Primitives
import Replication
import Store

/// Clients that claim names, what they are told, and what they do then.
extension Simulation {
    /// Names that are claimed, unlike those that are imported.
    private static let prefix = Array("name-".utf8)

    static func isClaimed(_ key: LinkKey) -> Bool {
        guard case .alias(let name) = key else { return false }
        return name.starts(with: prefix)
    }

    /// One name, new or not, by one client or by some at once at different nodes.
    func claimName() {
        let up = nodes.filter { $0.isUp && $0.frozenUntil <= time }
        guard !up.isEmpty, let key = nameToClaim() else { return }
        let count = chance(1, of: 2) ? 1 : Int.random(in: 2...3, using: &random)
        for client in 0..<count {
            // Who does not have the link is who can go wrong.
            let lacking = client == 0 && chance(1, of: 2) ? up.filter { holder($0, key.encoded) == nil } : []
            let pool = lacking.isEmpty ? up : lacking
            let node = pool[Int.random(in: 0..<pool.count, using: &random)]
            schedule(.claim(node: node.index, key), after: client == 0 ? 0 : .random(in: 0...120, using: &random))
        }
    }

    private func nameToClaim() -> LinkKey? {
        let dice = Int.random(in: 0..<10, using: &random)
        if dice < 2 { if let old = nameFromBefore() { return old } }
        if dice < 5, nameCount > 0 {
            let place = Int.random(in: max(0, nameCount - 20)..<nameCount, using: &random)
            return .alias(Self.prefix + Array("\(place)".utf8))
        }
        return newName()
    }

    private func newName() -> LinkKey {
        nameCount += 1
        return .alias(Self.prefix + Array("\(nameCount - 1)".utf8))
    }

    /// An imported one that all acceptors have: as if it had been made under one region.
    private func nameFromBefore() -> LinkKey? {
        guard let epoch = votes.newest else { return nil }
        let acceptors = nodes.filter { node in
            !node.isRetired
                && (epoch.acceptors + (votes.disk(node.id).standing?.next?.acceptors ?? [])).contains(node.id)
        }
        for _ in 0..<6 where !ledger.keys.isEmpty {
            let key = anyKey()
            guard case .alias = key, !Self.isClaimed(key) else { continue }
            let has = acceptors.allSatisfy { node in
                node.isUp ? holder(node, key.encoded) != nil : node.heldWhileDown[key] != nil
            }
            // Not while another may take its place.
            guard has, acceptors.allSatisfy({ votes.disk($0.id).standing?.next == nil }) else { continue }
            votes.stoodBefore(key.encoded)
            return key
        }
        return nil
    }

    // MARK: Asking

    func claim(_ node: SimulatedNode, _ key: LinkKey) {
        guard node.isUp, node.frozenUntil <= time else { return }
        report.operations += 1
        let operation = ledger.begin(Ledger.Attempt(kind: .claim, key: key, node: node.index))
        let claim = UInt128(random.next()) << 64 | UInt128(operation)
        var link = body(operation)
        link.claimID = claim
        var bytes: [UInt8] = []
        link.encode(into: &bytes)
        wishes[claim] = Claim(key: key.encoded, value: RegisterValue(claim: claim, bytes: bytes))
        claims.began(claim, key.encoded, at: node.index, time)
        ask(node, claim)
    }

    /// Of an alias that is in the store nobody else is asked.
    private func ask(_ node: SimulatedNode, _ claim: UInt128) {
        guard let wish = wishes[claim], let store = node.store?.store else { return }
        setClock(node)
        asked[claim, default: 0] += 1
        schedule(
            .patience(claim, node: node.index, life: node.life, time: asked[claim]!), after: Self.patience)
        if store.figures.isFull { return askLater(claim, node) }
        if let holder = try? store.holder(of: wish.key) {
            return answered(node, claim, wish.key, holder.claim == claim ? .won(holder) : .taken(holder))
        }
        guard node.registers?.isDown == false, !node.registers!.machine.standing.epoch.acceptors.isEmpty else {
            return answered(node, claim, wish.key, .unavailable)
        }
        node.registers!.waiting.insert(claim)
        inform(node, .claim(wish))
        if !isQuiet, chance(1, of: 40) {
            schedule(.plan(.strike(node: node.index)), after: .random(in: 0...400, using: &random))
        }
    }

    /// Longer than a claim takes, and a commit after it.
    private static let patience = 5 * RegisterLimits.claimTimeout

    /// A client that was told nothing asks again. At a node that was there all the time that must not be.
    func loosePatience(_ claim: UInt128, _ node: SimulatedNode, _ life: UInt64, _ number: Int) {
        guard asked[claim] == number, claims.clients[claim]?.answer == nil else { return }
        if node.life == life, node.registers?.isDown == false, node.thawedAt < time - Self.patience {
            return violated(.claimsAnswered, "\(node.id) says nothing to \(claim)")
        }
        askLater(claim, node)
    }

    /// With the same claim, at the same node or at another one.
    private func askLater(_ claim: UInt128, _ node: SimulatedNode, isPatient: Bool = false) {
        // It does not wait any longer for what it was asked last.
        asked[claim, default: 0] += 1
        schedule(
            .askAgain(claim, node: chance(1, of: 2) ? node.index : nil),
            after: .random(in: isPatient ? 3000...30_000 : 50...4000, using: &random))
    }

    func askAgain(_ claim: UInt128, at index: Int?) {
        guard claims.clients[claim]?.answer == nil else { return }
        let up = nodes.filter { $0.isUp && $0.frozenUntil <= time }
        if let node = up.first(where: { $0.index == index }) ?? up.randomElement(using: &random) {
            ask(node, claim)
        } else {
            schedule(.askAgain(claim, node: nil), after: 1000)
        }
    }

    // MARK: Answers

    func answered(_ node: SimulatedNode, _ claim: UInt128, _ key: [UInt8], _ outcome: ClaimOutcome) {
        node.registers?.waiting.remove(claim)
        guard wishes[claim] != nil else { return answeredOperator(node, claim, outcome) }
        switch outcome {
        case .won(let value):
            let machine = node.machine
            guard value.claim == claim, let link = NewLink(claimed: key, value) else {
                return violated(.oneWinner, "\(node.id): \(claim) wins with the link of \(value.claim)")
            }
            setClock(node)
            node.store?.store.adopt(link) { machine.kept.adopted.append((claim, $0)) }
            turnSoon(node)
        case .taken(let value): finally(claim, .taken(by: value.claim))
        case .unknown:
            report.claims.unknown += 1
            askLater(claim, node)
        case .unavailable, .overloaded:
            report.claims.unavailable += 1
            askLater(claim, node, isPatient: true)
        case .refused: violated(.claimsAnswered, "\(node.id) refuses \(claim)")
        }
    }

    /// The link is in the store, or cannot be.
    func adopted(_ node: SimulatedNode, _ claim: UInt128, _ result: Result<CreatedLink, WriteError>) {
        switch result {
        case .success(let link):
            finally(claim, .created)
            ledger.saw(link.key)
            if case .absent = show(node, link.key) { violated(.keepsAnswering, "\(link.key) at \(node.id), after 201") }
            visit(node, link.key)
        case .failure(.aliasTaken): finally(claim, .taken(by: 0))
        case .failure:
            report.claims.unknown += 1
            askLater(claim, node)
        }
    }

    private func finally(_ claim: UInt128, _ answer: ClaimWitness.Answer) {
        guard let key = claims.clients[claim]?.key else { return }
        if claims.clients[claim]!.answer == nil {
            if answer == .created { report.claims.created += 1 } else { report.claims.taken += 1 }
        }
        claims.answered(claim, answer, chosen: votes.chosen[key] ?? [])
        takeFindings()
    }

    // MARK: When quiet

    /// Each node that has not done so claims a last name, so that it hears of the epoch that runs.
    func claimLastNames() {
        for node in nodes where node.isUp && !node.hasClaimedLast {
            node.hasClaimedLast = true
            claim(node, newName())
        }
    }

    /// Names that are not yet as they have to be.
    func unsettledNames(_ living: [SimulatedNode]) -> [(rule: Rule, text: String)] {
        if let claim = claims.unanswered.first {
            let idle = unsettledAcceptors(living).map(\.text)
            return [(.claimsAnswered, "\(([claim.description + " has no answer"] + idle).joined(separator: "; "))")]
        }
        var found: [(rule: Rule, text: String)] = []
        for key in claims.names where votes.chosen[key] != nil {
            let link = LinkKey(encoded: key)
            for node in living {
                guard case .link(let shown) = show(node, link) else {
                    found.append((.oneWinner, "\(link) is missing at \(node.id)"))
                    continue
                }
                guard Self.isClaimed(link) else { continue }
                claims.showed(
                    key, of: shown.rank.isDeleted ? nil : shown.body.claimID ?? 0, at: "\(node.id)",
                    chosen: votes.chosen[key] ?? [])
            }
        }
        takeFindings()
        return found
    }
}

extension LinkKey {
    /// As in log entries and registers.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes
    }

    /// Of what `encoded` gave.
    init(encoded bytes: [UInt8]) { self = try! LinkKey(decoding: bytes.span.bytes) }
}
