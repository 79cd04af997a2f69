import Links
import Primitives

/// Rows of the table `batches`: lists of links that are made one after the other, by the node that took them alone.
///
///     number        16       the head
///       request     8        hash of the request
///       taken       6        milliseconds since 1970
///       done        6        the same; 0: not yet
///       entries     2        how many
///       principal   rest     who sent it, as the API tells them apart
///     number, index 16, 2    an entry
///       is done     1        1: what follows is its result; 0: what is to be made
///       content     rest     the API's
package struct BatchHead: Equatable, Sendable {
    package let number: UInt128
    package let request: UInt64
    package let takenAt: Instant
    package internal(set) var doneAt: Instant?
    package let count: Int
    package let principal: [UInt8]

    package init(number: UInt128, request: UInt64, takenAt: Instant, count: Int, principal: [UInt8]) {
        precondition((1...StoreLimits.batchEntries).contains(count))
        (self.number, self.request, self.takenAt) = (number, request, Instant(milliseconds: Int64(takenAt.storable)))
        (self.count, self.principal) = (count, principal)
    }

    static let keySizeBytes = 16

    /// Nil if the row is damaged.
    init?(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard key.count == Self.keySizeBytes, let payload = Row.payload(.batches, key, value) else { return nil }
        do throws(MalformedBytes) {
            var (id, bytes) = (key.bytes, payload.bytes)
            number = try id.takeUInt128()
            request = try bytes.takeUInt64()
            takenAt = Instant(milliseconds: Int64(try bytes.takeUInt48()))
            let done = try bytes.takeUInt48()
            doneAt = done > 0 ? Instant(milliseconds: Int64(done)) : nil
            count = Int(try bytes.takeUInt16())
            principal = [UInt8](bytes)
        } catch { return nil }
    }

    var rowKey: [UInt8] { ClaimRow.rowKey(number) }

    var sealed: [UInt8] {
        Row.sealed(.batches, rowKey, payloadBytes: 32 + principal.count) { payload in
            payload.append(bigEndian: request)
            payload.append(bigEndian48: takenAt.storable)
            payload.append(bigEndian48: doneAt?.storable ?? 0)
            payload.append(bigEndian: UInt16(count))
            payload += principal
        }
    }
}

package struct BatchEntry: Equatable, Sendable {
    package var isDone: Bool
    package var content: [UInt8]
    package init(isDone: Bool, content: [UInt8]) { (self.isDone, self.content) = (isDone, content) }

    /// Nil if the row is damaged.
    init?(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard key.count == BatchHead.keySizeBytes + 2, let payload = Row.payload(.batches, key, value) else {
            return nil
        }
        var bytes = payload.bytes
        guard let mark = try? bytes.takeByte(), mark <= 1 else { return nil }
        (isDone, content) = (mark == 1, [UInt8](bytes))
    }

    static func rowKey(_ number: UInt128, _ index: Int) -> [UInt8] {
        var key = ClaimRow.rowKey(number)
        key.append(bigEndian: UInt16(index))
        return key
    }

    func sealed(_ key: [UInt8]) -> [UInt8] {
        Row.sealed(.batches, key, payloadBytes: 1 + content.count) { payload in
            payload.append(isDone ? 1 : 0)
            payload += content
        }
    }
}
