import Links
import Primitives

/// What a node durably knows of epochs, beside its registers.
package struct Standing: Equatable, Sendable {
    /// The one that runs, as far as is known here.
    package var epoch: Epoch
    /// Decided, and confirmed by this acceptor: it votes no longer, and waits until all have.
    package var next: Epoch?
    /// This acceptor's own; see Roll. High half: a count; low half: random.
    package var life: UInt64
    /// The epoch for which this acceptor holds the registers whole: it votes in that one, or may enter the next from it.
    /// 0: none.
    package var wholeFor: UInt64
    /// The one for which it did in its former life, of which nothing may be lost: the operator's word says so. 0: none.
    package var wholeBefore: UInt64
    /// The newest life of each acceptor that was heard of.
    package var roll: Roll
    /// The others with whom this acceptor began the first epoch, when none of them had any register.
    package var founders: Roll

    package init(
        epoch: Epoch, next: Epoch? = nil, life: UInt64, wholeFor: UInt64 = 0, wholeBefore: UInt64 = 0,
        roll: Roll = Roll(), founders: Roll = Roll()
    ) {
        (self.epoch, self.next, self.life) = (epoch, next, life)
        (self.wholeFor, self.wholeBefore) = (wholeFor, wholeBefore)
        (self.roll, self.founders) = (roll, founders)
    }

    /// Those that one who is not an acceptor asks.
    package func isAcceptor(_ node: NodeID) -> Bool { epoch.acceptors.contains(node) }

    package func isWhole(_ node: NodeID) -> Bool { isAcceptor(node) && wholeFor == epoch.number }

    package func votes(_ node: NodeID) -> Bool { isWhole(node) && next == nil }

    /// Whether it goes from the former epoch into this one with all that it knew there.
    func enters(_ node: NodeID) -> Bool {
        isAcceptor(node) && epoch.former.contains(node) && wholeFor == epoch.number - 1
    }

    /// A life after `known` and the own one.
    mutating func beginLife(after known: UInt64, random: UInt64) {
        life = (max(known, life) >> 32 + 1) << 32 | random >> 32
        (wholeFor, wholeBefore, founders) = (0, max(wholeFor, wholeBefore), Roll())
    }

    mutating func becomeWhole(_ founders: Roll = Roll()) {
        (wholeFor, wholeBefore, self.founders) = (epoch.number, 0, founders)
    }

    /// What it was in its former life it is again: if that was of an epoch before, it has yet to learn what was chosen there
    /// without it, or gives what it knows. Else, or where it was said before, it votes with what it has.
    mutating func vouch(_ node: NodeID) {
        if wholeBefore > 0, wholeBefore < epoch.number {
            (wholeFor, wholeBefore) = (wholeBefore, 0)
        } else if isAcceptor(node) {
            becomeWhole()
        }
    }

    /// Whether the acceptors of this epoch may begin with nothing: it is the first, and this one has never voted.
    var mayFound: Bool { epoch.former.isEmpty && wholeFor == 0 && next == nil && life != 0 }
}

/// As it is kept.
///
///     life      8
///     whole     8         the epoch for which it holds the registers whole; with bit 63 that for which it did in its former
///                         life
///     roll      1, 10 each
///     founders  1, 10 each
///     epoch     8, 1, 1   number, acceptors, former
///     next      8, 1, 1   only where one is decided and confirmed
extension Standing {
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: life)
        bytes.append(bigEndian: wholeBefore > 0 ? wholeBefore | Self.former : wholeFor)
        roll.encode(into: &bytes)
        founders.encode(into: &bytes)
        epoch.encode(into: &bytes)
        next?.encode(into: &bytes)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        let (life, whole) = (try bytes.takeUInt64(), try bytes.takeUInt64())
        let (wholeFor, wholeBefore) = whole & Self.former == 0 ? (whole, 0) : (0, whole ^ Self.former)
        let (roll, founders) = (try Roll(decoding: &bytes), try Roll(decoding: &bytes))
        let epoch = try Epoch(decoding: &bytes)
        let next = bytes.byteCount > 0 ? try Epoch(decoding: &bytes) : nil
        guard max(wholeFor, wholeBefore) <= epoch.number, whole != Self.former, bytes.byteCount == 0 else {
            throw MalformedBytes()
        }
        self.init(
            epoch: epoch, next: next, life: life, wholeFor: wholeFor, wholeBefore: wholeBefore, roll: roll,
            founders: founders)
    }

    private static let former: UInt64 = 1 << 63
}
