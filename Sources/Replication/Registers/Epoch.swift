import Links
import Primitives

/// One configuration of the acceptors, one a region. The next differs in one acceptor: one more, one fewer, or another
/// in the place of one.
///
///     number     8
///     acceptors  1, 2 each   count; region's character, number; they ascend
///     former     1, 2 each   those of the epoch before; none before the first
package struct Epoch: Equatable, Sendable {
    package var number: UInt64
    package var acceptors: [NodeID]
    package var former: [NodeID]

    package init(number: UInt64, acceptors: [NodeID], former: [NodeID] = []) {
        (self.number, self.acceptors, self.former) = (number, acceptors.sorted(), former.sorted())
    }

    /// How many acceptors meet in one of any two groups of as many.
    package var majority: Int { acceptors.count / 2 + 1 }

    package func followed(by acceptors: [NodeID]) -> Epoch {
        Epoch(number: number + 1, acceptors: acceptors, former: self.acceptors)
    }

    /// What is wrong with `next` behind this one; nil if nothing is.
    package func objection(to next: Epoch) -> EpochObjection? {
        let (old, new) = (Set(acceptors), Set(next.acceptors))
        if next.number != number + 1 || next.former != acceptors { return .notTheNext }
        if next.acceptors.isEmpty || new.count != next.acceptors.count { return .malformed }
        if Set(next.acceptors.map(\.region)).count != new.count { return .twoInOneRegion }
        if next.acceptors.count > WireLimits.regions { return .tooMany }
        if old == new { return .noChange }
        if old.subtracting(new).count > 1 || new.subtracting(old).count > 1 { return .moreThanOne }
        // Nobody would be left who knows the former registers.
        if old.isDisjoint(with: new) { return .noneStays }
        return nil
    }

    /// The register in which the epoch of this number is decided. No link's key begins with zero.
    package static func key(_ number: UInt64) -> [UInt8] {
        var key: [UInt8] = [0]
        key.append(bigEndian: number)
        return key
    }

    /// The number of the epoch that is decided in this register; nil if it is another's.
    package static func number(of key: [UInt8]) -> UInt64? {
        guard key.count == 9, key[0] == 0 else { return nil }
        return key.dropFirst().reduce(0) { $0 << 8 | UInt64($1) }
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: number)
        for list in [acceptors, former] {
            bytes.append(UInt8(list.count))
            for node in list { bytes += [node.region, node.node] }
        }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        number = try bytes.takeUInt64()
        acceptors = try bytes.takeAcceptors()
        former = try bytes.takeAcceptors()
        guard number > 0, !acceptors.isEmpty else { throw MalformedBytes() }
    }

    /// Of a register's value.
    init?(_ value: RegisterValue) {
        var span = unsafe value.bytes.span.bytes
        guard let epoch = try? Epoch(decoding: &span), span.byteCount == 0 else { return nil }
        self = epoch
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes
    }
}

/// Why a change of the acceptors is refused.
package enum EpochObjection: Equatable, Sendable {
    case notTheNext
    case malformed
    case noChange
    case moreThanOne
    case twoInOneRegion
    case tooMany
    /// A single acceptor is not moved: add the new one, then remove the old.
    case noneStays
    /// A change is under way.
    case underWay
}

/// Which life each acceptor is in, as far as someone knows. A life counts up from disk to disk, and is never used again.
///
///     count  1
///     rows   10 each   region's character, number, life (8); nodes ascend
package struct Roll: Equatable, Sendable {
    package internal(set) var lives: [NodeID: UInt64]

    package init(_ lives: [NodeID: UInt64] = [:]) { self.lives = lives }

    package subscript(node: NodeID) -> UInt64 {
        get { lives[node] ?? 0 }
        set { lives[node] = newValue }
    }

    mutating func merge(_ other: Roll) { lives.merge(other.lives) { max($0, $1) } }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(UInt8(lives.count))
        for (node, life) in lives.sorted(by: { $0.key < $1.key }) {
            bytes += [node.region, node.node]
            bytes.append(bigEndian: life)
        }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        let count = Int(try bytes.takeByte())
        guard count <= WireLimits.rollRows else { throw MalformedBytes() }
        lives = [:]
        var last: NodeID?
        for _ in 0..<count {
            let node = try NodeID(soundFrom: &bytes)
            guard last.map({ $0 < node }) ?? true else { throw MalformedBytes() }
            lives[node] = try bytes.takeUInt64()
            last = node
        }
    }
}

extension RawSpan {
    fileprivate mutating func takeAcceptors() throws(MalformedBytes) -> [NodeID] {
        let count = Int(try takeByte())
        guard count <= WireLimits.regions else { throw MalformedBytes() }
        var list: [NodeID] = []
        for _ in 0..<count {
            let node = try NodeID(soundFrom: &self)
            guard list.last.map({ $0 < node }) ?? true else { throw MalformedBytes() }
            list.append(node)
        }
        return list
    }
}
