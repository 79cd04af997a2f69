import Glibc
import Primitives
import Replication
import Server
import Testing

/// Peers who take nothing, or slowly, and the ends of connections that still hold something.
struct PeerFlowTests {
    /// Takes little by itself, so that queues fill.
    private func smallClient(of listener: PeerTester) throws -> Client {
        let client = try Client(port: listener.port, of: listener, receiveBytes: 4096)
        try turn(listener) { listener.opened.count == 1 }
        listener.transport.authenticated(listener.opened[0])
        return client
    }

    @Test func aFullQueueEndsTheConnection() throws {
        let listener = try PeerTester()
        let client = try smallClient(of: listener)
        let (id, frame) = (listener.opened[0], sampleFrame(1 << 20))
        for _ in 0..<64 where listener.closed.isEmpty {
            listener.transport.send(id, frame)
            #expect(listener.transport.queuedBytes(id) <= TransportLimits.queuedBytes)
            listener.turn(milliseconds: 0)
        }
        #expect(listener.closed == [id] && listener.transport.figures.fullQueues == 1)
        #expect(listener.reason(.queueFull)?.hasSuffix("bytes wait for it") == true)
        #expect(listener.transport.figures.queuedBytes == 0 && listener.transport.figures.connections == 0)
        _ = client
    }

    /// Many small frames cost no more than their bytes.
    @Test func smallFramesFillAQueueByTheirBytes() throws {
        let listener = try PeerTester()
        let client = try smallClient(of: listener)
        let (id, frame) = (listener.opened[0], sampleFrame(0))
        for _ in 0..<(TransportLimits.queuedBytes / frame.count) { listener.transport.send(id, frame) }
        #expect(listener.transport.queuedBytes(id) == TransportLimits.queuedBytes)
        listener.turn(milliseconds: 0)
        #expect(listener.closed.isEmpty && listener.transport.queuedBytes(id) < TransportLimits.queuedBytes)
        _ = client
    }

    @Test func whoTakesNothingIsClosed() throws {
        let listener = try PeerTester { $0.limits.writeTimeout = 150 }
        let client = try smallClient(of: listener)
        let id = listener.opened[0]
        for _ in 0..<8 { listener.transport.send(id, sampleFrame(1 << 20)) }
        try turn(listener) { !listener.closed.isEmpty }
        #expect(listener.closed == [id] && listener.transport.figures.stalledPeers == 1)
        #expect(listener.reason(.stalled) != nil)
        // And who has nothing to take is not.
        let other = try Client(port: listener.port, of: listener)
        try turn(listener) { listener.opened.count == 2 }
        let end = Deadline.now + 400
        try turn(listener) { Deadline.now > end }
        #expect(listener.closed == [id])
        _ = (client, other)
    }

    /// The peer reads a little now and then: each progress moves the deadline.
    @Test func aSlowReaderGetsAll() throws {
        let listener = try PeerTester()
        let client = try smallClient(of: listener)
        let id = listener.opened[0]
        let frames = (0..<40).map { sampleFrame($0 * 5000) }
        for frame in frames { listener.transport.send(id, frame) }
        let all = Array(frames.joined())
        #expect(listener.transport.queuedBytes(id) == all.count)
        var (reader, got, taken) = ([UInt8](repeating: 0, count: 3000), [UInt8](), 0)
        try turn(listener) {
            let count = recv(client.descriptor, &reader, reader.count, 0)
            if count > 0 { got += reader[..<count] }
            let figures = listener.transport.figures
            #expect(figures.bytesOut + UInt64(listener.transport.queuedBytes(id)) == UInt64(all.count))
            #expect(figures.bytesOut >= UInt64(got.count) && figures.bytesOut >= UInt64(taken))
            taken = Int(figures.bytesOut)
            return got.count == all.count
        }
        #expect(got == all && listener.transport.queuedBytes(id) == 0)
    }

