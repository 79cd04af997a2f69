import Links
import Primitives
import Replication

/// The rows of the table `registers`: what this node's acceptor durably holds. Nobody else's, so in no snapshot and no log.
///
///     key   0           the standing: marks (1; 1: the store was put back since), then Standing
///           1 and key   a register: RegisterRow
enum RegisterRows {
    static let standingKey: [UInt8] = [0]
    private static let registerMark: UInt8 = 1

    static func rowKey(_ register: [UInt8]) -> [UInt8] { [registerMark] + register }

    static func sealed(_ row: RegisterRow) -> [UInt8] {
        Row.sealed(.registers, rowKey(row.key), payloadBytes: row.key.count + 64) { row.encode(into: &$0) }
    }

    static func sealed(_ state: AcceptorState) -> [UInt8] {
        Row.sealed(.registers, standingKey, payloadBytes: 128) { payload in
            payload.append(state.isLost ? 1 : 0)
            state.standing.encode(into: &payload)
        }
    }

    static func row(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> RegisterRow? {
        guard let payload = Row.payload(.registers, key, value) else { return nil }
        var bytes = payload.bytes
        guard let row = try? RegisterRow(decoding: &bytes), bytes.byteCount == 0, key.elementsEqual(rowKey(row.key))
        else { return nil }
        return row
    }

    static func state(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> AcceptorState? {
        guard key.elementsEqual(standingKey), let payload = Row.payload(.registers, key, value) else { return nil }
        var bytes = payload.bytes
        guard let marks = try? bytes.takeByte(), marks <= 1, let standing = try? Standing(decoding: &bytes) else {
            return nil
        }
        return AcceptorState(standing: standing, isLost: marks == 1)
    }
}

/// What a store keeps of its acceptor besides registers.
package struct AcceptorState: Equatable, Sendable {
    package var standing: Standing
    /// The store took a new incarnation since: it may be an earlier day's, and what the acceptor said after that is not
    /// in it. Stays until another life of the acceptor is stored.
    package var isLost: Bool

    package init(standing: Standing, isLost: Bool) { (self.standing, self.isLost) = (standing, isLost) }
}

/// Why registers cannot be read.
package enum RegisterReadError: Error, Equatable {
    /// What the acceptor knew cannot be told any more: it is as if its disk were lost.
    case damagedRegister
    /// Nobody can say whether there is such an alias until a peer has given the record; or the store cannot be read now.
    case notNow
}
