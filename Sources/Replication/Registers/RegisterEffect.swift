import Links
import Primitives

/// What the registers want done, in this order. The store is asked for one batch at a time.
package enum RegisterEffect: Equatable, Sendable {
    /// To another node; lost if it is not connected.
    case send(NodeID, Frame)
    /// One deadline at a time, in ticks; a new one replaces it.
    case setDeadline(Int64)

    case read(RegisterRead)
    /// In one transaction, synced before it is answered.
    case store(RegisterWrite)
    /// Tell when the own store has all of this.
    case cover(UInt64, [LogHead])
    /// Of an acceptor that is alone: tell when every member and every configured peer was heard, its EPOCHS too, and what
    /// it holds is here; at once where there is none.
    case coverEveryone(UInt64)

    /// This value is chosen, for ever; the store logs it unless it has the alias already, and no other node can be
    /// relied on to do so. May come more than once, and at more than one node: the merge knows it by its claim.
    case decided(key: [UInt8], RegisterValue)
    /// To a claim. `decided` comes before `won` where this node found it out; the client is told after that is durable.
    case answer(claim: UInt128, key: [UInt8], ClaimOutcome)
}

package struct RegisterRead: Equatable, Sendable {
    package var batch: UInt64
    package var keys: [[UInt8]]
    /// Registers behind each of these keys, empty for the first: at most `WireLimits.registerRows` of them and
    /// `WireLimits.registerBytes` in their encoded form.
    package var pagesAfter: [[UInt8]]
}

package struct RegisterWrite: Equatable, Sendable {
    package var batch: UInt64
    package var rows: [RegisterRow]
    /// Keys of registers that go: their aliases are in the store, which says for ever whose they are.
    package var forgotten: [[UInt8]]
    package var standing: Standing?

    package init(batch: UInt64, rows: [RegisterRow], forgotten: [[UInt8]], standing: Standing?) {
        (self.batch, self.rows, self.forgotten, self.standing) = (batch, rows, forgotten, standing)
    }
}

package enum ClaimOutcome: Equatable, Sendable {
    /// 201: the value of this claim is chosen, in the form in which it was.
    case won(RegisterValue)
    /// 409: another claim's is.
    case taken(RegisterValue)
    /// 503 `claim-unknown`: it may be chosen yet. Asking again with the same claim tells.
    case unknown
    /// 503 `alias-unavailable`: no majority was reached, and nobody was asked to accept this claim.
    case unavailable
    /// 503 `overloaded`: too many rounds at once.
    case overloaded
    /// 422: this change of the acceptors is none.
    case refused(EpochObjection)
}