    /// Many frames between two turns leave together.
    @Test func smallFramesGoTogether() throws {
        let (dialler, listener) = (try PeerTester(host: nil), try PeerTester())
        let (here, _) = try connected(dialler, listener)
        let frames = (0..<500).map { sampleFrame($0 % 50) }
        for frame in frames { dialler.transport.send(here, frame) }
        #expect(dialler.transport.figures.bytesOut == 0)
        dialler.turn(milliseconds: 0)
        #expect(dialler.transport.figures.bytesOut == UInt64(frames.joined().count))
        listener.turn(milliseconds: 1000)
        #expect(listener.received == frames)
    }

    // MARK: Closing

    @Test func closeLetsAllLeave() throws {
        let (dialler, listener) = (try PeerTester(host: nil), try PeerTester())
        let (here, there) = try connected(dialler, listener)
        let frames = (0..<12).map { sampleFrame(1 << 20 - $0) }
        for frame in frames { dialler.transport.send(here, frame) }
        dialler.transport.close(here)
        dialler.transport.send(here, sampleFrame(5))
        dialler.transport.close(here)
        try turn(dialler, listener) { !listener.closed.isEmpty && dialler.transport.figures.connections == 0 }
        #expect(listener.received == frames && listener.closed == [there])
        #expect(dialler.closed.isEmpty && dialler.transport.figures.framesOut == 12)
    }

    /// What the peer sends meanwhile is read away: otherwise the system would reset the connection, and the last frame
    /// would be lost.
    @Test func closeWhileThePeerSends() throws {
        let listener = try PeerTester()
        let client = try Client(port: listener.port, of: listener)
        try turn(listener) { listener.opened.count == 1 }
        let (id, last) = (listener.opened[0], sampleFrame(1000))
        listener.transport.send(id, last)
        listener.transport.close(id)
        for _ in 0..<50 {
            _ = try client.sendSome(sampleFrame(1000)[...])
            listener.turn(milliseconds: 0)
        }
        #expect(listener.received.isEmpty)
        var (buffer, got) = ([UInt8](repeating: 0, count: 4096), [UInt8]())
        try turn(listener) {
            let count = recv(client.descriptor, &buffer, buffer.count, 0)
            if count > 0 { got += buffer[..<count] }
            return count == 0
        }
        #expect(got == last)
        client.endSending()
        try turn(listener) { listener.transport.figures.connections == 0 }
        #expect(listener.closed.isEmpty)
    }

