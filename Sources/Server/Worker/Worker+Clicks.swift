import Analytics
import HTTP
import Primitives

/// Telling of clicks, which costs a redirect some tens of nanoseconds and never a wait.
extension Worker {
    /// Puts a redirect that was given into the worker's ring; if that is full, the click is dropped and counted. `bytes` is what
    /// `head` was read from; the path is `/` and the code.
    @inline(__always)
    func noteClick(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection) {
        guard countsClicks else { return counters.uncountedClicks.add() }
        guard let slot = clickRing.claim() else { return counters.clickDrops.add() }
        let client =
            connection.isTrustedProxy ? admission.client(behind: connection.peer, head, bytes) : connection.peer
        let path = head.path.range
        clickRecorder.record(
            into: slot, bytes, code: path.lowerBound + 1..<path.upperBound, isHead: head.method == .head,
            network: ClickRecorder.network(high: client.high, low: client.low), agent: head[.userAgent].range,
            referrer: head[.referer].range, language: head[.acceptLanguage].range)
        if clickRing.publish() { node.clicks.wakeUp.signal() }
    }
}
