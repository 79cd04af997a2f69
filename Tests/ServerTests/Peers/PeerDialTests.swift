import Dispatch
import Glibc
import Primitives
import Server
import Synchronization
import Testing

/// Addresses that nobody answers, names, and who may be spoken to in plaintext.
struct PeerDialTests {
    /// A socket on a free port of 127.0.0.1; `backlog` nil: it is bound and does not listen.
    private final class Port {
        let descriptor = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        private(set) var number: UInt16 = 0
        private(set) var address = sockaddr_in()

        init(backlog: Int32?) throws {
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let code = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0
                }
            }
            try #require(code)
            if let backlog { try #require(listen(descriptor, backlog) == 0) }
            number = UInt16(bigEndian: address.sin_port)
        }

        deinit { close(descriptor) }

        /// Begins to connect `socket` to it.
        func connect(_ socket: Int32) -> Int32 {
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }

    @Test func nobodyListens() throws {
        let (port, dialler) = (try Port(backlog: nil), try PeerTester(host: nil))
        let address = "127.0.0.1:\(port.number)"
        dialler.transport.connect(address)
        try turn(dialler) { !dialler.failed.isEmpty }
        #expect(dialler.events == [.connectFailed(address: address)])
        #expect(dialler.reason(.unreachable) == "\(address): Connection refused")
        let figures = dialler.transport.figures
        #expect((figures.failedDials, figures.connections) == (1, 0))
    }

    /// A listener that takes nobody in and whose queue is full answers nothing.
    @Test func nobodyAnswers() throws {
        let (port, dialler) = (try Port(backlog: 0), try PeerTester(host: nil) { $0.limits.connectTimeout = 200 })
        let fillers = (0..<16).map { _ in
            socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        }
        defer { for filler in fillers { close(filler) } }
        for filler in fillers { _ = port.connect(filler) }
        dialler.transport.connect("127.0.0.1:\(port.number)")
        try turn(dialler) { !dialler.failed.isEmpty }
        #expect(dialler.events.count == 1 && dialler.transport.figures.connections == 0)
        #expect(dialler.reason(.unreachable)?.hasSuffix("no answer in time") == true)
    }

    @Test(arguments: [
        "", "localhost", "localhost:", "localhost:0", "localhost:65536", "127.0.0.1:x", "::1:80", "[::1]", "[::1:80",
        "a b:80", "256.1.1.1:80", "-a:80", "https://localhost:80",
    ])
    func noAddress(address: String) throws {
        let dialler = try PeerTester(host: nil)
        dialler.transport.connect(address)
        dialler.turn(milliseconds: 0)
        #expect(dialler.failed == [address] && dialler.reason(.unreachable) == "it is not HOST:PORT")
    }

    @Test func namesAreLookedUp() throws {
        let (dialler, listener) = (try PeerTester(host: nil), try PeerTester())
        dialler.transport.connect("localhost:\(listener.port)")
        try turn(dialler, listener) { dialler.opened.count == 1 && listener.opened.count == 1 }
        #expect(dialler.events.count == 1 && dialler.failed.isEmpty)
    }

    /// While a name is looked up, whether or not anybody answers for it, connections go on; then the dial has failed.
    @Test func namesThatDoNotResolve() throws {
        // The time to connect is for the names: of the connection it is the other end that dials.
        let (dialler, listener) = (try PeerTester { $0.limits.connectTimeout = 700 }, try PeerTester(host: nil))
        let (_, here) = try connected(listener, dialler)
        let names = (0..<3).map { "nobody-\($0).invalid:80" }
        for name in names { dialler.transport.connect(name) }
        var sent = 0
        try turn(dialler, listener) {
            if sent == listener.received.count, sent < 20 {
                dialler.transport.send(here, sampleFrame(sent))
                sent += 1
            }
            return dialler.failed.count == 3 && listener.received.count == 20
        }
        #expect(Set(dialler.failed) == Set(names) && dialler.opened.count == 1)
        #expect(dialler.notices.allSatisfy { $0.kind == .unreachable && names.contains($0.address) })
    }

    @Test func tooManyNamesAtOnce() throws {
        let dialler = try PeerTester(host: nil) { $0.limits.connectTimeout = 300 }
        for number in 0..<100 { dialler.transport.connect("nobody-\(number).invalid:80") }
        try turn(dialler) { dialler.failed.count == 100 }
        #expect(dialler.notices.contains { $0.reason.contains("cannot be looked up: too many") })
    }

