import Glibc
import Links
import Primitives
import Replication
import Server
import Store
import Testing

/// Somebody who speaks the protocol with a node of a cluster, byte by byte, and may know its secrets.
final class FalsePeer {
    private let client: Client
    private let secret: ClusterSecret
    private var reader = FrameReader()
    private var waiting: [(frame: Frame, request: UInt32)] = []
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
            run: .random(in: 1 ... .max), versions: 1...2, logFormat: StoreLimits.logFormat,
            nonce: .random(in: 1 ... .max),
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
    func send(_ frame: Frame, request: UInt32 = 0) throws { try client.send(frame.encoded(request: request)) }

    /// Sends what the node takes at once.
    func sendSome(_ bytes: [UInt8]) throws -> Int { try client.sendSome(bytes[...]) }

    /// The next frame; nil at the end of the connection.
    func receive() throws -> Frame? { try receiveRequest()?.frame }

    /// With its number.
    func receiveRequest() throws -> (frame: Frame, request: UInt32)? {
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

    private func frames(_ bytes: ArraySlice<UInt8>) throws -> [(frame: Frame, request: UInt32)] {
        var frames: [(frame: Frame, request: UInt32)] = []
        try Array(bytes).withUnsafeBytes { buffer in
            var rest = buffer.bytes
            while let bytes = try reader.take(&rest) {
                frames.append(try bytes.withUnsafeBytes { try Frame.decode($0.bytes, limit: WireLimits.payload) })
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

/// The log of a node that does not exist: entries as a program of the cluster would write them.
struct FalseLog {
    let origin: Origin
    private(set) var entries: [[UInt8]] = []
    /// After each entry; the first one is before all.
    private var chains: [[UInt8]]
    private let hasher = SHA256Hasher()
    private var stamp = UInt64(time(nil)) * 1000 << 16

    init(of origin: Origin) {
        self.origin = origin
        var name = Array("edge log".utf8)
        origin.encode(into: &name)
        chains = [Array(hasher.hash(name).prefix(16))]
    }

    /// A link, as an import makes it.
    mutating func add(alias: String, _ destination: String) { add(.alias(Array(alias.utf8)), destination) }

    mutating func add(_ link: LinkKey, _ destination: String) {
        var (key, value, entry): ([UInt8], [UInt8], [UInt8]) = ([], [], [])
        link.encode(into: &key)
        var body = LinkBody()
        body.destination = Array(destination.utf8)
        body.encode(into: &value)
        stamp += 1
        LogEntry(
            kind: LogEntry.Kind.link, sequence: UInt64(entries.count) + 1, stamp: stamp, key: key, value: value
        ).encode(into: &entry)
        entries.append(entry)
        chains.append(Array(hasher.hash(chains.last!, entry).prefix(16)))
    }

    private func chain(_ index: Int) -> Chain { Chain(rawValue: chains[index].reduce(0) { $0 << 8 | UInt128($1) }) }

    /// What a peer tells of it.
    var row: OriginState {
        var row = OriginState(origin: origin)
        (row.head, row.stamp, row.chain) = (UInt64(entries.count), Stamp(rawValue: stamp), chain(entries.count))
        return row
    }

    /// All of it. `damaging`: a bit of that entry is flipped.
    func frame(damaging index: Int? = nil) -> Entries {
        var bytes: [UInt8] = []
        for (place, entry) in entries.enumerated() {
            var entry = entry
            if place == index { entry[entry.count - 1] ^= 1 }
            bytes.append(lengthPrefixed: entry)
        }
        return Entries(
            origin: origin, first: 1, chainBefore: chain(0), chainAfter: chain(entries.count), count: entries.count,
            bytes: bytes)
    }
}
