import Links
import Primitives

/// LINK-REQUEST: what a client asks for, and the sender has not. The answer must reflect all positions.
///
///     count      1
///     positions  10 each         life's tag (4: region 6 bits, node 4, incarnation's first 16), sequence (6); at most 4
///     code       the rest        as it stands in the path, 1 to 255 bytes
package struct LinkRequest: Hashable, Sendable {
    package var positions: [LogPosition]
    package var code: [UInt8]

    package init(positions: [LogPosition], code: [UInt8]) { (self.positions, self.code) = (positions, code) }

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(UInt8(positions.count))
        for position in positions { position.encode(into: &bytes) }
        bytes += code
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        let count = Int(try bytes.takeByte())
        guard count <= Token.mostPositions else { throw MalformedBytes() }
        positions = []
        for _ in 0..<count { positions.append(try LogPosition(decoding: &bytes)) }
        guard (1..<LinkKey.maximumSizeBytes).contains(bytes.byteCount) else { throw MalformedBytes() }
        code = try bytes.takeBytes(bytes.byteCount)
    }
}

/// LINK-ANSWER: its answer.
///
///     outcome   1           1 here, 2 not here, 3 the sender does not hold all positions, or cannot tell
///     count     1           1 with a position, else 0
///     position  10          how far the sender holds the log of whoever wrote the record
///     record    the rest    in the store's form; only where it is here
package struct LinkAnswer: Equatable, Sendable {
    package enum Outcome: UInt8, Sendable {
        case here = 1
        case notHere = 2
        case behind = 3
    }

    package var outcome: Outcome
    package var position: LogPosition?
    package var record: [UInt8]

    package init(_ outcome: Outcome, reflecting position: LogPosition? = nil, record: [UInt8] = []) {
        (self.outcome, self.position, self.record) = (outcome, position, record)
    }

    package func encode(into bytes: inout [UInt8]) {
        bytes += [outcome.rawValue, position == nil ? 0 : 1]
        position?.encode(into: &bytes)
        bytes += record
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        guard let outcome = Outcome(rawValue: try bytes.takeByte()) else { throw MalformedBytes() }
        self.outcome = outcome
        switch try bytes.takeByte() {
        case 0: position = nil
        case 1: position = try LogPosition(decoding: &bytes)
        default: throw MalformedBytes()
        }
        guard (outcome == .here) == (bytes.byteCount > 0), bytes.byteCount <= WireLimits.recordsBytes else {
            throw MalformedBytes()
        }
        record = try bytes.takeBytes(bytes.byteCount)
    }
}
