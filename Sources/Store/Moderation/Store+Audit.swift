import Links
import Primitives

/// A line of the audit trail: an act, when and where it was written down.
package struct AuditLine: Sendable {
    package let stamp: Stamp
    package let origin: Origin
    package let body: AuditBody

    /// Where it stands in the trail.
    package var key: ModerationKey { .audit(stamp: stamp.rawValue, origin: origin) }
}

/// Some lines of the trail, newest first, and where to go on.
package struct AuditPage: Sendable {
    package var lines: [AuditLine] = []
    /// Before which the next page begins; nil: there is none.
    package var next: ModerationKey?
    /// What is left out, because a record fails its checksum.
    package var damagedCount = 0
}

extension Store {
    /// Writes an act down that is done already. The line is durable when `completion` is called, on the writer's thread.
    package func audit(
        _ act: AuditBody, completion: @escaping @Sendable (Result<Void, WriteError>) -> Void = { _ in }
    ) {
        if !queue.push(.moderate(.audit(act), { result in completion(result.map { _ in }) })) {
            completion(.failure(refusal))
        }
    }

    /// At most `limit` lines before `place`, read in one short transaction.
    package func auditTrail(before place: ModerationKey?, limit: Int) throws(StoreError) -> AuditPage {
        try reading { (view, transaction) throws(LMDBError) in
            var (page, end) = (AuditPage(), place)
            let cursor = try transaction.cursor(view.catalogue.blocks!)
            // No key begins with what comes after the trail's.
            let bound = place?.bytes ?? [ModerationKey.auditHead[0] + 1]
            var row = try cursor.seek(bound) == nil ? cursor.move(.last) : cursor.move(.previous)
            while let (key, value) = row, key.starts(with: ModerationKey.auditHead) {
                if page.lines.count == limit || page.damagedCount == StoreLimits.damageScanRows {
                    page.next = end
                    break
                }
                // A damaged key may lead back.
                if case .moderation(let key) = RecordKey(.blocks, key), end.map({ $0.isBehind(key) }) ?? true {
                    end = key
                }
                if let line = AuditLine(key, value) { page.lines.append(line) } else { page.damagedCount += 1 }
                row = try cursor.move(.previous)
            }
            return page
        }
    }
}

extension AuditLine {
    /// Of a row; nil if it is damaged.
    fileprivate init?(_ rowKey: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard case .moderation(let key) = RecordKey(.blocks, rowKey), case .audit(let stamp, let origin) = key,
            let payload = Row.payload(.blocks, rowKey, value),
            let record = try? TableRecord(.moderation(key), decoding: payload.bytes),
            case .moderation(.audit(let body)) = record.body
        else { return nil }
        self.init(stamp: Stamp(rawValue: stamp), origin: origin, body: body)
    }
}
