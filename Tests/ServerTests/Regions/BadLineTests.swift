import Glibc
import Primitives
import Testing
import lab

extension NodeTests.Regions {
    /// Lines that do what TCP promises not to: say bytes twice, turn bits over, and say again what was said before.
    @Suite struct BadLines {
        private static let memoryBytes = 32 << 20
        private static let recordedBytes = 64 << 10
        private static let openings = 4
        private static let faults = 20

        private func proxies(_ cluster: Cluster) -> [FaultProxy] {
            cluster.indices.flatMap { here in
                cluster.indices.filter { $0 != here }.map { cluster.proxy(from: here, to: $0) }
            }
        }

        private func isSeen(_ log: Lines) -> Bool {
            log.seen.contains { line in ["malformed", "violation", "handshake-failed"].contains { line.contains($0) } }
        }

        @Test(arguments: [false, true]) func twiceAndTurnedOver(hasCertificates: Bool) throws {
            let cluster = try Cluster(hasCertificates: hasCertificates)
            let loads = cluster.indices.map { LinkLoad(cluster, at: $0, perSecond: 400) }
            try cluster.wait("some links") { loads.allSatisfy { $0.count >= 100 } }
            let before = try cluster.indices.map { try cluster.node($0).child.privateBytes }
            cluster.setFaults { ($0.duplicates, $0.flips) = (0.02, 2e-5) }
            try cluster.wait("some of each") {
                let figures = proxies(cluster).map(\.figures)
                return figures.reduce(0) { $0 + $1.duplicated.reduce(0, +) } >= Self.faults
                    && figures.reduce(0) { $0 + $1.flipped.reduce(0, +) } >= Self.faults
            }
            cluster.setFaults { ($0.duplicates, $0.flips) = (0, 0) }
            let goals = loads.map { $0.count + 50 }
            try cluster.wait("some links more") { zip(loads, goals).allSatisfy { $0.count >= $1 } }
            var links = Links()
            for load in loads { links.add(load.stop()) }
            try cluster.converge()
            // No sum of a frame, and no record of TLS, was right by chance.
            for index in cluster.indices { cluster.node(index).log.gather() }
            #expect(cluster.indices.contains { isSeen(cluster.node($0).log) })
            for index in cluster.indices {
                let grown = try cluster.node(index).child.privateBytes - before[index]
                #expect(grown < Self.memoryBytes, "\(grown) bytes")
                #expect(try cluster.node(index).standing.alarms == [])
            }
            try cluster.expectAll(links)
        }

        /// What a member said on its connections, from HELLO to the links that it made, is said again: whole, and cut
        /// anywhere. It does not come as far as a proof, and changes nothing.
        @Test(arguments: [11] as [UInt64]) func saidAgain(seed: UInt64) throws {
            print("seed \(seed)")
            var random = SeededRandom(seed: seed)
            let cluster = try Cluster(starts: false)
            let lines = proxies(cluster)
            for proxy in lines { proxy.record(atMost: Self.recordedBytes) }
            for index in cluster.indices { try cluster.start(index) }
            var links = Links()
            for _ in 0..<Self.openings {
                try cluster.create(50, into: &links)
                try cluster.converge()
                for proxy in lines { proxy.reset() }
            }
            try cluster.converge()
            let root = try cluster.node(0).standing.digestRoot
            let earlier = try rejections(cluster)
            let before = try cluster.indices.map { try cluster.node($0).child.privateBytes }
            var count = 0
            for proxy in lines {
                for recording in proxy.recordings where !recording.isEmpty {
                    for length in [recording.count, .random(in: 1...recording.count, using: &random)] {
                        let number = proxy.replay(Array(recording[..<length]))
                        count += 1
                        // Of a cut one the end is that of its time, which nobody waits for.
                        guard length == recording.count else { continue }
                        try cluster.wait("the node has closed it") { proxy.replay(number).isOver }
                        // HELLO and REJECT, and not what is held.
                        #expect(proxy.replay(number).answer.count < 1024, "seed \(seed)")
                    }
                }
            }
            #expect(count >= 2 * Self.openings, "seed \(seed)")
            let later = try rejections(cluster)
            #expect(later > earlier, "seed \(seed)")
            try cluster.converge()
            for index in cluster.indices {
                let (node, standing) = (cluster.node(index), try cluster.node(index).standing)
                #expect(standing.digestRoot == root && standing.alarms == [], "seed \(seed)")
                #expect(try node.child.privateBytes - before[index] < Self.memoryBytes)
            }
            try cluster.expectAll(links)
        }

        private func rejections(_ cluster: Cluster) throws -> Double {
            try cluster.indices.reduce(0) {
                try $0 + cluster.node($1).metric("edge_replication_rejections_total")
            }
        }
    }
}
