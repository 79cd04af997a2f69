import Glibc
import Links
import Primitives
import Replication
import Server
import Testing

/// Somebody who speaks the protocol with a node of a cluster, byte by byte, and may know its secrets.
final class FalsePeer {
    private let client: Client
    private let secret: ClusterSecret
    private var reader = FrameReader()
    private var waiting: [Frame] = []
    var hello: Hello

    /// `region`: whose node 0 it says that it is.
    init(of cluster: Cluster, to index: Int, as region: Character = "3", secret: String = Cluster.secret("cluster"))
        throws
    {
        let node = cluster.node(index)
        client = try Client(port: node.replicationPort, of: node, receiveBytes: 16 << 10)
        self.secret = ClusterSecret(Array(secret.utf8))
        hello = Hello(
            cluster: Array("default".utf8),
            origin: Origin(region: region.asciiValue!, node: 0, incarnation: .random(in: 1 ... .max)),
            run: .random(in: 1 ... .max), versions: 1...1, logFormat: 1, nonce: .random(in: 1 ... .max),
            wall: Instant(milliseconds: Int64(time(nil)) * 1000),
            secretCheck: 0, epoch: 1,
            regions: cluster.indices.map {
                Hello.Region(character: UInt8(ascii: "1") + UInt8($0), name: Array(Cluster.regions[$0].utf8))
            })
        reader.limit = WireLimits.payload
    }

    /// The node's own HELLO, which it shows to anybody: what it says of the code secret can be repeated.
    static func greeting(of cluster: Cluster, _ index: Int) throws -> Hello {
        let stranger = try FalsePeer(of: cluster, to: index)
        try stranger.send(.hello(stranger.hello))
        guard case .hello(let hello)? = try stranger.receive() else { throw HarnessError("no HELLO") }
        return hello
    }

    func send(_ bytes: [UInt8]) throws { try client.send(bytes) }
    func send(_ frame: Frame) throws { try client.send(frame.encoded()) }

    /// Sends what the node takes at once.
    func sendSome(_ bytes: [UInt8]) throws -> Int { try client.sendSome(bytes[...]) }

    /// The next frame; nil at the end of the connection.
    func receive() throws -> Frame? {
        let deadline = Deadline()
        while waiting.isEmpty {
            guard deadline.wait(client.descriptor, for: POLLIN) else { throw HarnessError("the node says nothing") }
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let count = recv(client.descriptor, &bytes, bytes.count, 0)
            if count <= 0 { return nil }
            waiting += try frames(bytes[..<count])
        }
        return waiting.removeFirst()
    }

    private func frames(_ bytes: ArraySlice<UInt8>) throws -> [Frame] {
        var frames: [Frame] = []
        try Array(bytes).withUnsafeBytes { buffer in
            var rest = buffer.bytes
            while let bytes = try reader.take(&rest) {
                frames.append(try bytes.withUnsafeBytes { try Frame.decode($0.bytes, limit: WireLimits.payload).0 })
            }
        }
        return frames
    }

    /// Frames up to the end of the connection.
    func rest() throws -> [Frame] {
        var frames: [Frame] = []
        while let frame = try receive() { frames.append(frame) }
        return frames
    }

    /// Up to the proof; whether the node believed it.
    func introduce() throws -> Bool {
        try send(.hello(hello))
        guard case .hello(let other)? = try receive() else { return false }
        var (own, theirs): ([UInt8], [UInt8]) = ([], [])
        hello.encode(into: &own)
        other.encode(into: &theirs)
        // As `Proof` has it.
        var message = Array("edge replication".utf8) + [Role.dialler.rawValue]
        for hello in [own, theirs] { message.append(lengthPrefixed: hello) }
        try send(.auth(Auth(mac: secret.proof.mac(message))))
        guard case .auth? = try receive() else { return false }
        return true
    }

    /// And up to the stream; the node's STATE. `credit`: what it may send.
    func join(credit: UInt64 = 4 << 20, rows: [OriginState] = []) throws -> PeerState {
        guard try introduce() else { throw HarnessError("the proof is not believed") }
        let answer = try receive()
        guard case .state(let state)? = answer else { throw HarnessError("turned away: \(String(describing: answer))") }
        try send(.state(PeerState(credit: credit, rows: rows)))
        return state
    }
}
