import Links
import Primitives

/// A client, or this acceptor itself, that waits for the outcome of a round.
struct Waiter: Equatable, Sendable {
    let claim: UInt128
    let until: Int64
    /// Nil: nobody is to be answered; a round is to be finished.
    let isClient: Bool
    /// Somebody was asked to accept its value.
    var wasProposed = false
}

/// Claims and their answers. Claims of one name at one node share its round: whose value is chosen decides between them.
extension Registers {
    mutating func claim(_ claim: Claim) {
        precondition((1...WireLimits.keyBytes).contains(claim.key.count))
        precondition(claim.value.bytes.count <= LogEntry.maximumSizeBytes)
        guard join(claim, isClient: true) else {
            return effects.append(.answer(claim: claim.value.claim, key: claim.key, .overloaded))
        }
    }

    /// False if there are too many rounds.
    @discardableResult
    mutating func join(_ claim: Claim, isClient: Bool) -> Bool {
        let timeout = isClient ? RegisterLimits.claimTimeout : RegisterLimits.finishTimeout
        let waiter = Waiter(claim: claim.value.claim, until: now + timeout, isClient: isClient)
        if rounds[claim.key] != nil {
            if let old = rounds[claim.key]!.waiters.firstIndex(where: { $0.claim == waiter.claim && isClient }) {
                rounds[claim.key]!.waiters[old] = Waiter(
                    claim: waiter.claim, until: waiter.until, isClient: true,
                    wasProposed: rounds[claim.key]!.waiters[old].wasProposed)
            } else {
                rounds[claim.key]!.waiters.append(waiter)
            }
            return true
        }
        guard rounds.count < RegisterLimits.rounds else { return false }
        rounds[claim.key] = Round(own: claim.value, waiters: [waiter], dueAt: waiter.until)
        wake(waiter.until)
        prepare(claim.key)
        return true
    }

    /// The value is for ever: whoever waits is told whose it is.
    mutating func finish(_ key: [UInt8], _ value: RegisterValue) {
        guard let round = rounds.removeValue(forKey: key) else { return }
        for waiter in round.waiters where waiter.isClient {
            let outcome: ClaimOutcome = waiter.claim == value.claim ? .won(value) : .taken(value)
            effects.append(.answer(claim: waiter.claim, key: key, outcome))
        }
    }

    /// Whoever has waited long enough is told that it is not known, or that nothing was done. A round for which nobody
    /// waits ends as it is; one that goes on for others may yet propose its value.
    mutating func expire(_ key: [UInt8]) {
        let round = rounds[key]!
        let goesOn = round.waiters.contains { $0.until > now }
        for waiter in round.waiters where waiter.until <= now && waiter.isClient {
            let mayYetBe = waiter.wasProposed || goesOn && waiter.claim == round.own.claim
            let outcome: ClaimOutcome = mayYetBe ? .unknown : .unavailable
            effects.append(.answer(claim: waiter.claim, key: key, outcome))
        }
        rounds[key]!.waiters.removeAll { $0.until <= now }
        if rounds[key]!.waiters.isEmpty { rounds[key] = nil }
    }
}
