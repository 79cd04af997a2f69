import Links
import Primitives

/// The number of one attempt at a register: a total order in which no two attempts are alike. A proposer forgets its
/// rounds, at the latest when it starts anew; the last part sees to it that it uses no ballot twice all the same.
///
///     round    6
///     node     2   region's character, number
///     attempt  8   random at the start of the proposer's process, one more with each ballot
package struct Ballot: Hashable, Comparable, Sendable {
    static let sizeBytes = 16
    /// Before all others; nobody asks with it.
    package static let none = Ballot(round: 0, node: NodeID(region: 0, node: 0), attempt: 0)

    package var round: UInt64
    package var node: NodeID
    package var attempt: UInt64

    package init(round: UInt64, node: NodeID, attempt: UInt64) {
        (self.round, self.node, self.attempt) = (round, node, attempt)
    }

    package static func < (left: Ballot, right: Ballot) -> Bool {
        (left.round, left.node, left.attempt) < (right.round, right.node, right.attempt)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian48: round)
        bytes += [node.region, node.node]
        bytes.append(bigEndian: attempt)
    }

    /// Throws for a ballot that no proposer makes; `none` only where it has a meaning.
    init(decoding bytes: inout RawSpan, orNone: Bool = false) throws(MalformedBytes) {
        round = try bytes.takeUInt48()
        node = NodeID(region: try bytes.takeByte(), node: try bytes.takeByte())
        attempt = try bytes.takeUInt64()
        if orNone, self == .none { return }
        guard (1...WireLimits.round).contains(round), node.isSound, attempt != 0 else { throw MalformedBytes() }
    }
}

extension NodeID {
    var isSound: Bool { RegionCharacter(region) != nil && node < 16 }

    init(soundFrom bytes: inout RawSpan) throws(MalformedBytes) {
        self.init(region: try bytes.takeByte(), node: try bytes.takeByte())
        guard isSound else { throw MalformedBytes() }
    }
}

/// What a register is for: the whole creation, and the claim that it answers. Two values of one claim are the same
/// creation, whoever brought them.
///
///     claim  16
///     bytes  varint, bytes
package struct RegisterValue: Equatable, Sendable {
    package var claim: UInt128
    package var bytes: [UInt8]

    package init(claim: UInt128, bytes: [UInt8]) { (self.claim, self.bytes) = (claim, bytes) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: claim)
        bytes.append(lengthPrefixed: self.bytes)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        claim = try bytes.takeUInt128()
        self.bytes = try bytes.takeLengthPrefixed()
        guard self.bytes.count <= LogEntry.maximumSizeBytes else { throw MalformedBytes() }
    }

    var sizeBytes: Int { 19 + bytes.count }
}

/// A value and the ballot under which it was proposed.
package struct Proposal: Equatable, Sendable {
    package var ballot: Ballot
    package var value: RegisterValue

    package init(ballot: Ballot, value: RegisterValue) { (self.ballot, self.value) = (ballot, value) }

    package func encode(into bytes: inout [UInt8]) {
        ballot.encode(into: &bytes)
        value.encode(into: &bytes)
    }

    init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        ballot = try Ballot(decoding: &bytes)
        value = try RegisterValue(decoding: &bytes)
    }
}

/// What an acceptor durably holds of one register.
///
///     key       varint, bytes
///     promised  16              no ballot below it gets anything; all zero: none was promised
///     standing  1               0 nothing accepted, 1 accepted, 2 known to be chosen
///     accepted  16, 16, varint  ballot, claim, bytes; if anything was
package struct RegisterRow: Equatable, Sendable {
    package var key: [UInt8]
    package var promised = Ballot.none
    package var accepted: Proposal?
    /// The accepted value is for ever.
    package var isChosen = false

    package init(key: [UInt8]) { self.key = key }

    /// What either side knows, taken together: for an acceptor that has lost what it knew.
    mutating func merge(_ other: RegisterRow) {
        promised = max(promised, other.promised)
        guard !isChosen, let theirs = other.accepted else { return }
        guard other.isChosen || accepted.map({ $0.ballot < theirs.ballot }) ?? true else { return }
        (accepted, isChosen) = (theirs, other.isChosen)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(lengthPrefixed: key)
        promised.encode(into: &bytes)
        bytes.append(accepted == nil ? 0 : isChosen ? 2 : 1)
        accepted?.encode(into: &bytes)
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        key = try bytes.takeRegisterKey()
        promised = try Ballot(decoding: &bytes, orNone: true)
        let standing = try bytes.takeByte()
        guard standing <= 2 else { throw MalformedBytes() }
        if standing > 0 { accepted = try Proposal(decoding: &bytes) }
        isChosen = standing == 2
    }

    var sizeBytes: Int { key.count + 2 + 2 * Ballot.sizeBytes + 1 + (accepted?.value.sizeBytes ?? 0) }
}

extension RawSpan {
    mutating func takeRegisterKey() throws(MalformedBytes) -> [UInt8] {
        let key = try takeLengthPrefixed()
        guard (1...WireLimits.keyBytes).contains(key.count) else { throw MalformedBytes() }
        return key
    }
}
