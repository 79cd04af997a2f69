import Links
import Primitives

/// EPOCHS: which configuration the sender is in, and which it waits for.
///
///     answer   1             0: answer if you are ahead, or wait too; 1: this is the answer
///     roll     1, 10 each    Roll
///     current  8, 1, 1       number, acceptors, former: Epoch
///     next     8, 1, 1       Epoch; only if the sender votes no longer and waits for it
package struct Epochs: Equatable, Sendable {
    package var isAnswer: Bool
    package var roll: Roll
    package var current: Epoch
    package var next: Epoch?

    package init(isAnswer: Bool, roll: Roll, current: Epoch, next: Epoch?) {
        (self.isAnswer, self.roll, self.current, self.next) = (isAnswer, roll, current, next)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(isAnswer ? 1 : 0)
        roll.encode(into: &bytes)
        current.encode(into: &bytes)
        next?.encode(into: &bytes)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        let answer = try bytes.takeByte()
        isAnswer = answer == 1
        roll = try Roll(decoding: &bytes)
        current = try Epoch(decoding: &bytes)
        if bytes.byteCount > 0 { next = try Epoch(decoding: &bytes) }
        guard answer <= 1, next.map({ current.objection(to: $0) == nil }) ?? true else { throw MalformedBytes() }
    }
}

/// LEARN: an acceptor that may not vote yet asks for a page of another's registers.
///
///     epoch   8
///     life    8               of who asks; it is on the other's roll from now on
///     enters  1               1: from the former epoch, for which the other was whole; 0: from the present one
///     after   varint, bytes   the key behind which to go on; empty: from the first
package struct Learn: Equatable, Sendable {
    package var epoch: UInt64
    package var life: UInt64
    package var isEntering: Bool
    package var after: [UInt8]

    package init(epoch: UInt64, life: UInt64, isEntering: Bool, after: [UInt8]) {
        (self.epoch, self.life, self.isEntering, self.after) = (epoch, life, isEntering, after)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: epoch)
        bytes.append(bigEndian: life)
        bytes.append(isEntering ? 1 : 0)
        bytes.append(lengthPrefixed: after)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        epoch = try bytes.takeUInt64()
        life = try bytes.takeUInt64()
        let enters = try bytes.takeByte()
        isEntering = enters == 1
        after = try bytes.takeLengthPrefixed()
        guard enters <= 1, after.count <= WireLimits.keyBytes else { throw MalformedBytes() }
    }
}

/// What someone is who gives a page.
package enum Giver: UInt8, Equatable, Sendable {
    /// It votes in this epoch, or was whole in the former one.
    case whole = 0
    /// It has never voted in its life, and may not yet.
    case empty = 1
    /// It began the first epoch together with who asks, in the lives that both are in: nobody had any register then.
    case founder = 2
}

/// How far a log goes somewhere, and in which version.
package struct LogHead: Equatable, Sendable {
    package var origin: Origin
    package var head: UInt64
    /// Zero where nobody has said it: what was only acknowledged.
    package var chain: Chain

    static let sizeBytes = 32
    /// In place of the head of a log of which two versions are known: nobody can say whether he holds it.
    package static let unclear = OriginState.unsealed

    package init(origin: Origin, head: UInt64, chain: Chain) {
        (self.origin, self.head, self.chain) = (origin, head, chain)
    }
}

/// LEARNED: a page of registers in order of their keys. If the roll has a later life of who asks, that one is not
/// granted, and there are no rows.
///
///     epoch  8
///     life   8               as it was asked for
///     giver  1               Giver
///     roll   1, 10 each      Roll of the sender
///     after  varint, bytes   as it was asked for
///     next   varint, bytes   key of the last row if there are more; empty: that was all
///     heads  4, 32 each      count; origin (10), head (6), chain (16): what the sender's store held when that was all; the
///                            head is 2^48 - 1 of a log of which it knows two versions
///     rows   to the end      RegisterRow
package struct Learned: Equatable, Sendable {
    package var epoch: UInt64
    package var life: UInt64
    package var giver: Giver
    package var roll: Roll
    package var after: [UInt8]
    package var next: [UInt8]
    package var heads: [LogHead]
    package var rows: [RegisterRow]

    package init(
        epoch: UInt64, life: UInt64, giver: Giver = .whole, roll: Roll, after: [UInt8], next: [UInt8], heads: [LogHead],
        rows: [RegisterRow]
    ) {
        (self.epoch, self.life, self.giver, self.roll) = (epoch, life, giver, roll)
        (self.after, self.next, self.heads, self.rows) = (after, next, heads, rows)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: epoch)
        bytes.append(bigEndian: life)
        bytes.append(giver.rawValue)
        roll.encode(into: &bytes)
        bytes.append(lengthPrefixed: after)
        bytes.append(lengthPrefixed: next)
        bytes.append(bigEndian: UInt32(heads.count))
        for head in heads {
            head.origin.encode(into: &bytes)
            bytes.append(bigEndian48: head.head)
            bytes.append(bigEndian: head.chain.rawValue)
        }
        for row in rows { row.encode(into: &bytes) }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        epoch = try bytes.takeUInt64()
        life = try bytes.takeUInt64()
        guard let giver = Giver(rawValue: try bytes.takeByte()) else { throw MalformedBytes() }
        self.giver = giver
        roll = try Roll(decoding: &bytes)
        after = try bytes.takeLengthPrefixed()
        next = try bytes.takeLengthPrefixed()
        let count = Int(try bytes.takeUInt32())
        guard after.count <= WireLimits.keyBytes, next.count <= WireLimits.keyBytes, count <= WireLimits.origins,
            count * LogHead.sizeBytes <= bytes.byteCount
        else { throw MalformedBytes() }
        heads = []
        for _ in 0..<count {
            heads.append(
                LogHead(
                    origin: try Origin(soundFrom: &bytes), head: try bytes.takeUInt48(),
                    chain: Chain(rawValue: try bytes.takeUInt128())))
        }
        rows = []
        while bytes.byteCount > 0 {
            rows.append(try RegisterRow(decoding: &bytes))
            guard rows.count <= WireLimits.registerRows else { throw MalformedBytes() }
        }
    }
}
