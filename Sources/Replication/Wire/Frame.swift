import Primitives

/// One message between two nodes.
package enum Frame: Equatable, Sendable {
    case hello(Hello)
    case auth(Auth)
    case state(PeerState)
    case reject(Reject)
    case entries(Entries)
    case ack(Ack)
    case heads(Heads)
    case pull(Pull)
    case digestsRequest(DigestNode)
    case digests(Digests)
    case bucketRequest(BucketRequest)
    case recordRequest(RecordRequest)
    case records(Records)
    case snapshotRequest(SnapshotRequest)
    case snapshotOffer(SnapshotOffer)
    case snapshotChunk(SnapshotChunk)
    case snapshotEnd(SnapshotEnd)
    case prepare(Prepare)
    case accept(Accept)
    case votes(Votes)
    case chosen(Chosen)
    case epochs(Epochs)
    case learn(Learn)
    case learned(Learned)
    case linkRequest(LinkRequest)
    case linkAnswer(LinkAnswer)
    case changeRequest(ChangeRequest)
    case changeAnswer(ChangeAnswer)

    package var type: FrameType {
        switch self {
        case .hello: .hello
        case .auth: .auth
        case .state: .state
        case .reject: .reject
        case .entries: .entries
        case .ack: .ack
        case .heads: .heads
        case .pull: .pull
        case .digestsRequest: .digestsRequest
        case .digests: .digests
        case .bucketRequest: .bucketRequest
        case .recordRequest: .recordRequest
        case .records: .records
        case .snapshotRequest: .snapshotRequest
        case .snapshotOffer: .snapshotOffer
        case .snapshotChunk: .snapshotChunk
        case .snapshotEnd: .snapshotEnd
        case .prepare: .prepare
        case .accept: .accept
        case .votes: .votes
        case .chosen: .chosen
        case .epochs: .epochs
        case .learn: .learn
        case .learned: .learned
        case .linkRequest: .linkRequest
        case .linkAnswer: .linkAnswer
        case .changeRequest: .changeRequest
        case .changeAnswer: .changeAnswer
        }
    }

    /// Header and payload.
    package func encoded(request: UInt32 = 0) -> [UInt8] {
        var payload: [UInt8] = []
        encodePayload(into: &payload)
        precondition(payload.count <= WireLimits.payload)
        var bytes: [UInt8] = [FrameHeader.version, type.rawValue, 0, 0]
        bytes.reserveCapacity(FrameHeader.sizeBytes + payload.count)
        bytes.append(bigEndian: UInt32(payload.count))
        bytes.append(bigEndian: request)
        bytes.append(bigEndian: unsafe Self.crc(bytes.span.bytes, payload.span.bytes))
        return bytes + payload
    }

    private static func crc(_ head: RawSpan, _ payload: RawSpan) -> UInt32 {
        var crc = CRC32C()
        crc.append(head)
        crc.append(payload)
        return crc.value
    }

    private func encodePayload(into bytes: inout [UInt8]) {
        switch self {
        case .hello(let frame): frame.encode(into: &bytes)
        case .auth(let frame): frame.encode(into: &bytes)
        case .state(let frame): frame.encode(into: &bytes)
        case .reject(let frame): frame.encode(into: &bytes)
        case .entries(let frame): frame.encode(into: &bytes)
        case .ack(let frame): frame.encode(into: &bytes)
        case .heads(let frame): frame.encode(into: &bytes)
        case .pull(let frame): frame.encode(into: &bytes)
        case .digestsRequest(let frame): frame.encode(into: &bytes)
        case .digests(let frame): frame.encode(into: &bytes)
        case .bucketRequest(let frame): frame.encode(into: &bytes)
        case .recordRequest(let frame): frame.encode(into: &bytes)
        case .records(let frame): frame.encode(into: &bytes)
        case .snapshotRequest(let frame): frame.encode(into: &bytes)
        case .snapshotOffer(let frame): frame.encode(into: &bytes)
        case .snapshotChunk(let frame): frame.encode(into: &bytes)
        case .snapshotEnd(let frame): frame.encode(into: &bytes)
        case .prepare(let frame): frame.encode(into: &bytes)
        case .accept(let frame): frame.encode(into: &bytes)
        case .votes(let frame): frame.encode(into: &bytes)
        case .chosen(let frame): frame.encode(into: &bytes)
        case .epochs(let frame): frame.encode(into: &bytes)
        case .learn(let frame): frame.encode(into: &bytes)
        case .learned(let frame): frame.encode(into: &bytes)
        case .linkRequest(let frame): frame.encode(into: &bytes)
        case .linkAnswer(let frame): frame.encode(into: &bytes)
        case .changeRequest(let frame): frame.encode(into: &bytes)
        case .changeAnswer(let frame): frame.encode(into: &bytes)
        }
    }

    /// Takes one whole frame, header included, and gives its request number beside it. Throws for a wrong checksum or
    /// size, and for a payload that its type's encoder would not write.
    package static func decode(
        _ bytes: RawSpan, limit: Int = WireLimits.payload
    ) throws(MalformedBytes) -> (frame: Frame, request: UInt32) {
        var payload = bytes
        let header = try FrameHeader(decoding: &payload, limit: limit)
        guard payload.byteCount == header.length,
            crc(bytes.extracting(..<(FrameHeader.sizeBytes - 4)), payload) == header.crc
        else { throw MalformedBytes() }
        let frame = try decodePayload(header.type, &payload)
        guard payload.byteCount == 0 else { throw MalformedBytes() }
        return (frame, header.request)
    }

    private static func decodePayload(_ type: FrameType, _ bytes: inout RawSpan) throws(MalformedBytes) -> Frame {
        switch type {
        case .hello: .hello(try Hello(decoding: &bytes))
        case .auth: .auth(try Auth(decoding: &bytes))
        case .state: .state(try PeerState(decoding: &bytes))
        case .reject: .reject(try Reject(decoding: &bytes))
        case .entries: .entries(try Entries(decoding: &bytes))
        case .ack: .ack(try Ack(decoding: &bytes))
        case .heads: .heads(try Heads(decoding: &bytes))
        case .pull: .pull(try Pull(decoding: &bytes))
        case .digestsRequest: .digestsRequest(try DigestNode(decoding: &bytes))
        case .digests: .digests(try Digests(decoding: &bytes))
        case .bucketRequest: .bucketRequest(try BucketRequest(decoding: &bytes))
        case .recordRequest: .recordRequest(try RecordRequest(decoding: &bytes))
        case .records: .records(try Records(decoding: &bytes))
        case .snapshotRequest: .snapshotRequest(try SnapshotRequest(decoding: &bytes))
        case .snapshotOffer: .snapshotOffer(try SnapshotOffer(decoding: &bytes))
        case .snapshotChunk: .snapshotChunk(try SnapshotChunk(decoding: &bytes))
        case .snapshotEnd: .snapshotEnd(try SnapshotEnd(decoding: &bytes))
        case .prepare: .prepare(try Prepare(decoding: &bytes))
        case .accept: .accept(try Accept(decoding: &bytes))
        case .votes: .votes(try Votes(decoding: &bytes))
        case .chosen: .chosen(try Chosen(decoding: &bytes))
        case .epochs: .epochs(try Epochs(decoding: &bytes))
        case .learn: .learn(try Learn(decoding: &bytes))
        case .learned: .learned(try Learned(decoding: &bytes))
        case .linkRequest: .linkRequest(try LinkRequest(decoding: &bytes))
        case .linkAnswer: .linkAnswer(try LinkAnswer(decoding: &bytes))
        case .changeRequest: .changeRequest(try ChangeRequest(decoding: &bytes))
        case .changeAnswer: .changeAnswer(try ChangeAnswer(decoding: &bytes))
        }
    }
}
