import Primitives

/// What a frame is. The numbers are for ever; 32 to 47 are those of claims of aliases, 48 to 63 are kept for requests that one
/// node puts to another for its clients.
package enum FrameType: UInt8, Sendable, CaseIterable {
    case hello = 1
    case auth = 2
    case state = 3
    case reject = 4
    case entries = 5
    case ack = 6
    case heads = 7
    case pull = 8
    case digestsRequest = 9
    case digests = 10
    case bucketRequest = 11
    case recordRequest = 12
    case records = 13
    case snapshotRequest = 14
    case snapshotOffer = 15
    case snapshotChunk = 16
    case snapshotEnd = 17
    case prepare = 32
    case accept = 33
    case votes = 34
    case chosen = 35
    case epochs = 38
    case learn = 39
    case learned = 40
    case linkRequest = 48
    case linkAnswer = 49
    case changeRequest = 50
    case changeAnswer = 51
}

/// The 16 bytes before each frame's payload.
///
///     version  1   1
///     type     1   FrameType
///     flags    2   zero
///     length   4   of the payload, in bytes
///     request  4   pairs an answer with what it answers; 0 where nothing is asked
///     crc32c   4   over the twelve bytes before it and the payload
package struct FrameHeader: Equatable, Sendable {
    package static let sizeBytes = 16
    package static let version: UInt8 = 1

    package var type: FrameType
    package var length: Int
    package var request: UInt32
    package var crc: UInt32

    /// Takes 16 bytes. Throws for another version, an unknown type, a flag that is set and a payload above `limit`.
    package init(decoding bytes: inout RawSpan, limit: Int) throws(MalformedBytes) {
        guard try bytes.takeByte() == Self.version, let type = FrameType(rawValue: try bytes.takeByte()),
            try bytes.takeUInt16() == 0
        else { throw MalformedBytes() }
        self.type = type
        length = Int(try bytes.takeUInt32())
        guard length <= limit else { throw MalformedBytes() }
        request = try bytes.takeUInt32()
        crc = try bytes.takeUInt32()
    }
}

/// Cuts a stream of bytes into frames. It holds at most one frame, and reserves nothing for one that its header shows
/// to be too long.
package struct FrameReader: Sendable {
    /// Raised by the shell when the machine says that the peer is authenticated.
    package var limit = WireLimits.payloadBeforeAuthentication
    private var pending: [UInt8] = []

    package init() {}

    /// Takes from the front of `bytes` up to the end of one frame. Returns that frame whole, header included, or nil if
    /// all was taken and the frame is not complete yet. Throws for a header that cannot be accepted: the stream ends.
    package mutating func take(_ bytes: inout RawSpan) throws(MalformedBytes) -> [UInt8]? {
        if pending.count < FrameHeader.sizeBytes { move(FrameHeader.sizeBytes, &bytes) }
        guard pending.count >= FrameHeader.sizeBytes else { return nil }
        var span = unsafe pending.span.bytes
        let size = FrameHeader.sizeBytes + (try FrameHeader(decoding: &span, limit: limit)).length
        move(size, &bytes)
        guard pending.count == size else { return nil }
        defer { pending = [] }
        return pending
    }

    private mutating func move(_ target: Int, _ bytes: inout RawSpan) {
        let count = min(target - pending.count, bytes.byteCount)
        pending.append(bytes.extracting(..<count))
        bytes = bytes.extracting(count...)
    }
}
