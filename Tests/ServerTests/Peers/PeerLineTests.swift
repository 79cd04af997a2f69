import Primitives
import Server
import Testing
import lab

/// Transports with a bad line between them.
struct PeerLineTests {
    private let authority = TestAuthority()

    /// What is turned over, or comes twice, ends the connection; no frame reaches the machine that was not sent.
    @Test(arguments: ["bits", "chunks"]) func tlsLetsNothingWrongThrough(fault: String) throws {
        let proxy = try FaultProxy()
        let listener = try PeerTester(tls: try authority.context("URI:edge://prod/eu/0"))
        proxy.aim(at: listener.transport.address)
        let dialler = try PeerTester(host: nil, tls: try authority.context("URI:edge://prod/us/0"))
        let (here, there) = try connected(dialler, listener, through: proxy)
        dialler.transport.send(here, sampleFrame(40_000))
        try turn(dialler, listener) { listener.received.count == 1 }
        proxy.set(.there) { if fault == "bits" { $0.flips = 0.0001 } else { $0.duplicates = 1 } }
        var sent = 0
        try turn(dialler, listener) {
            if sent < 100 { dialler.transport.send(here, sampleFrame(40_000)) }
            sent += 1
            return !listener.closed.isEmpty
        }
        #expect(listener.closed == [there] && listener.received.allSatisfy { $0 == sampleFrame(40_000) })
        // What is wrong with the head of a record is noticed before its code is looked at.
        let reason = try #require(listener.reason(.handshakeFailed))
        let refusals = ["bad record mac", "wrong version number", "bad record type", "length too long"]
        #expect(refusals.contains { reason.contains($0) }, "\(listener.notices)")
    }

    /// 30 ms each way, and whatever chunks the line makes.
    @Test(arguments: [true, false]) func aLongThinLine(hasTLS: Bool) throws {
        let proxy = try FaultProxy()
        proxy.set { ($0.delayMilliseconds, $0.bytesPerSecond) = (30, 2_000_000) }
        let listener = try PeerTester(tls: hasTLS ? try authority.context("URI:edge://prod/eu/0") : nil)
        proxy.aim(at: listener.transport.address)
        let dialler = try PeerTester(host: nil, tls: hasTLS ? try authority.context("URI:edge://prod/us/0") : nil)
        let (here, there) = try connected(dialler, listener, through: proxy)
        let frames = [500_000, 0, 12, 70_000].map { sampleFrame($0) }
        for frame in frames {
            dialler.transport.send(here, frame)
            listener.transport.send(there, frame)
        }
        try turn(dialler, listener) { listener.received.count == 4 && dialler.received.count == 4 }
        #expect(listener.received == frames && dialler.received == frames)
        proxy.cut()
        try turn(dialler, listener) { dialler.closed == [here] && listener.closed == [there] }
        dialler.transport.connect("\(proxy.address)")
        try turn(dialler, listener) { dialler.failed == ["\(proxy.address)"] }
        try proxy.mend()
        _ = try connected(dialler, listener, through: proxy)
    }

    /// A recorded connection in plaintext is only bytes to the transport; of TLS nothing can be said again.
    @Test func aReplayOfTLS() throws {
        let proxy = try FaultProxy()
        let listener = try PeerTester(tls: try authority.context("URI:edge://prod/eu/0"))
        proxy.aim(at: listener.transport.address)
        proxy.record(atMost: 1 << 20)
        let dialler = try PeerTester(host: nil, tls: try authority.context("URI:edge://prod/us/0"))
        let (here, _) = try connected(dialler, listener, through: proxy)
        dialler.transport.send(here, sampleFrame(1000))
        try turn(dialler, listener) { listener.received.count == 1 }
        let number = proxy.replay(proxy.recordings[0])
        try turn(listener) { listener.transport.figures.failedHandshakes == 1 && proxy.replay(number).isOver }
        #expect(listener.received.count == 1 && listener.opened.count == 1)
    }
}
