import Links
import Primitives

/// The two clocks of a node at one instant.
package struct Moment: Equatable, Sendable {
    package var wall: Instant
    /// Milliseconds of a clock that never goes back, from any beginning.
    package var ticks: Int64

    package init(wall: Instant, ticks: Int64) { (self.wall, self.ticks) = (wall, ticks) }
}

/// A connection; the shell never gives a number twice, so that what comes late is recognised.
package struct ConnectionID: Hashable, Comparable, Sendable {
    package var rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (left: ConnectionID, right: ConnectionID) -> Bool { left.rawValue < right.rawValue }
}

/// What a node's log says of the node itself: the set of these is what acknowledgement, truncation and sealing speak of.
package struct Member: Equatable, Sendable {
    package var id: NodeID
    package var addresses: [String]
    package var isWitness: Bool
    /// The newest format of log entries that it reads.
    package var logFormat: UInt16
    package var isRetired: Bool

    package init(id: NodeID, addresses: [String], isWitness: Bool = false, logFormat: UInt16, isRetired: Bool = false) {
        (self.id, self.addresses, self.isWitness) = (id, addresses, isWitness)
        (self.logFormat, self.isRetired) = (logFormat, isRetired)
    }
}

/// What the store holds when the machine starts, after a snapshot, and after a new incarnation began. All of it is synced.
package struct Holdings: Equatable, Sendable {
    package var own: Origin
    package var rows: [OriginState]
    package var members: [Member]
    /// It has never covered a peer's heads: it was made at this start, or left while it joined.
    package var isFresh: Bool
    /// Logs of which two versions are known, ascending.
    package var forked: [Origin]

    package init(own: Origin, rows: [OriginState], members: [Member], isFresh: Bool, forked: [Origin] = []) {
        (self.own, self.rows, self.members, self.isFresh) = (own, rows, members, isFresh)
        self.forked = forked
    }
}

/// The proof of who speaks on a connection without certificates: HMAC-SHA256 with the cluster secret, which the machine
/// never sees.
///
/// The message is `edge replication`, the speaker's role (1 dialled, 2 accepted), and both HELLO payloads, the dialler's
/// first, each behind a varint of its length. The HELLOs hold both nonces and both ids, so an answer recorded elsewhere
/// does not fit (replay), nor does the receiver's own (reflection).
package struct Proof: Sendable {
    package var mac: @Sendable (_ message: [UInt8]) -> [UInt8]

    package init(mac: @escaping @Sendable ([UInt8]) -> [UInt8]) { self.mac = mac }

    func auth(of role: Role, dialler: [UInt8], listener: [UInt8]) -> Auth {
        var message = Array("edge replication".utf8)
        message.append(role.rawValue)
        message.append(lengthPrefixed: dialler)
        message.append(lengthPrefixed: listener)
        return Auth(mac: mac(message))
    }
}

/// Which end of a connection.
package enum Role: UInt8, Sendable {
    case dialler = 1
    case listener = 2

    var other: Role { self == .dialler ? .listener : .dialler }
}

/// What does not change while the process lives.
package struct Settings: Sendable {
    package var cluster: [UInt8]
    /// This node as its log is to describe it.
    package var member: Member
    /// Random at each start, never zero.
    package var run: UInt64
    /// From the second on a peer answers LINK-REQUEST.
    package var versions: ClosedRange<UInt8> = 1...2
    package var secretCheck: UInt64
    /// Of HELLO, where it is reserved: 1.
    package var epoch: UInt64
    /// In order of the characters.
    package var regions: [Hello.Region]
    /// Addresses to begin with; the members' are added.
    package var peers: [String]
    package var proof: Proof
    /// For jitter alone.
    package var seed: UInt64

    package init(
        cluster: [UInt8], member: Member, run: UInt64, secretCheck: UInt64, epoch: UInt64, regions: [Hello.Region],
        peers: [String], proof: Proof, seed: UInt64
    ) {
        (self.cluster, self.member, self.run, self.secretCheck) = (cluster, member, run, secretCheck)
        (self.epoch, self.regions, self.peers, self.proof, self.seed) = (epoch, regions, peers, proof, seed)
    }
}
