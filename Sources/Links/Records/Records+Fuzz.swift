import Primitives

/// Feeds `bytes` to every decoder of this folder; traps where a decoder reads what its encoder would not write.
package func fuzzRecords(_ bytes: RawSpan) {
    if let body = try? LinkBody(decoding: bytes) {
        var again: [UInt8] = []
        body.encode(into: &again)
        let decoded = unsafe try? LinkBody(decoding: again.span.bytes)
        precondition(decoded == body)
        let view = try? RedirectView(body: bytes)
        precondition(view?.expiresAtMilliseconds == body.expiresAt?.milliseconds ?? .max)
    }
    if let entry = try? LogEntry(decoding: bytes) {
        var again: [UInt8] = []
        entry.encode(into: &again)
        precondition(again == [UInt8](bytes))
    }
    if let key = try? LinkKey(decoding: bytes) {
        var again: [UInt8] = []
        key.encode(into: &again)
        precondition(again == [UInt8](bytes))
    }
    if let record = try? StoredRecord(decoding: bytes) {
        var again: [UInt8] = []
        record.encode(into: &again)
        let decoded = unsafe try? StoredRecord(decoding: again.span.bytes)
        precondition(decoded == record)
    }
    if let body = try? KeyBody(decoding: bytes) {
        var again: [UInt8] = []
        body.encode(into: &again)
        let decoded = unsafe try? KeyBody(decoding: again.span.bytes)
        precondition(decoded == body)
    }
    if let body = try? MemberBody(decoding: bytes) {
        var again: [UInt8] = []
        body.encode(into: &again)
        let decoded = unsafe try? MemberBody(decoding: again.span.bytes)
        precondition(decoded == body)
    }
    if let key = try? ModerationKey(decoding: bytes) { precondition(key.bytes == [UInt8](bytes)) }
    for key in [ModerationKey.block(.snowflake(number: 1)), .report(1), .audit(stamp: 1, origin: fuzzedOrigin)] {
        guard let body = try? ModerationBody(key, decoding: bytes) else { continue }
        var again: [UInt8] = []
        body.encode(into: &again)
        let decoded = unsafe try? ModerationBody(key, decoding: again.span.bytes)
        precondition(decoded == body)
    }
    if let key = KeyText([UInt8](bytes)) { precondition(key.text.utf8.elementsEqual([UInt8](bytes))) }
}

private let fuzzedOrigin = Origin(region: 0x31, node: 0, incarnation: 1)
