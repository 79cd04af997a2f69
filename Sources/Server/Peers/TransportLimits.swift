import Replication

/// Bounds on connections to peers. Times are in milliseconds, and a transport's own, so that tests can shorten them.
package struct TransportLimits: Sendable {
    /// For looking a name up and connecting; the addresses of a name share it.
    package var connectTimeout: Int64 = 5000
    package var handshakeTimeout: Int64 = 5000
    /// Within it a peer has to take something of what waits for it.
    package var writeTimeout: Int64 = 10_000
    /// Within it all has to leave that was queued before a connection was closed, and the peer has to close its side.
    package var closeTimeout: Int64 = 2000
    /// For so long nobody is let in after the system had no descriptors left.
    package var acceptRest: Int64 = 100

    package init() {}

    /// Of both sides, whatever their state.
    package static let connections = 256
    /// Accepted, and not authenticated: the oldest goes for one more.
    package static let strangers = ReplicationLimits.unauthenticatedConnections
    /// What may wait for one peer to take it.
    package static let queuedBytes = 16 << 20
    /// Of that, from which on nothing of the registers is added.
    package static let registerBytes = 8 << 20
    /// Read of one connection in one turn.
    package static let readBytes = 256 << 10
    package static let readBytesOfStrangers = 8 << 10
    /// Given to the system for one connection in one turn.
    package static let writeBytes = 1 << 20
    /// Encrypted at once: several records, one write.
    static let encryptedAtOnce = 128 << 10
    static let eventsPerTurn = 64
    static let acceptsPerTurn = 16
    static let resolutionsAtOnce = 8
    static let addressesOfName = 4
    /// A second, of what strangers do; more are only counted.
    package static let noticesOfStrangers = 16

    /// The relations that the rest relies on.
    package static func check() {
        precondition(strangers < connections && readBytesOfStrangers < readBytes)
        precondition(queuedBytes >= 4 * (WireLimits.payload + FrameHeader.sizeBytes))
        precondition(queuedBytes > Int(ReplicationLimits.creditWindow) + registerBytes)
        precondition(readBytesOfStrangers > WireLimits.payloadBeforeAuthentication + FrameHeader.sizeBytes)
    }
}