    /// Both sides have said their last word and wait for each other's.
    @Test func bothClose() throws {
        let (dialler, listener) = (try PeerTester(host: nil), try PeerTester())
        let (here, there) = try connected(dialler, listener)
        for (tester, id) in [(dialler, here), (listener, there)] {
            tester.transport.send(id, sampleFrame(1 << 20))
            tester.transport.close(id)
        }
        try turn(dialler, listener) {
            dialler.transport.figures.connections == 0 && listener.transport.figures.connections == 0
        }
        #expect(dialler.closed.isEmpty && listener.closed.isEmpty && dialler.received.isEmpty)
        #expect(
            dialler.transport.figures.bytesOut == 1 << 20 + 16 && listener.transport.figures.bytesOut == 1 << 20 + 16)
    }

    @Test(arguments: [true, false]) func closeDoesNotWaitForEver(hasQueue: Bool) throws {
        let listener = try PeerTester { $0.limits.closeTimeout = 100 }
        let client = try smallClient(of: listener)
        if hasQueue { for _ in 0..<8 { listener.transport.send(listener.opened[0], sampleFrame(1 << 20)) } }
        listener.transport.close(listener.opened[0])
        try turn(listener) { listener.transport.figures.connections == 0 }
        #expect(listener.closed.isEmpty && listener.notices.isEmpty)
        _ = client
    }

    // MARK: Places

    /// The 65th stranger displaces the first; who is authenticated stays, whoever comes.
    @Test func strangersDisplaceEachOther() throws {
        let listener = try PeerTester()
        var clients = [try Client(port: listener.port, of: listener)]
        try turn(listener) { listener.opened.count == 1 }
        listener.transport.authenticated(listener.opened[0])
        for count in 2...(TransportLimits.strangers + 1) {
            clients.append(try Client(port: listener.port, of: listener))
            try turn(listener) { listener.opened.count == count }
        }
        #expect(listener.transport.figures.strangers == TransportLimits.strangers && listener.closed.isEmpty)
        for extra in 1...3 {
            clients.append(try Client(port: listener.port, of: listener))
            try turn(listener) { listener.closed.count == extra }
            #expect(listener.events.suffix(2).first == .closed(listener.opened[extra]))
            #expect(try clients[extra].endsHere())
        }
        let figures = listener.transport.figures
        #expect(figures.strangers == TransportLimits.strangers && figures.displacedStrangers == 3)
        #expect(figures.connections == TransportLimits.strangers + 1)
        // The newest one is served.
        let frame = sampleFrame(10)
        try clients.last!.send(frame)
        try turn(listener) { listener.received(listener.opened.last!) == [frame] }
        #expect(listener.reason(.strangerDisplaced) != nil)
    }

    @Test func noMorePlaces() throws {
        let listener = try PeerTester()
        listener.authenticates = true
        var clients: [Client] = []
        for count in 1...TransportLimits.connections {
            clients.append(try Client(port: listener.port, of: listener))
            try turn(listener) { listener.opened.count == count }
        }
        let late = try Client(port: listener.port, of: listener)
        try turn(listener) { listener.transport.figures.refusedConnections == 1 }
        #expect(try late.endsHere())
        listener.transport.connect("127.0.0.1:\(listener.port)")
        listener.turn(milliseconds: 0)
        #expect(listener.failed == ["127.0.0.1:\(listener.port)"])
        #expect(listener.notices.map(\.kind) == [.tooManyConnections, .tooManyConnections])
        #expect(listener.transport.figures.connections == TransportLimits.connections && listener.closed.isEmpty)
        clients.removeAll()
        try turn(listener) { listener.transport.figures.connections == 0 }
    }

    /// The log tells of so many strangers a second; all are counted.
    @Test func strangersDoNotFillTheLog() throws {
        let listener = try PeerTester()
        let count = 3 * TransportLimits.noticesOfStrangers
        for number in 1...count {
            let client = try Client(port: listener.port, of: listener)
            try client.send("nonsense nonsense")
            try turn(listener) { listener.closed.count == number }
        }
        let untold = listener.transport.figures.untoldNotices
        #expect(listener.notices.count + Int(untold) == count)
        #expect(listener.transport.figures.malformedFrames == UInt64(count))
    }

    /// The listener's event would come again and again while nobody can be let in.
    @Test func noDescriptorsLeft() throws {
        let rests = try withoutDescriptors { () throws -> (UInt64, Int) in
            let listener = try PeerTester { $0.limits.acceptRest = 1000 }
            let client = try Client(port: listener.port, of: listener)
            var last: Int32 = -1
            while case let descriptor = dup(0), descriptor >= 0 { last = descriptor }
            try #require(last >= 0 && errno == EMFILE)
            try turn(listener) { listener.transport.figures.acceptRests > 0 }
            for _ in 0..<20 { listener.turn(milliseconds: 0) }
            let rests = listener.transport.figures.acceptRests
            try #require(listener.opened.isEmpty && listener.reason(.acceptRests) != nil)
            close(last)
            try turn(listener) { listener.opened.count == 1 }
            _ = client
            return (rests, listener.opened.count)
        }
        #expect(rests == (1, 1))
    }

    /// Runs `body` on a thread with a table of descriptors of its own: what it opens, and what is left, is its alone.
    private func withoutDescriptors<Result>(_ body: @escaping () throws -> Result) throws -> Result {
        DescriptorLimit.set()
        // Safety: the thread is joined before the result is looked at.
        nonisolated(unsafe) var result: Swift.Result<Result, any Error>?
        nonisolated(unsafe) let body = body
        SystemThread("descriptors") {
            typealias Unshare = @convention(c) (Int32) -> Int32
            // The Glibc module lacks unshare(2); its flag is CLONE_FILES.
            let unshare = unsafeBitCast(dlsym(nil, "unshare"), to: Unshare.self)
            result = Swift.Result {
                guard unshare(0x400) == 0 else {
                    throw HarnessError("no table of its own: \(String(cString: strerror(errno)))")
                }
                return try body()
            }
        }.join()
        return try result!.get()
    }
}
