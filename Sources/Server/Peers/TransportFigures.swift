/// What the connections to peers have come to. Gauges are of this moment, all others are counted from the start.
package struct TransportFigures: Equatable, Sendable {
    /// Gauges: of both sides and in any state; those of them that were accepted and are not authenticated.
    package var connections = 0
    package var strangers = 0
    /// Gauge: bytes that wait for peers to take them.
    package var queuedBytes = 0

    /// On the wire: of TLS what the system saw.
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    /// Handed to the machine, and taken from it.
    package var framesIn: UInt64 = 0
    package var framesOut: UInt64 = 0

    /// Closed before anything of them was read: plaintext from elsewhere, or no place.
    package var refusedConnections: UInt64 = 0
    /// Strangers that were closed for newer ones.
    package var displacedStrangers: UInt64 = 0
    package var failedDials: UInt64 = 0
    package var failedHandshakes: UInt64 = 0
    /// Headers that cannot be accepted: each ends its connection.
    package var malformedFrames: UInt64 = 0
    /// Connections closed because their queue was full, and because their peer took nothing.
    package var fullQueues: UInt64 = 0
    package var stalledPeers: UInt64 = 0
    package var acceptRests: UInt64 = 0
    /// Notices beyond what is told in a second.
    package var untoldNotices: UInt64 = 0

    package init() {}
}

/// Something that an operator should find in the log.
package struct TransportNotice: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// A dialled address cannot be reached.
        case unreachable
        /// TLS could not be agreed on, the peer's certificate was not accepted, or it did not accept ours.
        case handshakeFailed
        /// Without certificates only loopback is trusted.
        case plaintextRefused
        case tooManyConnections
        /// A stranger was closed for a newer one.
        case strangerDisplaced
        case malformedFrame
        case queueFull
        case stalled
        /// The system has no descriptors left.
        case acceptRests
    }

    package var kind: Kind
    /// As it was dialled, else who connected; of `acceptRests` the own one.
    package var address: String
    package var reason: String
}
