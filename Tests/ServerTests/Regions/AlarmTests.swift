import Foundation
import Glibc
import Links
import Primitives
import Store
import Synchronization
import Testing

@testable import Replication

extension NodeTests.Regions {
    /// Alarms that a disk or a peer can cause: each has its line in the log and its counter, and the nodes come to what
    /// the protocol says. The others are provoked where their causes are: forks in `Losses`, for example.
    @Suite struct Alarms {
        /// The disk was put back: a new life, and nothing that the old one or the peers had is lost.
        @Test func incarnationInDoubt() throws {
            let cluster = try Cluster()
            var links = Links()
            try cluster.create(50, into: &links)
            try cluster.converge()
            let before = try cluster.node(1).standing.incarnation
            cluster.stop(1)
            let copy = try cluster.copy(1, to: "copy")
            try cluster.start(1)
            try cluster.create(50, into: &links)
            try cluster.converge()
            cluster.kill(1)
            try cluster.replace(1, by: copy)
            let node = try cluster.start(1)
            _ = try node.log.next("level=error event=incarnation-in-doubt")
            _ = try node.log.next("event=alarm-cleared alarm=incarnation-in-doubt")
            try cluster.converge()
            let standing = try node.standing
            #expect(standing.incarnation != before && standing.alarms == [])
            try node.expectAlarm("incarnation-in-doubt", raised: 1, active: 0)
            try cluster.create(20, into: &links)
            try cluster.expectAll(links)
        }

