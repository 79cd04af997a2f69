import Analytics
import Primitives

let today = ClickDay(number: 20_000)
let noon = Instant(milliseconds: 20_000 * ClickDay.milliseconds + 43_200_000)

/// A request's head as a worker has it, and the event that is made of it.
struct Recorded {
    static let key = NetworkKey(day: ClickDay(number: 19_990), key0: 3, key1: 4)
    let event: ClickEvent

    init(
        code: String = "1TcH0Me", isHead: Bool = false, network: UInt64 = 0, agent: String = "", referrer: String = "",
        language: String = "", at now: Instant = noon, by recorder: ClickRecorder = ClickRecorder(key: key)
    ) {
        var bytes = Array("GET /".utf8)
        func add(_ value: String, _ next: String) -> Range<Int> {
            let start = bytes.count
            bytes += value.utf8
            defer { bytes += next.utf8 }
            return value.isEmpty ? 0..<0 : start..<bytes.count
        }
        let code = add(code, " HTTP/1.1\r\nUser-Agent: ")
        let agent = add(agent, "\r\nReferer: ")
        let referrer = add(referrer, "\r\nAccept-Language: ")
        let language = add(language, "")
        let ring = SlotRing(slots: 2, slotBytes: ClickEvent.slotBytes)
        recorder.setNow(now)
        bytes.withUnsafeBytes {
            recorder.record(
                into: ring.claim()!, $0, code: code, isHead: isHead, network: network, agent: agent, referrer: referrer,
                language: language)
        }
        _ = ring.publish()
        event = ClickEvent(ring.filled)
    }
}
