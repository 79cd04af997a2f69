import Links
import Primitives

/// One connection.
///
///     dialler                          listener
///        │ ──── HELLO ───────────────────▶ │   cluster, version?
///        │ ◀─────────────────── HELLO ──── │
///        │ ──── AUTH ────────────────────▶ │   proof? then: own, duplicate, retired, secret, map, skew?
///        │ ◀──────────── AUTH, STATE ───── │
///        │ ──── STATE ───────────────────▶ │
///        │ ◀──────── stream ─────────────▶ │
///
/// With certificates AUTH is left out, because the transport has proved the peer already.
struct PeerSession {
    enum Phase: Equatable {
        /// The dialler after its own HELLO, the listener before.
        case awaitingHello
        case awaitingAuth
        /// The peer is authenticated and admitted.
        case awaitingState
        case open
    }

    /// Entries on their way to the peer.
    struct Stream: Equatable {
        var next: UInt64
        var through: UInt64
        /// When entries were sent last.
        var sentAt = Int64.min

        /// When entries up to `head` may go; nil if there are none.
        func due(_ head: UInt64) -> Int64? {
            let last = min(through, head)
            guard next <= last else { return nil }
            let isMany = last - next >= ReplicationLimits.gatheredEntries || sentAt == .min
            return isMany ? .min : sentAt + ReplicationLimits.gatherInterval
        }
    }

    /// A snapshot that this node gives.
    enum Providing: Equatable {
        case opening(request: UInt32)
        case running(request: UInt32, chunks: UInt32, isReading: Bool)
    }

    let id: ConnectionID
    let role: Role
    let address: String?
    let nonce: UInt128
    let certified: NodeID?
    let openedAt: Int64
    var phase = Phase.awaitingHello
    /// Payloads of the HELLOs, as AUTH covers them.
    var ownHello: [UInt8] = []
    var peerHello: [UInt8] = []
    /// The peer's, from `awaitingAuth` on.
    var hello: Hello?

    var heardAt: Int64
    var headsSentAt: Int64 = 0
    /// The peer's clock reading that is to be echoed, and when it came.
    var echo: (sent: UInt64, at: Int64)?
    var roundTrip = ReplicationLimits.assumedRoundTrip
    /// What either side held then.
    var mark: (at: Int64, heads: [Origin: UInt64])?
    /// Rows that changed since HEADS were sent.
    var dirty: Set<Origin> = []

    var streams: [Origin: Stream] = [:]
    /// Served last; the next one is behind it.
    var lastServed: Origin?
    var isReading = false
    var sentBytes: UInt64 = 0
    var credit: UInt64 = 0
    var providing: Providing?

    var receivedBytes: UInt64 = 0
    var consumedBytes: UInt64 = 0
    var granted = ReplicationLimits.creditWindow
    var acksDue: Set<Origin> = []
    var acknowledgedAt = Int64.min / 2

    init(_ id: ConnectionID, address: String?, nonce: UInt128, certified: NodeID?, now: Moment) {
        (self.id, self.address, self.nonce, self.certified) = (id, address, nonce, certified)
        role = address == nil ? .listener : .dialler
        (openedAt, heardAt) = (now.ticks, now.ticks)
    }

    var isAuthenticated: Bool { phase == .awaitingState || phase == .open }
    var isOpen: Bool { phase == .open }

    /// Who is at the other end; asked of authenticated sessions only.
    var peer: Origin { hello!.origin }
    var node: NodeID { NodeID(peer) }

    var creditLeft: UInt64 { credit > sentBytes ? credit - sentBytes : 0 }

    /// The stream to be read from next: those that have something to send now, in turn.
    func nextStream(_ now: Moment, _ head: (Origin) -> UInt64) -> Origin? {
        var (first, following): (Origin?, Origin?) = (nil, nil)
        for (origin, stream) in streams {
            guard let due = stream.due(head(origin)), due <= now.ticks else { continue }
            first = first.map { min($0, origin) } ?? origin
            if let lastServed, origin > lastServed { following = following.map { min($0, origin) } ?? origin }
        }
        return following ?? first
    }

    /// When what was applied is to be acknowledged; nil if all is.
    var acknowledgementDue: Int64? {
        acksDue.isEmpty ? nil : acknowledgedAt + ReplicationLimits.acknowledgeInterval
    }

    /// The HELLOs of dialler and listener.
    var hellos: (dialler: [UInt8], listener: [UInt8]) {
        role == .dialler ? (ownHello, peerHello) : (peerHello, ownHello)
    }
}
