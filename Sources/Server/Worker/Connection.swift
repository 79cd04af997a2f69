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

    let descriptor: Int32
    /// Position in the worker's table and the table slot's generation: names this connection and no later one.
    let handle: ConnectionHandle
    var phase = Phase.open
    var reader = RequestReader()
    /// What was read and not consumed: a part of a request, or requests behind one that awaits its answer.
    var input: [UInt8] = []
    /// What the client has not taken yet.
    var output: [UInt8] = []
    /// Requests may be whole in `input` that were not answered, so that what is owed stays bounded; they are looked at
    /// when the client can take more.
    var isHeldBack = false
    /// Who connected, or whom a trusted proxy connected for.
    var peer = IPAddress(ipv4: 0)
    /// The bucket of its network.
    var subject = LimitSubject(hash: 0)
    /// What requests say of where they came from is believed.
    var isTrustedProxy = false
    /// It may first say for whom it connected.
    var mayBeginWithProxyHeader = false
    /// Nothing has come yet.
    var isFresh = true
    /// The client will send no more.
    var hasEnded = false
    /// What the event set is asked for; zero: nothing.
    var interest = ConnectionInterest.reading
    /// When the client last made progress, in monotonic milliseconds.
    var lastProgress: Int64
    /// When the first byte of the request that is not whole yet came.
    var requestStart: Int64?

    init(_ descriptor: Int32, _ handle: ConnectionHandle, now: Int64) {
        (self.descriptor, self.handle, lastProgress) = (descriptor, handle, now)
    }

    /// Nothing is owed, and nothing half read.
    var isIdle: Bool {
        if case .open = phase { input.isEmpty && output.isEmpty && requestStart == nil } else { false }
    }

    /// Whether the client took more time than the limits give it; `now` in monotonic milliseconds.
    func isOverdue(at now: Int64) -> Bool {
        let quiet = now - lastProgress
        if !output.isEmpty { return quiet > ConnectionLimits.writeMilliseconds }
        switch phase {
        case .awaitingAnswer: return false
        case .lingering: return now - requestStart! > ConnectionLimits.lingerMilliseconds
        case .open, .closing:
            if let requestStart { return now - requestStart > ConnectionLimits.requestMilliseconds }
            return quiet > ConnectionLimits.idleMilliseconds
        }
    }
}

enum ConnectionInterest { case reading, writing, nothing }

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

/// Bounds of the public port, in one place.
enum ConnectionLimits {
    /// Read at once from one connection, and so the work that it gets at a wake-up.
    static let readBytes = 65_536
    /// Answers that gather for one connection before they are sent, but for the last one's excess. Few bytes may ask for
    /// many, and a client need not read them.
    static let answersBytes = 131_072
    static let acceptsPerWakeUp = 64
    static let eventsPerWakeUp = 512
    /// From the first byte of a request to its last.
    static let requestMilliseconds: Int64 = 30_000
    /// Between requests.
    static let idleMilliseconds: Int64 = 75_000
    /// Without the client taking a byte of an answer.
    static let writeMilliseconds: Int64 = 30_000
    static let lingerMilliseconds: Int64 = 2_000
    /// How long accepting rests when no descriptors are left.
    static let acceptRestMilliseconds: Int64 = 100
    /// While draining: how long a new connection may take to begin its request, and how often that is looked at.
    static let freshMilliseconds: Int64 = 200
    static let drainLookMilliseconds: Int64 = 10
    /// After so many events a worker looks at the clock, and takes another snapshot if its own is older than this.
    static let eventsPerLook = 32
    static let snapshotMicroseconds: Int64 = 20_000
    /// Descriptors that connections leave to the rest of the node, and to each worker and the admin port.
    static let nodeDescriptors = 16
    static let workerDescriptors = 3
    /// How often deadlines are looked at.
    static let sweepMilliseconds: Int64 = 500
}
