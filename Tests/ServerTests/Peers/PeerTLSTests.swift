import COpenSSL
import Glibc
import Primitives
import Replication
import Server
import Testing

/// Connections with certificates: who is let in, and who is not and why.
struct PeerTLSTests {
    private let authority = TestAuthority()

    @Test func bothSidesKnowEachOther() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let dialler = try PeerTester(host: nil, tls: try authority.context("URI:edge://prod/us/15"))
        let listener = try PeerTester(
            tls: try authority.context("DNS:eu.example.org,URI:edge://prod/eu/0,URI:https://a/"))
        let (here, there) = try connected(dialler, listener)
        #expect(dialler.certified == [NodeID(region: UInt8(ascii: "2"), node: 0)])
        #expect(listener.certified == [NodeID(region: UInt8(ascii: "1"), node: 15)])
        let frames =
            [0, 1, 16_368, 16_384, 300_000, 1 << 20].map { sampleFrame($0, &random) }
            + (0..<60).map { _ in sampleFrame(Int.random(in: 0...40_000, using: &random), &random) }
        for frame in frames {
            dialler.transport.send(here, frame)
            listener.transport.send(there, frame)
            if Bool.random(using: &random) { dialler.turn(milliseconds: 0) }
            if Bool.random(using: &random) { listener.turn(milliseconds: 0) }
        }
        try turn(dialler, listener) {
            dialler.received.count == frames.count && listener.received.count == frames.count
        }
        #expect(dialler.received == frames && listener.received == frames, "seed \(seed)")
        try turn(dialler, listener) {
            dialler.transport.figures.queuedBytes == 0 && listener.transport.figures.queuedBytes == 0
        }
        let (ours, theirs) = (dialler.transport.figures, listener.transport.figures)
        #expect(ours.bytesOut == theirs.bytesIn && theirs.bytesOut == ours.bytesIn)
        #expect(ours.bytesOut > UInt64(frames.joined().count) && ours.framesOut == UInt64(frames.count))
        dialler.transport.send(here, sampleFrame(100_000))
        dialler.transport.close(here)
        try turn(dialler, listener) { listener.closed == [there] && dialler.transport.figures.connections == 0 }
        #expect(listener.received.count == frames.count + 1 && dialler.closed.isEmpty)
        #expect(dialler.notices.isEmpty && listener.notices.isEmpty)
    }

    /// Many small frames are few records: 22 bytes each.
    @Test func smallFramesAreEncryptedTogether() throws {
        let tls = try authority.context("URI:edge://prod/eu/0")
        let (dialler, listener) = (try PeerTester(host: nil, tls: tls), try PeerTester(tls: tls))
        let (here, _) = try connected(dialler, listener)
        let before = dialler.transport.figures.bytesOut
        for _ in 0..<500 { dialler.transport.send(here, sampleFrame(16)) }
        #expect(dialler.transport.queuedBytes(here) == 16_000)
        try turn(dialler, listener) { listener.received.count == 500 }
        #expect(dialler.transport.figures.bytesOut - before == 16_000 + 22)
    }

    /// Whoever has such a certificate gets in on neither side, and nothing of it reaches the machine.
    @Test(
        arguments: [
            ("URI:edge://test/eu/0", -1...1, "is of the cluster `test`, not of `prod`"),
            ("URI:edge://prod/ap/0", -1...1, "of the region `ap`, which is not configured"),
            ("URI:edge://prod/eu/16", -1...1, "`edge://prod/eu/16` is not edge://CLUSTER/REGION/NODE"),
            ("URI:https://prod/eu/0", -1...1, "names no node"), ("DNS:edge.example.org", -1...1, "names no node"),
            (nil, -1...1, "names no node"),
            ("URI:edge://prod/eu/0,URI:edge://prod/eu/1", -1...1, "names several nodes"),
            ("URI:edge://prod/eu/0", -5...(-2), "certificate has expired"),
            ("URI:edge://prod/eu/0", 2...5, "certificate is not yet valid"),
        ] as [(String?, ClosedRange<Int>, String)])
    func certificatesThatAreRefused(names: String?, days: ClosedRange<Int>, reason: String) throws {
        let (good, bad) = (try authority.context("URI:edge://prod/us/0"), try authority.context(names, days: days))
        try expectRefusal(dialler: bad, listener: good, whereListenerSays: reason)
        try expectRefusal(dialler: good, listener: bad, whereDiallerSays: reason)
    }

    @Test func strangeAuthority() throws {
        let good = try authority.context("URI:edge://prod/us/0")
        // It trusts the right one, so that only one side has something against the other.
        let strange = try authority.context(of: TestAuthority("another").issue("URI:edge://prod/eu/0"))
        try expectRefusal(dialler: strange, listener: good, whereListenerSays: "unable to get local issuer certificate")
        try expectRefusal(dialler: good, listener: strange, whereDiallerSays: "unable to get local issuer certificate")
    }

    private func expectRefusal(
        dialler context: TLSContext, listener other: TLSContext, whereListenerSays reason: String
    ) throws {
        let (dialler, listener) = (try PeerTester(host: nil, tls: context), try PeerTester(tls: other))
        dialler.transport.connect(listener.address)
        try turn(dialler, listener) {
            for id in dialler.opened { dialler.transport.send(id, sampleFrame(100)) }
            return listener.transport.figures.failedHandshakes == 1
                && (!dialler.failed.isEmpty || !dialler.closed.isEmpty)
        }
        #expect(listener.events.isEmpty && listener.transport.figures.connections == 0)
        #expect(listener.reason(.handshakeFailed)?.contains(reason) == true, "\(listener.notices)")
    }

    private func expectRefusal(dialler context: TLSContext, listener other: TLSContext, whereDiallerSays reason: String)
        throws
    {
        let (dialler, listener) = (try PeerTester(host: nil, tls: context), try PeerTester(tls: other))
        dialler.transport.connect(listener.address)
        try turn(dialler, listener) { !dialler.failed.isEmpty && listener.transport.figures.connections == 0 }
        #expect(dialler.events == [.connectFailed(address: listener.address)])
        #expect(dialler.reason(.handshakeFailed)?.contains(reason) == true, "\(dialler.notices)")
        #expect(dialler.transport.figures.failedHandshakes == 1 && listener.received.isEmpty)
    }

    /// What a client of no node does, and how far it gets.
    @Test(arguments: [
        ("no certificate", false, TLS1_3_VERSION, "peer did not return a certificate"),
        ("TLS 1.2", true, TLS1_2_VERSION, "unsupported protocol"),
    ])
    func strangeClients(name: String, hasIdentity: Bool, version: Int32, reason: String) throws {
        let listener = try PeerTester(tls: try authority.context("URI:edge://prod/eu/0"))
        let identity = hasIdentity ? authority.issue("URI:edge://prod/us/0") : nil
        let client = TLSClient(try Client(port: listener.port, of: listener), identity: identity, version: version)
        var hasWritten = false
        try turn(listener) {
            if client.shakesHands(), !hasWritten {
                client.write(sampleFrame(100))
                hasWritten = true
            }
            _ = try client.move()
            return listener.transport.figures.failedHandshakes == 1
        }
        #expect(
            listener.events.isEmpty && listener.reason(.handshakeFailed)?.contains(reason) == true,
            "\(listener.notices)")
    }

    @Test func nothingIsKeptOfASession() throws {
        let listener = try PeerTester(tls: try authority.context("URI:edge://prod/eu/0"))
        let identity = authority.issue("URI:edge://prod/us/0")
        let client = TLSClient(try Client(port: listener.port, of: listener), identity: identity)
        let frame = sampleFrame(100)
        var (hasWritten, got) = (false, [UInt8]())
        try turn(listener) {
            if client.shakesHands(), !hasWritten {
                client.write(frame)
                hasWritten = true
            }
            guard try client.move() else { throw HarnessError("closed") }
            if let id = listener.opened.first, listener.transport.figures.framesOut == 0, !listener.received.isEmpty {
                listener.transport.send(id, frame)
            }
            got += client.read()
            return got.count == frame.count
        }
        #expect(got == frame && listener.received == [frame])
        #expect(!client.isResumable && client.version == TLS1_3_VERSION)
    }

    @Test(arguments: ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\u{1}\u{7}\0\0\0\0\0\0\0\0\0\0\0\0\0\0", ""])
    func whoSpeaksNoTLS(text: String) throws {
        let listener = try PeerTester(tls: try authority.context("URI:edge://prod/eu/0"))
        let client = try Client(port: listener.port, of: listener)
        try client.send(text)
        client.endSending()
        try turn(listener) { listener.transport.figures.failedHandshakes == 1 }
        #expect(listener.events.isEmpty && listener.transport.figures.connections == 0)
    }

    /// Whoever says nothing, or only a beginning, has so long and no longer.
    @Test func handshakeThatDoesNotEnd() throws {
        let tls = try authority.context("URI:edge://prod/eu/0")
        let listener = try PeerTester(tls: tls) { $0.limits.handshakeTimeout = 100 }
        let client = try Client(port: listener.port, of: listener)
        try client.send([22, 3, 1])
        try turn(listener) { listener.transport.figures.failedHandshakes == 1 }
        #expect(listener.reason(.handshakeFailed) == "the handshake did not end in time" && listener.events.isEmpty)
        #expect(try client.endsHere())
        // And one that is dialled and says nothing.
        let silent = try PeerTester()
        let dialler = try PeerTester(host: nil, tls: tls) { $0.limits.handshakeTimeout = 100 }
        dialler.transport.connect(silent.address)
        try turn(dialler) { !dialler.failed.isEmpty }
        #expect(dialler.events == [.connectFailed(address: silent.address)])
        #expect(dialler.reason(.handshakeFailed) == "the handshake did not end in time")
    }

    /// The listener alone has certificates, or the dialler.
    @Test(arguments: [true, false]) func onlyOneSideHasCertificates(isListener: Bool) throws {
        let tls = try authority.context("URI:edge://prod/eu/0")
        let listener = try PeerTester(tls: isListener ? tls : nil)
        let dialler = try PeerTester(host: nil, tls: isListener ? nil : tls)
        dialler.transport.connect(listener.address)
        try turn(dialler, listener) {
            for id in dialler.opened { dialler.transport.send(id, sampleFrame(100)) }
            return !dialler.failed.isEmpty || !dialler.closed.isEmpty
        }
        #expect(listener.received.isEmpty && dialler.received.isEmpty)
    }

    /// A peer may ask for new keys at any time (RFC 8446 4.6.3); the answer leaves with the next frame.
    @Test func newKeys() throws {
        let listener = try PeerTester(tls: try authority.context("URI:edge://prod/eu/0"))
        let client = TLSClient(
            try Client(port: listener.port, of: listener), identity: authority.issue("URI:edge://prod/us/0"))
        try turn(listener) {
            _ = client.shakesHands()
            _ = try client.move()
            return listener.opened.count == 1
        }
        client.askForNewKeys()
        client.write(sampleFrame(100))
        try turn(listener) {
            _ = try client.move()
            return listener.received.count == 1
        }
        let frame = sampleFrame(200)
        listener.transport.send(listener.opened[0], frame)
        var got: [UInt8] = []
        try turn(listener) {
            _ = try client.move()
            got += client.read()
            return got.count == frame.count
        }
        #expect(got == frame && listener.received == [sampleFrame(100)] && listener.transport.figures.queuedBytes == 0)
    }

    @Test func damagedRecordsEndAConnection() throws {
        let listener = try PeerTester(tls: try authority.context("URI:edge://prod/eu/0"))
        let socket = try Client(port: listener.port, of: listener)
        let client = TLSClient(socket, identity: authority.issue("URI:edge://prod/us/0"))
        try turn(listener) {
            _ = client.shakesHands()
            _ = try client.move()
            return listener.opened.count == 1
        }
        try socket.send([23, 3, 3, 0, 40] + [UInt8](repeating: 9, count: 40))
        try turn(listener) { !listener.closed.isEmpty }
        #expect(listener.closed == listener.opened && listener.received.isEmpty && !listener.notices.isEmpty)
    }

    /// New certificates are for new connections; the old ones live on.
    @Test func certificatesAreReplaced() throws {
        let new = TestAuthority("new authority")
        let dialler = try PeerTester(host: nil, tls: try authority.context("URI:edge://prod/us/0"))
        let listener = try PeerTester(tls: try authority.context("URI:edge://prod/eu/0"))
        let (here, there) = try connected(dialler, listener)
        listener.transport.replace(tls: try new.context("URI:edge://prod/eu/1"))
        dialler.transport.connect(listener.address)
        try turn(dialler, listener) { !dialler.failed.isEmpty }
        dialler.transport.replace(tls: try new.context("URI:edge://prod/us/1"))
        let (newer, _) = try connected(dialler, listener)
        #expect(dialler.certified.last == NodeID(region: UInt8(ascii: "2"), node: 1))
        #expect(listener.certified.last == NodeID(region: UInt8(ascii: "1"), node: 1))
        dialler.transport.send(here, sampleFrame(50))
        dialler.transport.send(newer, sampleFrame(60))
        try turn(dialler, listener) { listener.received.count == 2 }
        #expect(listener.received(there) == [sampleFrame(50)] && dialler.closed.isEmpty)
    }

    @Test func filesThatAreNoGood() throws {
        let (own, other) = (authority.issue("URI:edge://prod/eu/0"), authority.issue("URI:edge://prod/eu/0"))
        let text = Array("nonsense".utf8)
        let half = Array(own.certificate[..<(own.certificate.count / 2)])
        let encrypted = Array(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAwAA==\n-----END ENCRYPTED PRIVATE KEY-----\n".utf8)
        let bad: [([UInt8], [UInt8], [UInt8], String)] = [
            (text, own.key, authority.certificate, "the certificate cannot be read"),
            ([], own.key, authority.certificate, "the certificate cannot be read"),
            (half, own.key, authority.certificate, "the certificate cannot be read"),
            (own.certificate + half, own.key, authority.certificate, "the certificate cannot be read"),
            (own.certificate, text, authority.certificate, "the key cannot be read"),
            (own.certificate, encrypted, authority.certificate, "the key cannot be read"),
            (own.certificate, other.key, authority.certificate, "the key is not the certificate's"),
            (own.certificate, own.key, text, "the certificate of the authority cannot be read"),
            (own.certificate, own.key, own.key, "the certificate of the authority cannot be read"),
        ]
        for (certificate, key, authorities, reason) in bad {
            let error = #expect(throws: TLSFailure.self) {
                _ = try TLSContext(certificate: certificate, key: key, authorities: authorities)
            }
            #expect(error?.reason.hasPrefix(reason) == true, "\(String(describing: error))")
        }
    }

    @Test(
        arguments: [
            (["edge://prod/eu/0"], UInt8(0)), (["https://a", "edge://prod/eu/15", "urn:b"], 15),
            (["edge://prod/eu/00"], nil),
            (["edge://prod/eu/-0"], nil), (["edge://prod/eu/"], nil), (["edge://prod/eu"], nil),
            (["edge://prod/eu/1/"], nil),
            (["edge://Prod/eu/1"], nil), (["EDGE://prod/eu/1"], nil), (["edge://prod/EU/1"], nil),
            (["edge:///eu/1"], nil),
            (["edge://prod/eu/1", "edge://prod/eu/1"], nil), ([], nil),
        ] as [([String], UInt8?)])
    func names(names: [String], node: UInt8?) {
        let found = try? NodeName.node(names, cluster: "prod", regions: ["eu": UInt8(ascii: "2")])
        #expect(found == node.map { NodeID(region: UInt8(ascii: "2"), node: $0) })
    }
}
