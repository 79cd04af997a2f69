import CLinux
import Glibc
import Replication

/// One connection to a peer, dialled or accepted.
///
///     connecting ──▶ handshaking ──▶ open ──▶ closing ──▶ lingering
///      dialled        with TLS      the machine knows it
final class PeerConnection {
    enum Phase {
        /// What else may be tried if this address does not answer.
        case connecting(Dial)
        case handshaking
        case open
        /// The machine has closed it; what was queued before still leaves.
        case closing
        /// All is sent and the sending side shut; what the peer still sends is read away, so that nothing is lost to a
        /// reset.
        case lingering
    }

    let id: ConnectionID
    let descriptor: Int32
    /// As the machine gave it; nil if it was accepted.
    let dialled: String?
    let peer: SocketAddress
    var phase: Phase
    /// Nil in plaintext.
    var channel: TLSChannel?
    var isAuthenticated = false
    var reader = FrameReader()
    /// Before authentication: what came behind a frame that the machine has not judged yet.
    var heldBack: [UInt8] = []
    /// The last turn in which the machine got a frame of it.
    var deliveryTurn: UInt64 = 0
    /// Frames not yet encrypted, and bytes for the wire; in plaintext there are only the latter.
    var frames = ByteQueue()
    var wire = ByteQueue()
    /// It has bytes that came since the last attempt to write.
    var isDirty = false
    /// The peer will send no more.
    var peerHasEnded = false
    /// What the event set is asked for.
    var interest = EPOLLIN
    /// Ends the phase; what waits to be written has its own, which each progress moves.
    var deadline = Int64.max
    var writeDeadline = Int64.max

    init(_ id: ConnectionID, _ descriptor: Int32, _ phase: Phase, dialled: String?, _ peer: SocketAddress) {
        (self.id, self.descriptor, self.phase) = (id, descriptor, phase)
        (self.dialled, self.peer) = (dialled, peer)
    }

    deinit { close(descriptor) }

    var isStranger: Bool { dialled == nil && !isAuthenticated }
    var queuedBytes: Int { frames.count + wire.count }
    /// For the log.
    var address: String { dialled ?? peer.description }

    var isKnownToMachine: Bool { if case .open = phase { true } else { false } }
}

/// An attempt to reach a peer.
struct Dial {
    /// As the machine gave it.
    let address: String
    let deadline: Int64
    /// Not tried yet.
    var candidates: [SocketAddress] = []
    /// Why the one before could not be connected to.
    var failure = ""
    var failureKind = TransportNotice.Kind.unreachable
}