    /// A name that no thread can be had for is not looked up, and costs none of those that can be.
    @Test func noThreadToBeHad() throws {
        let isBare = Atomic(true)
        let woken = DispatchSemaphore(value: 0)
        let resolver = PeerResolver(wake: { woken.signal() }) { body in
            !isBare.load(ordering: .acquiring) && PeerResolver.startThread(body)
        }
        for question in 0..<1000 as Range<UInt64> { #expect(!resolver.ask(question, host: "localhost", port: 80)) }
        isBare.store(false, ordering: .releasing)
        #expect(resolver.ask(1000, host: "localhost", port: 80))
        #expect(woken.wait(timeout: .now() + 30) == .success)
        #expect(resolver.takeAnswers().map(\.question) == [1000])
    }

    /// The kernel may give the dialling end the very port that it dials.
    @Test func aConnectionToItself() throws {
        let port = try Port(backlog: nil)
        #expect(port.connect(port.descriptor) == 0 || errno == EINPROGRESS)
        #expect(Deadline().wait(port.descriptor, for: POLLOUT))
        #expect(PeerTransport.isConnectedToItself(port.descriptor))
        let listener = try PeerTester()
        let client = try Client(port: listener.port, of: listener)
        #expect(!PeerTransport.isConnectedToItself(client.descriptor))
    }

    // MARK: Plaintext

    @Test(arguments: [
        ("127.0.0.1", true), ("127.255.0.9", true), ("::1", true), ("::ffff:127.0.0.1", true), ("10.0.0.1", false),
        ("0.0.0.0", false), ("128.0.0.1", false), ("::", false), ("::2", false), ("fe80::1", false),
        ("::ffff:10.0.0.1", false), ("127::1", false), ("::127.0.0.1", false),
    ])
    func loopback(text: String, isLoopback: Bool) throws {
        #expect(try #require(IPAddress(text.utf8)).isLoopback == isLoopback)
    }

    /// To 0.0.0.0 the system connects as to the own machine; it is no loopback address all the same.
    @Test(arguments: [false, true]) func plaintextIsDialledOnLoopbackAlone(isAllowed: Bool) throws {
        let dialler = try PeerTester(host: nil) { $0.allowsPlaintext = isAllowed }
        let listener = try PeerTester(host: "0.0.0.0") { $0.allowsPlaintext = isAllowed }
        let address = "0.0.0.0:\(listener.port)"
        dialler.transport.connect(address)
        try turn(dialler, listener) {
            !dialler.failed.isEmpty || listener.opened.count == 1 && dialler.opened.count == 1
        }
        #expect(dialler.failed == (isAllowed ? [] : [address]))
        #expect(dialler.transport.figures.refusedConnections == (isAllowed ? 0 : 1))
        #expect(dialler.notices.map(\.kind) == (isAllowed ? [] : [.plaintextRefused]))
    }

    /// An address of this machine that others reach too, if it has one.
    private static let outerAddress: String? = {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return nil }
        defer { freeifaddrs(first) }
        var next = first
        while let entry = next {
            next = entry.pointee.ifa_next
            guard let address = entry.pointee.ifa_addr, address.pointee.sa_family == AF_INET else { continue }
            let text = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                IPAddress(ipv4: UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
            }
            if !text.isLoopback { return text.description }
        }
        return nil
    }()

    @Test(.enabled(if: outerAddress != nil), arguments: [false, true])
    func plaintextIsAcceptedFromLoopbackAlone(isAllowed: Bool) throws {
        let listener = try PeerTester(host: "0.0.0.0") { $0.allowsPlaintext = isAllowed }
        let dialler = try PeerTester(host: nil) { $0.allowsPlaintext = true }
        dialler.transport.connect("\(Self.outerAddress!):\(listener.port)")
        try turn(dialler, listener) { isAllowed ? listener.opened.count == 1 : !dialler.closed.isEmpty }
        #expect(listener.opened.count == (isAllowed ? 1 : 0))
        #expect(listener.transport.figures.refusedConnections == (isAllowed ? 0 : 1))
        #expect((listener.reason(.plaintextRefused) == nil) == isAllowed)
        // From loopback the same listener takes it.
        let client = try Client(port: listener.port, of: listener)
        try turn(listener) { listener.opened.count == (isAllowed ? 2 : 1) }
        _ = client
    }
}
