import Glibc
import Primitives
import Replication
import Server
import Testing

/// Connections in plaintext, between two transports and between one and whoever connects.
struct PeerTransportTests {
    /// Sizes around all that is special, and others by chance.
    private static func frames(_ count: Int, longest: Int, _ random: inout SeededRandom) -> [[UInt8]] {
        let special = [0, 1, 4095, 4096, 16_384, 65_520, 65_536, 262_144, longest].filter { $0 <= longest }
        let sizes =
            special
            + (0..<count).map { _ in Int.random(in: 0...Int.random(in: 1...longest, using: &random), using: &random) }
        return sizes.shuffled(using: &random).map { sampleFrame($0, &random) }
    }

    @Test(arguments: ["127.0.0.1", "::1"]) func framesCrossWhole(host: String) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let (dialler, listener) = (try PeerTester(host: nil), try PeerTester(host: host))
        let (here, there) = try connected(dialler, listener)
        let (out, back) = (Self.frames(40, longest: 1 << 20, &random), Self.frames(40, longest: 1 << 18, &random))
        for (index, frame) in out.enumerated() {
            dialler.transport.send(here, frame)
            if index < back.count { listener.transport.send(there, back[index]) }
            if index % 3 == 0 { dialler.turn(milliseconds: 0) }
            if index % 5 == 0 { listener.turn(milliseconds: 0) }
        }
        for frame in back.dropFirst(out.count) { listener.transport.send(there, frame) }
        try turn(dialler, listener) { listener.received.count == out.count && dialler.received.count == back.count }
        #expect(listener.received == out && dialler.received == back, "seed \(seed)")
        try turn(dialler, listener) {
            dialler.transport.figures.queuedBytes == 0 && listener.transport.figures.queuedBytes == 0
        }
        let (ours, theirs) = (dialler.transport.figures, listener.transport.figures)
        let (outBytes, backBytes) = (UInt64(out.joined().count), UInt64(back.joined().count))
        #expect((ours.framesOut, ours.framesIn) == (UInt64(out.count), UInt64(back.count)))
        #expect((theirs.framesOut, theirs.framesIn) == (UInt64(back.count), UInt64(out.count)))
        #expect((ours.bytesOut, ours.bytesIn) == (outBytes, backBytes))
        #expect((theirs.bytesOut, theirs.bytesIn) == (backBytes, outBytes))
        #expect((ours.connections, ours.strangers) == (1, 0) && (theirs.connections, theirs.strangers) == (1, 0))
    }

    @Test func openedSaysWhoDialled() throws {
        let dialler = try PeerTester(host: nil) { $0.nonce = { 17 } }
        let listener = try PeerTester { $0.nonce = { 18 } }
        let (here, there) = try connected(dialler, listener, authenticated: false)
        #expect(dialler.events == [.opened(here, address: listener.address, nonce: 17, certified: nil)])
        #expect(listener.events == [.opened(there, address: nil, nonce: 18, certified: nil)])
        #expect(listener.transport.figures.strangers == 1 && dialler.transport.figures.strangers == 0)
    }

    @Test func bytesInAnyChunks() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let listener = try PeerTester()
        listener.authenticates = true
        let client = try Client(port: listener.port, of: listener)
        let frames = Self.frames(30, longest: 30_000, &random)
        let bytes = Array(frames.joined())
        var sent = 0
        while sent < bytes.count {
            let end = min(
                bytes.count, sent + Int.random(in: 1...Int.random(in: 1...20_000, using: &random), using: &random))
            sent += try client.sendSome(bytes[sent..<end])
            listener.turn(milliseconds: 0)
        }
        try turn(listener) { listener.received.count == frames.count }
        #expect(listener.received == frames, "seed \(seed)")
    }

    /// What proves a peer and what it sends next may come in one segment.
    @Test func longFrameBehindTheProof() throws {
        let (short, long) = (sampleFrame(32), sampleFrame(60_000))
        for isPeer in [true, false] {
            let listener = try PeerTester()
            let client = try Client(port: listener.port, of: listener)
            try client.send(short + short + long[..<100])
            try turn(listener) { listener.received.count == 2 }
            if isPeer { listener.transport.authenticated(listener.opened[0]) }
            if isPeer { try client.send(Array(long[100...])) }
            try turn(listener) { listener.received.count == 3 || !listener.closed.isEmpty }
            #expect(listener.received == (isPeer ? [short, short, long] : [short, short]))
            #expect(listener.transport.figures.malformedFrames == (isPeer ? 0 : 1))
        }
    }

    @Test func oneFrameATurnBeforeAuthentication() throws {
        let listener = try PeerTester()
        let client = try Client(port: listener.port, of: listener)
        try client.send(Array(repeatElement(sampleFrame(40), count: 50).joined()))
        var turns = 0
        while listener.received.count < 50 {
            let before = listener.received.count
            listener.turn(milliseconds: 1000)
            #expect(listener.received.count - before <= 1)
            turns += 1
            try #require(turns < 1000)
        }
        // Nothing is left to spin for.
        listener.turn(milliseconds: 0)
        #expect(listener.received.count == 50 && listener.closed.isEmpty)
    }

    private static func header(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
        var header = Array(sampleFrame(0))
        change(&header)
        return header
    }

    @Test(
        arguments: [
            ("text", Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8), false),
            ("another version", header { $0[0] = 2 }, false), ("an unknown type", header { $0[1] = 200 }, false),
            ("flags", header { $0[3] = 1 }, false),
            ("4 KiB and one before", header { $0.replace(at: 4, bigEndian: 4097) }, false),
            ("1 MiB before", header { $0.replace(at: 4, bigEndian: 1 << 20) }, false),
            ("1 MiB and one after", header { $0.replace(at: 4, bigEndian: 1 << 20 + 1) }, true),
            ("all after", header { $0.replace(at: 4, bigEndian: .max) }, true),
        ] as [(String, [UInt8], Bool)])
    func badHeadersEndAConnection(name: String, bytes: [UInt8], isAuthenticated: Bool) throws {
        let listener = try PeerTester()
        listener.authenticates = isAuthenticated
        let client = try Client(port: listener.port, of: listener)
        let good = sampleFrame(100)
        try client.send(good)
        try turn(listener) { listener.received.count == 1 }
        try client.send(bytes)
        try turn(listener) { !listener.closed.isEmpty }
        #expect(try client.endsHere())
        #expect(listener.events.count == 3 && listener.received == [good] && listener.closed == listener.opened)
        #expect(listener.transport.figures.malformedFrames == 1 && listener.transport.figures.connections == 0)
        #expect(listener.reason(.malformedFrame)?.contains(isAuthenticated ? "1048576" : "4096") == true)
    }

    @Test func longestFramesPass() throws {
        let listener = try PeerTester()
        let client = try Client(port: listener.port, of: listener)
        let frames = [sampleFrame(4096), sampleFrame(1 << 20)]
        try client.send(frames[0])
        try turn(listener) { listener.received.count == 1 }
        listener.transport.authenticated(listener.opened[0])
        var sent = 0
        while sent < frames[1].count {
            sent += try client.sendSome(frames[1][sent...])
            listener.turn(milliseconds: 0)
        }
        try turn(listener) { listener.received.count == 2 }
        #expect(listener.received == frames)
    }

    /// However much comes, a turn takes its part of one connection and looks at the others.
    @Test func oneTurnReadsSoMuch() throws {
        let listener = try PeerTester()
        listener.authenticates = true
        let client = try Client(port: listener.port, of: listener)
        try turn(listener) { listener.opened.count == 1 }
        let frames = Array(repeatElement(sampleFrame(1000), count: 2000).joined())
        var sent = 0
        while case let count = try client.sendSome(frames[sent...]), count > 0 { sent += count }
        try #require(sent > 2 * TransportLimits.readBytes)
        while listener.transport.figures.bytesIn < UInt64(sent) {
            let before = listener.transport.figures.bytesIn
            listener.turn(milliseconds: 1000)
            let read = listener.transport.figures.bytesIn - before
            try #require(read > 0 && read <= UInt64(TransportLimits.readBytes))
        }
    }

    /// The peer may have sent a part of a frame, and says that nothing follows.
    @Test(arguments: [0, 10, 116]) func halfClosedPeer(sentBytes: Int) throws {
        let listener = try PeerTester()
        let client = try Client(port: listener.port, of: listener)
        try client.send(Array(sampleFrame(100)[..<sentBytes]))
        client.endSending()
        try turn(listener) { !listener.closed.isEmpty }
        #expect(listener.received.count == (sentBytes == 116 ? 1 : 0) && listener.closed == listener.opened)
        #expect(try client.endsHere())
        #expect(listener.transport.figures.connections == 0 && listener.notices.isEmpty)
    }

    @Test func resetByPeer() throws {
        let listener = try PeerTester()
        do {
            let client = try Client(port: listener.port, of: listener)
            try turn(listener) { listener.opened.count == 1 }
            var off = linger(l_onoff: 1, l_linger: 0)
            setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &off, socklen_t(MemoryLayout<linger>.size))
        }
        listener.transport.send(listener.opened[0], sampleFrame(10))
        try turn(listener) { !listener.closed.isEmpty }
        #expect(listener.closed == listener.opened && listener.transport.figures.connections == 0)
    }

    @Test func whatIsGoneTakesNothing() throws {
        let listener = try PeerTester()
        let nobody = ConnectionID(rawValue: 99)
        listener.transport.send(nobody, sampleFrame(1))
        listener.transport.close(nobody)
        listener.transport.authenticated(nobody)
        listener.turn(milliseconds: 0)
        #expect(listener.events.isEmpty && listener.transport.figures == TransportFigures())
        #expect(listener.transport.queuedBytes(nobody) == 0)
    }

    @Test func wakesFromAnotherThread() throws {
        let tester = try PeerTester()
        let transport = tester.transport
        for _ in 0..<20 {
            let thread = SystemThread("waker") { for _ in 0..<100 { transport.wake() } }
            // Far longer than a test may last.
            tester.turn(milliseconds: 3_600_000)
            thread.join()
        }
        #expect(tester.events.isEmpty)
    }

    @Test func aTakenPortIsSaid() throws {
        let first = try PeerTester()
        let error = #expect(throws: ListenError.self) {
            _ = try PeerTransport(PeerTransportSettings(listen: first.transport.address))
        }
        #expect(error?.description.contains("--replication_listen") == true)
    }

    @Test func theEnd() throws {
        let (dialler, listener) = (try PeerTester(host: nil), try PeerTester())
        _ = try connected(dialler, listener)
        listener.transport.end()
        listener.transport.end()
        try turn(dialler) { !dialler.closed.isEmpty }
        dialler.transport.connect(listener.address)
        try turn(dialler) { !dialler.failed.isEmpty }
        #expect(listener.transport.figures.connections == 0 && dialler.transport.figures.connections == 0)
        // The next one can have the port at once, though the system still keeps the end of the connection.
        let next = try PeerTransport(PeerTransportSettings(listen: listener.transport.address))
        #expect(next.address == listener.transport.address)
    }
}
