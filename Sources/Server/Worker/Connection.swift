import HTTP

/// One client connection of a worker.
final class Connection {
    enum Phase {
        /// Requests are read and answered.
        case open
        /// A request is with the API thread; nothing more is read until its answer is here.
        case awaitingAnswer(Response.Form)
        /// The last answer is on its way; then the connection closes.
        case closing
        /// All is sent and the sending side shut; what the client still sends is read away, so that the answer is not
        /// lost to a reset.
        case lingering
    }

    /// What the connection waits for, and so which deadline it is held to.
    enum Standing: Int, CaseIterable {
        /// For a TLS handshake to be done.
        case handshake
        /// For a request: nothing is owed, and nothing half read.
        case idle
        /// For the rest of a head, and for the rest of a body behind its head.
        case head, body
        /// For the API thread, or for its next turn.
        case answer
        /// For the client to take what was answered.
        case writing
        /// For the client to close.
        case lingering
    }

    let descriptor: Int32
    /// Position in the worker's table and the table slot's generation: names this connection and no later one.
    let handle: ConnectionHandle
    @exclusivity(unchecked) var phase = Phase.open
    @exclusivity(unchecked) var reader = RequestReader()
    /// Nil: plain HTTP.
    @exclusivity(unchecked) var session: TLSSession?
    /// TLS: something has come. A part of a record has, which OpenSSL holds.
    @exclusivity(unchecked) var hasBegunTLS = false
    @exclusivity(unchecked) var holdsPartOfRecord = false
    /// What was read and not consumed: a part of a request, or requests behind one that awaits its answer.
    @exclusivity(unchecked) var input: [UInt8] = []
    /// What the client has not taken yet, as it leaves.
    @exclusivity(unchecked) var output: [UInt8] = []
    /// Requests may be whole in `input` that were not answered, so that what is owed and what is done at a time stay
    /// bounded; they are looked at when the client can take more and others have had their turn.
    @exclusivity(unchecked) var isHeldBack = false
    /// It is in the worker's queue for another turn.
    @exclusivity(unchecked) var isQueued = false
    /// Who connected, or whom a trusted proxy connected for.
    @exclusivity(unchecked) var peer = IPAddress(ipv4: 0)
    /// The bucket of its network.
    @exclusivity(unchecked) var subject = LimitSubject(hash: 0)
    /// What requests say of where they came from is believed.
    @exclusivity(unchecked) var isTrustedProxy = false
    /// It may first say for whom it connected.
    @exclusivity(unchecked) var mayBeginWithProxyHeader = false
    /// Nothing has come yet.
    @exclusivity(unchecked) var isFresh = true
    /// The client will send no more.
    @exclusivity(unchecked) var hasEnded = false
    /// Of a request that waits long, and is to be told when its client sends no more; nil once it was told.
    @exclusivity(unchecked) var clientEnd: ClientEnd?
    /// What the event set is asked for; zero: nothing.
    @exclusivity(unchecked) var interest = ConnectionInterest.reading
    /// In which of the table's lists it is, and since when, in monotonic microseconds. The table's to change.
    @exclusivity(unchecked) var standing = Standing.idle
    @exclusivity(unchecked) var since: Int64
    /// A request has become whole or bytes were taken: the deadline starts anew, though the standing may be the same.
    @exclusivity(unchecked) var hasProgressed = false
    /// Of the bytes below, what the budget knows of.
    @exclusivity(unchecked) var accountedBytes = 0

    init(_ descriptor: Int32, _ handle: ConnectionHandle, now: Int64) {
        (self.descriptor, self.handle, since) = (descriptor, handle, now)
    }

    /// What it waits for now.
    var presentStanding: Standing {
        if case .lingering = phase { return .lingering }
        if !output.isEmpty { return .writing }
        if isHeldBack { return .answer }
        if let session, session.state == .handshake, case .open = phase { return .handshake }
        switch phase {
        case .awaitingAnswer: return .answer
        case .closing, .lingering: return .writing
        case .open: return reader.isBetweenRequests ? (input.isEmpty && !holdsPartOfRecord ? .idle : .head) : .body
        }
    }

    /// Bytes of clients' making that it keeps.
    var keptBytes: Int {
        input.count + output.count + (standing == .body ? reader.keptBytes : 0)
            + (holdsPartOfRecord ? TLSLimits.recordBytes : 0)
    }
}

/// `end`: that the client sends no more, whatever of it is unread.
enum ConnectionInterest { case reading, writing, end, nothing }

/// Survives its connection: an answer that comes late finds another generation in the slot and is dropped.
struct ConnectionHandle: Equatable, Sendable {
    var slot: UInt32
    var generation: UInt32

    var token: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
    init(slot: UInt32, generation: UInt32) { (self.slot, self.generation) = (slot, generation) }
    init(token: UInt64) {
        (slot, generation) = (UInt32(truncatingIfNeeded: token), UInt32(truncatingIfNeeded: token >> 32))
    }
}
