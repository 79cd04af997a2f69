import Glibc
import Links
import Primitives
import Replication
import Testing

extension NodeTests.Regions {
    /// Somebody who has the secrets and does not keep to the protocol.
    @Suite struct FalsePeers {
        private let memoryBytes = 32 << 20

        /// A cluster of which only node 0 runs, with links; the others' ids are free.
        private func alone(_ links: inout Links) throws -> Cluster {
            let cluster = try Cluster(starts: false)
            try cluster.start(0)
            try links.create(2000, on: cluster.node(0))
            return cluster
        }

        private func member(_ cluster: Cluster, secret: String = Cluster.secret("cluster")) throws -> FalsePeer {
            let peer = try FalsePeer(of: cluster, to: 0, secret: secret)
            peer.hello.secretCheck = try FalsePeer.greeting(of: cluster, 0).secretCheck
            return peer
        }

        @Test func aProofIsBelieved() throws {
            var links = Links()
            let cluster = try alone(&links)
            let state = try member(cluster).join()
            #expect(state.rows.contains { $0.origin.region == UInt8(ascii: "1") && $0.head >= 2000 })
            #expect(try !member(cluster, secret: Cluster.secret("guess")).introduce())
        }

        /// Wants all there is, takes none of it, and says that it lives: it is closed, and costs no more than its queue.
        @Test func neverReads() throws {
            var links = Links()
            let cluster = try alone(&links)
            let node = cluster.node(0)
            // More than the system's buffers of one connection take.
            try links.create(5000, on: node, path: String(repeating: "a", count: 1900))
            let before = try node.child.privateBytes
            let peer = try member(cluster)
            _ = try peer.join(credit: .max)
            // Its own frames are taken for as long as it is not closed.
            let life = Heads(wall: peer.hello.wall, sent: 1, echo: 0, held: 0, rows: [])
            var most = 0
            try cluster.wait("it is closed") {
                most = max(most, try node.child.privateBytes)
                if (try? peer.send(.heads(life))) == nil { return true }
                node.log.gather()
                return node.log.seen.contains {
                    $0.contains("event=peer-stalled") || $0.contains("event=peer-queue-full")
                }
            }
            #expect(most - before < memoryBytes, "\(most - before) bytes")
            try links.expect(on: node)
        }

        private static let violations: [(name: String, bytes: [UInt8])] = {
            func header(_ type: FrameType, _ length: UInt32) -> [UInt8] {
                var bytes: [UInt8] = [FrameHeader.version, type.rawValue, 0, 0]
                bytes.append(bigEndian: length)
                bytes.append(bigEndian: UInt64(0))
                return bytes
            }
            return [
                ("beyond 1 MiB", header(.entries, 1 << 20 + 1)), ("4 GiB", header(.snapshotChunk, .max)),
                ("wrong sum", header(.heads, 26) + [UInt8](repeating: 3, count: 26)),
                ("a second HELLO", Frame.auth(Auth(mac: [UInt8](repeating: 0, count: 32))).encoded()),
                ("a state again", Frame.state(PeerState(credit: 0, rows: [])).encoded()),
                ("less credit", Frame.ack(Ack(credit: 0, rows: [])).encoded()),
            ]
        }()

        /// Each ends its connection, and leaves nothing behind.
        @Test func violations() throws {
            var links = Links()
            let cluster = try alone(&links)
            let node = cluster.node(0)
            let root = try node.standing.digestRoot
            let before = try node.child.privateBytes
            for _ in 0..<10 {
                for violation in Self.violations {
                    let peer = try member(cluster)
                    _ = try peer.join()
                    try? peer.send(violation.bytes)
                    let frames = try peer.rest()
                    #expect(!frames.contains { $0.type == .hello }, "\(violation.name)")
                }
            }
            #expect(try node.child.privateBytes - before < memoryBytes)
            #expect(try node.standing.digestRoot == root)
            try links.expect(on: node)
        }
    }
}
