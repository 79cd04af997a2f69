import Links
import Primitives

/// PREPARE: a proposer asks for promises.
///
///     epoch  8
///     rows   to the end   key (varint, bytes), ballot (16)
package struct Prepare: Equatable, Sendable {
    package struct Row: Equatable, Sendable {
        package var key: [UInt8]
        package var ballot: Ballot
        package init(key: [UInt8], ballot: Ballot) { (self.key, self.ballot) = (key, ballot) }
        var sizeBytes: Int { key.count + 2 + Ballot.sizeBytes }
    }

    package var epoch: UInt64
    package var rows: [Row]

    package init(epoch: UInt64, rows: [Row]) { (self.epoch, self.rows) = (epoch, rows) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: epoch)
        for row in rows {
            bytes.append(lengthPrefixed: row.key)
            row.ballot.encode(into: &bytes)
        }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        epoch = try bytes.takeUInt64()
        rows = []
        while bytes.byteCount > 0 {
            rows.append(Row(key: try bytes.takeRegisterKey(), ballot: try Ballot(decoding: &bytes)))
            guard rows.count <= WireLimits.registerRows else { throw MalformedBytes() }
        }
    }
}

/// ACCEPT: a proposer asks those who promised to accept.
///
///     epoch  8
///     life   8            of the acceptor that promised
///     rows   to the end   key (varint, bytes), ballot (16), claim (16), value (varint, bytes)
package struct Accept: Equatable, Sendable {
    package struct Row: Equatable, Sendable {
        package var key: [UInt8]
        package var proposal: Proposal
        package init(key: [UInt8], proposal: Proposal) { (self.key, self.proposal) = (key, proposal) }
        var sizeBytes: Int { key.count + 2 + Ballot.sizeBytes + proposal.value.sizeBytes }

        func encode(into bytes: inout [UInt8]) {
            bytes.append(lengthPrefixed: key)
            proposal.encode(into: &bytes)
        }

        static func decodeAll(_ bytes: inout RawSpan) throws(MalformedBytes) -> [Row] {
            var rows: [Row] = []
            while bytes.byteCount > 0 {
                rows.append(Row(key: try bytes.takeRegisterKey(), proposal: try Proposal(decoding: &bytes)))
                guard rows.count <= WireLimits.registerRows else { throw MalformedBytes() }
            }
            return rows
        }
    }

    package var epoch: UInt64
    package var life: UInt64
    package var rows: [Row]

    package init(epoch: UInt64, life: UInt64, rows: [Row]) { (self.epoch, self.life, self.rows) = (epoch, life, rows) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: epoch)
        bytes.append(bigEndian: life)
        for row in rows { row.encode(into: &bytes) }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        epoch = try bytes.takeUInt64()
        life = try bytes.takeUInt64()
        rows = try Row.decodeAll(&bytes)
    }
}

/// VOTES: an acceptor's answers to PREPARE and ACCEPT, after the store has synced.
///
///     epoch  8
///     roll   1, 10 each   Roll: the sender's own life, and what it knows of the others'
///     rows   to the end   key (varint, bytes), ballot that was asked (16), verdict (1) and what belongs to it
///
///     verdict    belongs
///     1 refused  16              the ballot that was promised
///     2 promised                 nothing was accepted
///     3 promised 16, 16, varint  ballot, claim, value that was accepted
///     4 accepted
///     5 chosen   16, varint      claim, value; whatever was asked
package struct Votes: Equatable, Sendable {
    package enum Verdict: Equatable, Sendable {
        case refused(promised: Ballot)
        case promised(Proposal?)
        case accepted
        case chosen(RegisterValue)
    }

    package struct Row: Equatable, Sendable {
        package var key: [UInt8]
        package var ballot: Ballot
        package var verdict: Verdict

        package init(key: [UInt8], ballot: Ballot, verdict: Verdict) {
            (self.key, self.ballot, self.verdict) = (key, ballot, verdict)
        }

        var sizeBytes: Int {
            let size = key.count + 3 + 2 * Ballot.sizeBytes
            switch verdict {
            case .refused, .accepted, .promised(nil): return size
            case .promised(let proposal?): return size + proposal.value.sizeBytes
            case .chosen(let value): return size + value.sizeBytes
            }
        }
    }

    package var epoch: UInt64
    package var roll: Roll
    package var rows: [Row]

    package init(epoch: UInt64, roll: Roll, rows: [Row]) { (self.epoch, self.roll, self.rows) = (epoch, roll, rows) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: epoch)
        roll.encode(into: &bytes)
        for row in rows {
            bytes.append(lengthPrefixed: row.key)
            row.ballot.encode(into: &bytes)
            row.verdict.encode(into: &bytes)
        }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        epoch = try bytes.takeUInt64()
        roll = try Roll(decoding: &bytes)
        rows = []
        while bytes.byteCount > 0 {
            let (key, ballot) = (try bytes.takeRegisterKey(), try Ballot(decoding: &bytes))
            rows.append(Row(key: key, ballot: ballot, verdict: try Verdict(decoding: &bytes)))
            guard rows.count <= WireLimits.registerRows else { throw MalformedBytes() }
        }
    }
}

extension Votes.Verdict {
    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .refused(let promised):
            bytes.append(1)
            promised.encode(into: &bytes)
        case .promised(nil): bytes.append(2)
        case .promised(let proposal?):
            bytes.append(3)
            proposal.encode(into: &bytes)
        case .accepted: bytes.append(4)
        case .chosen(let value):
            bytes.append(5)
            value.encode(into: &bytes)
        }
    }

    init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        switch try bytes.takeByte() {
        case 1: self = .refused(promised: try Ballot(decoding: &bytes, orNone: true))
        case 2: self = .promised(nil)
        case 3: self = .promised(try Proposal(decoding: &bytes))
        case 4: self = .accepted
        case 5: self = .chosen(try RegisterValue(decoding: &bytes))
        default: throw MalformedBytes()
        }
    }
}

/// CHOSEN: what is for ever, in any epoch; nobody answers.
///
///     rows  to the end   key (varint, bytes), ballot (16), claim (16), value (varint, bytes)
package struct Chosen: Equatable, Sendable {
    package var rows: [Accept.Row]

    package init(rows: [Accept.Row]) { self.rows = rows }

    package func encode(into bytes: inout [UInt8]) { for row in rows { row.encode(into: &bytes) } }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) { rows = try Accept.Row.decodeAll(&bytes) }
}