        /// An entry that comes damaged is not applied; when it comes sound it is, and the alarm goes.
        @Test func damagedEntry() throws {
            let cluster = try Cluster(starts: false)
            let node = try cluster.start(0)
            let peer = try FalsePeer(of: cluster, to: 0)
            peer.hello.secretCheck = try FalsePeer.greeting(of: cluster, 0).secretCheck
            var log = FalseLog(of: peer.hello.origin)
            for number in 0..<3 { log.add(alias: "given-\(number)", "https://example.com/\(number)") }
            _ = try peer.join(rows: [log.row])
            try peer.send(.entries(log.frame(damaging: 1)))
            let line = try node.log.next("level=error event=damaged-entry")
            #expect(line.contains("origin=\(log.origin)") && line.contains("peer=3/0"), "\(line)")
            try node.expectAlarm("damaged-entry", raised: 1, active: 1)
            for number in 0..<3 { #expect(try node.connect().get("/given-\(number)").status == 404) }
            try peer.send(.entries(log.frame()))
            _ = try node.log.next("event=alarm-cleared alarm=damaged-entry")
            try node.expectAlarm("damaged-entry", raised: 1, active: 0)
            for number in 0..<3 { #expect(try node.connect().get("/given-\(number)").status == 302) }
            #expect(node.stop() == .exited(0))
            let verdict = try Finished(["verify", "--data", cluster.data(0)])
            #expect(verdict.ending == .exited(0), "\(verdict.output)")
        }

        /// `edge verify` names the place. What a node cannot give of a log for damage in its store is got with a snapshot or
        /// elsewhere; its own records do not suffer, and the log is cut there.
        @Test func damagedLog() throws {
            let cluster = try Cluster()
            var links = Links()
            try cluster.create(20, into: &links)
            try cluster.converge()
            let origin = try cluster.node(1).standing.incarnation
            cluster.stop(2)
            try cluster.create(20, at: [1], into: &links)
            try cluster.converge()
            cluster.stop(0)
            cluster.stop(1)
            let sequence = try damageLastEntry(of: origin, in: cluster.data(0))
            let damaged = try Finished(["verify", "--data", cluster.data(0)])
            #expect(damaged.ending == .exited(1), "\(damaged.output)")
            #expect(damaged.output.contains("log of \(origin): the chain breaks at entry \(sequence)"))

            let node = try cluster.start(0)
            try cluster.start(2)
            let line = try node.log.next("level=error event=damaged-log")
            #expect(line.contains("origin=\(origin)"), "\(line)")
            _ = try node.log.next("event=alarm-cleared alarm=damaged-log")
            try node.expectAlarm("damaged-log", raised: 1, active: 0)
            try links.expect(on: node)
            try cluster.start(1)
            try cluster.converge()
            for index in cluster.indices { try links.expect(on: cluster.node(index)) }

            cluster.stopAll()
            for index in cluster.indices {
                let verdict = try Finished(["verify", "--data", cluster.data(index)])
                #expect(verdict.ending == .exited(0), "\(index): \(verdict.output)")
            }
            let dumps = try cluster.indices.map { try Finished(["dump", "--data", cluster.data($0)]) }
            #expect(dumps.allSatisfy { $0.ending == .exited(0) && $0.output == dumps[0].output })
        }

        /// Flips a bit of an origin's newest entry in a stopped node's file, wherever a page has it. Its sequence.
        private func damageLastEntry(of origin: String, in data: String) throws -> UInt64 {
            let (sequence, row) = try Self.withStore(data) { peer in
                let position = try #require(peer.store.vector.first { "\($0.origin)" == origin })
                let batch = try peer.store.logBatch(position.origin, from: position.head).get()
                return (position.head, Data(batch.chain + batch.entries[0]))
            }
            let file = URL(filePath: data + "/data.mdb")
            var bytes = try Data(contentsOf: file)
            var (count, start) = (0, bytes.startIndex)
            while let place = bytes.range(of: row, in: start..<bytes.endIndex) {
                bytes[place.upperBound - 1] ^= 1
                (count, start) = (count + 1, place.upperBound)
            }
            #expect(count > 0)
            try bytes.write(to: file)
            return sequence
        }

        private static func withStore<Result>(
            _ data: String, now: Instant = Instant(milliseconds: Int64(time(nil)) * 1000),
            tell: @escaping @Sendable (Event) -> Void = { _ in }, _ body: (PeerStore) throws -> Result
        ) throws -> Result {
            var settings = try StoreSettings(of: data, now: { now }, mustEnd: { fatalError($0) })
            settings.hasThreads = false
            let peer = try PeerStore(settings, tell: tell)
            defer { peer.store.close() }
            return try body(peer)
        }

        /// A node whose place was given up is told so, goes on with redirects, and nobody takes anything of it.
        @Test func retired() throws {
            let cluster = try Cluster(2)
            var (links, alone) = (Links(), Links())
            try cluster.create(20, into: &links)
            try cluster.converge()
            let (origin, node) = (try cluster.node(1).standing.incarnation, cluster.node(0))
            let order = try Finished(["cluster", "retire", "eu/0", "--server", node.adminURL])
            #expect(order.ending == .exited(0), "\(order.error)")
            let gone = cluster.node(1)
            _ = try gone.log.next("level=error event=retired")
            try gone.expectAlarm("retired", raised: 1, active: 1)
            try links.expect(on: gone)
            // The same after a restart, and what it makes stays there.
            cluster.stop(1)
            let again = try cluster.start(1)
            try cluster.wait("it says so again") {
                again.log.seen.contains { $0.contains("level=error event=retired") }
            }
            try alone.create(5, on: again)
            try again.expectAlarm("retired", raised: 1, active: 1)
            let head = try again.standing.logs.first { $0.origin == origin }!.head
            let rejections = try node.metric("edge_replication_rejections_total")
            try cluster.wait("it was turned away some times") {
                try node.metric("edge_replication_rejections_total") >= rejections + 4
            }
            #expect(try node.standing.logs.first { $0.origin == origin }!.head < head)
            for code in alone.destinations.keys { #expect(try node.connect().get("/\(code)").status == 404) }
            #expect(try node.standing.peers.allSatisfy { !$0.connected })
            try links.expect(on: again)
            try alone.expect(on: again)
        }

        /// A record that no log tells of: nodes with equal logs find it when they compare, a minute after their start, and
        /// the rule of the winner makes them equal.
        @Test(.enabled(if: hasTimeForLongTests)) func diverged() throws {
            let cluster = try Cluster(2)
            var links = Links()
            try cluster.create(20, into: &links)
            try cluster.converge()
            cluster.stop(1)
            let author = try addRecord(alias: "from-nowhere", "https://example.com/nowhere", to: cluster.data(1))
            #expect(try cluster.node(0).connect().get("/from-nowhere").status == 404)
            let node = try cluster.start(1)
            #expect(try node.connect().get("/from-nowhere").status == 302)
            // It compares first, because it started first; for the other there is nothing left to find.
            let finder = cluster.node(0)
            try cluster.wait("node 0 has repaired it", seconds: 150) {
                try finder.metric("edge_replication_repaired_records_total") > 0
            }
            let line = try finder.log.next("level=error event=diverged")
            #expect(line.contains("bucket="), "\(line)")
            try finder.expectAlarm("diverged", raised: 1, active: 1)
            for (name, count) in [("buckets", 1.0), ("records", 1.0)] {
                #expect(try finder.metric("edge_replication_repaired_\(name)_total") == count)
            }
            try cluster.converge()
            #expect(try cluster.node(0).connect().get("/from-nowhere")["location"] == "https://example.com/nowhere")
            #expect(author.region == UInt8(ascii: "1"))
            try cluster.expectAll(links)
        }

        /// Into a stopped node's store, as a repair would: with its digest and without a log entry, an hour ago. Who is
        /// said to have written it.
        private func addRecord(alias: String, _ destination: String, to data: String) throws -> Origin {
            let past = Instant(milliseconds: Int64(time(nil)) * 1000 - 3_600_000)
            let told = Mutex<[Event]>([])
            return try Self.withStore(data, now: past, tell: { event in told.withLock { $0.append(event) } }) { peer in
                let author = try #require(peer.store.vector.first { $0.origin.region == UInt8(ascii: "1") }).origin
                var (key, value): ([UInt8], [UInt8]) = ([], [])
                LinkKey.alias(Array(alias.utf8)).encode(into: &key)
                var body = LinkBody()
                body.destination = Array(destination.utf8)
                body.encode(into: &value)
                // A record as peers send it.
                var record: [UInt8] = [LogEntry.Kind.link]
                record.append(lengthPrefixed: key)
                record.append(bigEndian: UInt64(past.milliseconds) << 16)
                author.encode(into: &record)
                record.append(lengthPrefixed: value)
                _ = peer.perform(.merge(ConnectionID(rawValue: 1), record, reference: past))
                peer.store.turn()
                // Its writer's log is here further than that.
                let merged = Event.merged(ConnectionID(rawValue: 1), changed: 1, missed: 1)
                #expect(told.withLock { $0.contains(merged) })
                return author
            }
        }
    }
}
