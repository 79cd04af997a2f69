import Glibc
import Primitives
import Replication
import Server
import lab

/// A transport with what came of it; turned by the test's own thread.
final class PeerTester {
    let transport: PeerTransport
    private(set) var events: [Event] = []
    private(set) var notices: [TransportNotice] = []
    /// Says of each connection at once that its peer is authenticated.
    var authenticates = false

    /// Listens on a free port of `host`.
    init(
        host: String? = "127.0.0.1", tls: TLSContext? = nil, cluster: String = "prod",
        _ change: (inout PeerTransportSettings) -> Void = { _ in }
    ) throws {
        var settings = PeerTransportSettings(listen: host.map { ListenAddress(host: $0, port: 0) }, tls: tls)
        settings.cluster = cluster
        settings.regions = ["eu": UInt8(ascii: "2"), "us": UInt8(ascii: "1")]
        change(&settings)
        transport = try PeerTransport(settings)
    }

    var address: String { transport.address!.description }
    var port: UInt16 { transport.address!.port }

    func turn(milliseconds: Int64 = 2) {
        let start = events.count
        transport.wait(untilTicks: Deadline.now + milliseconds, into: &events)
        notices += transport.takeNotices()
        guard authenticates else { return }
        for case .opened(let id, _, _, _) in events[start...] { transport.authenticated(id) }
    }

    // MARK: What came

    var opened: [ConnectionID] {
        events.compactMap { if case .opened(let id, _, _, _) = $0 { id } else { nil } }
    }
    var certified: [NodeID?] {
        events.compactMap { if case .opened(_, _, _, let node) = $0 { node } else { nil } }
    }
    var closed: [ConnectionID] { events.compactMap { if case .closed(let id) = $0 { id } else { nil } } }
    var failed: [String] { events.compactMap { if case .connectFailed(let address) = $0 { address } else { nil } } }
    var received: [[UInt8]] { events.compactMap { if case .received(_, let bytes) = $0 { bytes } else { nil } } }
    func received(_ id: ConnectionID) -> [[UInt8]] {
        events.compactMap { if case .received(id, let bytes) = $0 { bytes } else { nil } }
    }
    func reason(_ kind: TransportNotice.Kind) -> String? { notices.first { $0.kind == kind }?.reason }
}

/// Turns all of them until it is so.
func turn(_ testers: PeerTester..., until isSo: () throws -> Bool) throws {
    let deadline = Deadline()
    while try !isSo() {
        guard !deadline.isOver else {
            throw HarnessError("it did not come to that: \(testers.map { "\($0.events.suffix(5)) \($0.notices)" })")
        }
        for tester in testers { tester.turn() }
    }
}

/// Two testers and a connection between them, open on both sides.
func connected(
    _ dialler: PeerTester, _ listener: PeerTester, authenticated: Bool = true, through proxy: FaultProxy? = nil
) throws -> (ConnectionID, ConnectionID) {
    let (before, beforeThere) = (dialler.opened.count, listener.opened.count)
    dialler.transport.connect(proxy?.address.description ?? listener.address)
    try turn(dialler, listener) { dialler.opened.count > before && listener.opened.count > beforeThere }
    let (here, there) = (dialler.opened.last!, listener.opened.last!)
    if authenticated {
        dialler.transport.authenticated(here)
        listener.transport.authenticated(there)
    }
    return (here, there)
}

/// A whole frame with a payload of so many random bytes; of no meaning, but with a header that can be accepted.
func sampleFrame(_ payloadBytes: Int, _ random: inout SeededRandom) -> [UInt8] {
    var bytes: [UInt8] = [FrameHeader.version, FrameType.heads.rawValue, 0, 0]
    bytes.append(bigEndian: UInt32(payloadBytes))
    bytes.append(bigEndian: UInt64.random(in: 0 ... .max, using: &random))
    bytes += (0..<payloadBytes / 8).flatMap { _ in withUnsafeBytes(of: random.next()) { Array($0) } }
    return bytes + [UInt8](repeating: 7, count: payloadBytes % 8)
}

func sampleFrame(_ payloadBytes: Int) -> [UInt8] {
    var random = SeededRandom(seed: UInt64(payloadBytes))
    return sampleFrame(payloadBytes, &random)
}
