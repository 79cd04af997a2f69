import Foundation
import Glibc
import Testing

extension NodeTests.Regions {
    /// A node whose data directory is not what it was: it takes a new incarnation, gets back all that others have, and what
    /// it wrote meanwhile is not lost.
    @Suite struct Losses {
        /// `isCutOff`: its peers cannot be reached when it starts, and links are made at it before they can.
        @Test(arguments: [false, true]) func wiped(isCutOff: Bool) throws {
            try lose(isCutOff) { cluster, links in
                cluster.stop(1)
                try cluster.create(50, into: &links)
                cluster.wipe(1)
            }
        }

        @Test(arguments: [false, true]) func restored(isCutOff: Bool) throws {
            try lose(isCutOff) { cluster, links in
                let backup = cluster.directory.path + "/backup"
                let made = try Finished(["backup", backup, "--server", cluster.node(1).adminURL])
                #expect(made.ending == .exited(0), "\(made.error)")
                try cluster.create(50, into: &links)
                try cluster.converge()
                cluster.stop(1)
                cluster.wipe(1)
                let restored = try Finished(["restore", backup, "--data", cluster.data(1)])
                #expect(restored.ending == .exited(0), "\(restored.error)")
            }
        }

        /// The directory as it was, file `identity` and all: nothing on this machine tells.
        @Test func rolledBack() throws { try lose(false, Self.rollBack) }

        /// And then it writes once more under numbers that its peers have already. That log has two versions for good: an
        /// alarm says so, and nothing else suffers. What either version made comes to all when buckets are compared, which
        /// have to be quiet for a minute: with `EDGE_LONG_TESTS=1` that is waited for.
        @Test func rolledBackAndForked() throws {
            let cluster = try Cluster()
            var (links, made) = (Links(), Links())
            try cluster.converge()
            try cluster.create(100, into: &links)
            try cluster.converge()
            let before = try cluster.node(1).standing.incarnation
            try Self.rollBack(cluster, &links)
            cluster.cutOff(1)
            let node = try cluster.start(1)
            #expect(try node.readiness == 503)
            try links.create(70, on: node)
            try cluster.mend(1)
            for other in [0, 2] {
                let line = try cluster.node(other).log.next("event=origin-quarantined")
                #expect(line.contains("cause=fork") && line.contains("origin=\(before)"), "\(line)")
            }
            #expect(try node.standing.incarnation != before)
            // What is made now is surely not everywhere yet when that begins to be waited for.
            cluster.setFaults { $0.delayMilliseconds = 40 }
            for author in cluster.indices {
                try cluster.create(50, at: [author], into: &made)
                try cluster.converge(withoutForked: before)
                for index in cluster.indices { try made.expect(on: cluster.node(index)) }
            }
            guard hasTimeForLongTests else { return }
            try cluster.wait("the records are the same", seconds: 400) {
                try Set(cluster.indices.map { try cluster.node($0).standing.digestRoot }).count == 1
            }
            links.add(made)
            for index in cluster.indices { try links.expect(on: cluster.node(index)) }
            try cluster.expectEqualStores()
        }

        private static func rollBack(_ cluster: Cluster, _ links: inout Links) throws {
            cluster.stop(1)
            let copy = try cluster.copy(1, to: "copy")
            try cluster.start(1)
            try cluster.create(50, into: &links)
            try cluster.converge()
            cluster.kill(1)
            try cluster.replace(1, by: copy)
        }

        private func lose(_ isCutOff: Bool, _ body: (Cluster, inout Links) throws -> Void) throws {
            let cluster = try Cluster()
            var links = Links()
            try cluster.converge()
            try cluster.create(100, into: &links)
            try cluster.converge()
            let before = try cluster.node(1).standing.incarnation
            try body(cluster, &links)
            if isCutOff { cluster.cutOff(1) }
            let node = try cluster.start(1)
            if isCutOff {
                #expect(try node.readiness == 503)
                try cluster.create(70, into: &links)
                try cluster.mend(1)
            }
            try cluster.converge()
            #expect(try cluster.node(1).standing.incarnation != before)
            let seals = try cluster.indices.map { try seal(of: before, at: cluster.node($0)) }
            #expect(Set(seals).count == 1 && seals[0] != nil, "\(seals)")
            try cluster.create(50, into: &links)
            try cluster.expectAll(links)
        }

        private func seal(of incarnation: String, at node: RunningNode) throws -> UInt64? {
            try node.standing.logs.first { $0.origin == incarnation }?.seal
        }
    }
}
