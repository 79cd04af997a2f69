/// Bounds of a port's connections, in one place. How many there may be, and how long they may take, is configured.
enum ConnectionLimits {
    /// Read at once from one connection, and so the work that it gets at a wake-up.
    static let readBytes = 65_536
    /// Answered at once for one connection; more wait until others have had their turn.
    static let requestsPerTurn = 32
    /// Connections with more requests than that which have another turn at a wake-up, behind those that have but one.
    static let furtherTurnsPerWakeUp = 8
    /// Answers that gather for one connection before they are sent, but for the last one's excess. Few bytes may ask for
    /// many, and a client need not read them.
    static let answersBytes = 131_072
    static let acceptsPerWakeUp = 64
    static let eventsPerWakeUp = 512
    /// Answers of the API thread that are taken out at a wake-up.
    static let deliveriesPerWakeUp = 64
    /// Connections closed at a wake-up because their time is over.
    static let expiriesPerWakeUp = 256
    /// What the connections of one port may hold in all: parts of requests that are not whole yet, requests behind one
    /// that awaits its answer, answers that are not taken. One that holds nothing is not touched by it.
    static let keptBytes = 64 << 20
    static let lingerMilliseconds: Int64 = 2_000
    /// Where there is no room for a newcomer and nobody is idle, who keeps the node waiting has this part of its time.
    static let pressedShare: Int64 = 10
    /// Connections that are looked at to find one to close for a newcomer: one that looks idle may have just been used.
    static let spareTries = 8
    /// What `max_connections = auto` is at most.
    static let automaticConnections = 100_000
    /// On the admin port.
    static let adminConnections = 16
    /// How long accepting rests when no descriptors are left, or no connection can be spared, if nothing closes before.
    static let acceptRestMilliseconds: Int64 = 100
    /// While draining: how long a new connection may take to begin its request, and how often that is looked at.
    static let freshMilliseconds: Int64 = 200
    static let drainLookMilliseconds: Int64 = 10
    /// After so many events a worker looks at the clock, and takes another snapshot if its own is older than this.
    static let eventsPerLook = 32
    static let snapshotMicroseconds: Int64 = 20_000
    /// Descriptors that connections leave to the rest of the node, and to each worker.
    static let nodeDescriptors = 16
    static let workerDescriptors = 3
    /// How often deadlines are looked at.
    static let sweepMilliseconds: Int64 = 500
}

/// How long a connection may stand as it does, in microseconds. None of them is moved by a client's bytes that complete
/// nothing, but `writing`, which is.
struct ConnectionTimeouts: Sendable {
    /// From a head's first byte to its last, or of a TLS handshake in all; and from there to the body's last.
    let head, body: Int64
    /// Between requests.
    let idle: Int64
    /// Without the client taking a byte of an answer.
    let writing: Int64
    let lingering = ConnectionLimits.lingerMilliseconds * 1000

    init(_ configuration: Configuration) {
        head = configuration.headTimeoutMilliseconds * 1000
        body = configuration.bodyTimeoutMilliseconds * 1000
        idle = configuration.idleTimeoutMilliseconds * 1000
        writing = configuration.writeTimeoutMilliseconds * 1000
    }

    /// Nil: as long as it takes.
    subscript(_ standing: Connection.Standing) -> Int64? {
        switch standing {
        case .idle: idle
        case .handshake, .head: head
        case .body: body
        case .answer: nil
        case .writing: writing
        case .lingering: lingering
        }
    }
}
