import Foundation
import Glibc
import Links
import Primitives
import Store
import Testing

extension NodeTests.Regions {
    /// Programs of two log formats in one cluster: the present one, and one that reads one format more.
    @Suite struct Upgrades {
        private static let present = [edgeBinary, "serve"]
        private static let later = [
            URL(filePath: edgeBinary).deletingLastPathComponent().appending(path: "lab").path(), "later-node",
        ]
        private let first = StoreLimits.logFormat
        private let next = StoreLimits.logFormat + 1

        /// One after the other gets the later program, and one goes back in between, all of them under writes. Only when all
        /// have it the later format is written; from then on none goes back, and the refusal loses nothing.
        @Test func oneByOneAndBack() throws {
            let cluster = try Cluster()
            try cluster.converge()
            let loads = cluster.indices.map { LinkLoad(cluster, at: $0, perSecond: 160) }
            try cluster.wait("all are written to") { loads.allSatisfy { $0.count >= 50 } }
            try change(cluster, 0, to: Self.later, reads: [next, first, first])
            try change(cluster, 1, to: Self.later, reads: [next, next, first])
            try change(cluster, 0, to: Self.present, reads: [first, next, first])
            try change(cluster, 0, to: Self.later, reads: [next, next, first])
            // Who has just started writes the first one of all until it knows the others.
            try cluster.wait("all write the present format") {
                try cluster.indices.allSatisfy { try cluster.node($0).standing.logFormat == first }
            }

            cluster.stop(2)
            let mixed = try heads(cluster)
            try change(cluster, 2, to: Self.later, reads: [next, next, next])
            try cluster.wait("all write the later format") {
                try cluster.indices.allSatisfy { try cluster.node($0).standing.logFormat == next }
            }
            for index in cluster.indices { _ = try cluster.node(index).log.next("event=log-format written=\(next)") }
            // What was queued before is answered before.
            var links = Links()
            try cluster.create(1, into: &links)
            let whole = try heads(cluster)
            try cluster.create(50, into: &links)
            for load in loads { links.add(load.stop()) }
            try cluster.converge()
            for index in cluster.indices { #expect(try cluster.node(index).standing.alarms == []) }

            try expectNoWayBack(cluster, &links)
            for index in cluster.indices { try links.expect(on: cluster.node(index)) }
            try expectEqualStores(cluster)
            for index in cluster.indices {
                for (origin, formats) in try formats(cluster, index) {
                    let last = formats.count
                    let early = formats.prefix(Int(mixed[origin] ?? 0))
                    #expect(early.allSatisfy { $0 <= UInt8(first) }, "\(origin) at \(index)")
                    let late = formats.dropFirst(Int(whole[origin] ?? .max))
                    #expect(late.allSatisfy { $0 == UInt8(next) }, "\(origin) at \(index): \(late.count) of \(last)")
                    if whole[origin] != nil { #expect(early.count > 0 && late.count >= 50, "\(origin) at \(index)") }
                }
            }
        }

        /// A node with the present program on its store, and on none.
        private func expectNoWayBack(_ cluster: Cluster, _ links: inout Links) throws {
            cluster.stop(0)
            let refusal = "log entries of format \(next)"
            let data = ["--data", cluster.data(0)]
            let serve = try Finished(["serve", "--listen", "127.0.0.1:0"] + data + cluster.arguments(0))
            #expect(serve.ending == .exited(1))
            #expect(serve.error.contains("event=start-failed") && serve.error.contains(refusal), "\(serve.error)")
            for command in ["verify", "dump"] {
                let run = try Finished([command] + data)
                #expect(run.ending == .exited(1) && run.error.contains(refusal), "\(command): \(run.error)")
            }
            // The others go on meanwhile.
            try cluster.create(20, into: &links)
            let kept = try cluster.copy(0, to: "kept")
            cluster.wipe(0)
            cluster.programs[0] = Self.present
            let node = try cluster.start(0)
            let line = try node.log.next("event=peer-rejected")
            #expect(line.contains("reason=logFormat"), "\(line)")
            _ = try cluster.node(1).log.next("rejected: logFormat")
            #expect(try node.readiness == 503)
            cluster.kill(0)
            try cluster.replace(0, by: kept)
            cluster.programs[0] = Self.later
            try cluster.start(0)
            // Until it has what the others have it writes what everybody reads.
            try cluster.wait("it knows all members") { try cluster.node(0).standing.logFormat == next }
            try cluster.create(20, into: &links)
            try cluster.converge()
        }

        /// A node that comes new with the later program does not know yet who is there: what it writes all can read.
        @Test func newNodeOfTheLaterProgram() throws {
            let cluster = try Cluster(starts: false)
            var links = Links()
            try cluster.start(0)
            try cluster.start(1)
            try cluster.create(50, into: &links)
            cluster.programs[2] = Self.later
            cluster.cutOff(2)
            try cluster.start(2)
            // Codes of its own before it has met anybody.
            try cluster.create(50, into: &links)
            try cluster.mend(2)
            try cluster.converge()
            try cluster.create(50, into: &links)
            try cluster.converge()
            for index in cluster.indices {
                let standing = try cluster.node(index).standing
                #expect(standing.logFormat == first && standing.alarms == [])
            }
            // The first format is what is there, so the present program can read all of it.
            try cluster.expectAll(links)
        }

        // MARK: Steps

        /// Another program takes a node's store, if that runs after a stop; then all know what it reads.
        private func change(_ cluster: Cluster, _ index: Int, to program: [String], reads: [UInt16]) throws {
            if cluster.running.contains(index) { cluster.stop(index) }
            cluster.programs[index] = program
            try cluster.start(index)
            try cluster.wait("all know that formats \(reads) are read") {
                try cluster.running.allSatisfy {
                    let members = try cluster.node($0).standing.members.sorted { $0.node < $1.node }
                    return members.map(\.logFormat) == reads
                }
            }
        }

        /// Of all logs, the highest that a running node has.
        private func heads(_ cluster: Cluster) throws -> [String: UInt64] {
            var heads: [String: UInt64] = [:]
            for index in cluster.running {
                for log in try cluster.node(index).standing.logs where log.head > 0 {
                    heads[log.origin] = max(heads[log.origin] ?? 0, log.head)
                }
            }
            return heads
        }

        /// As `Cluster.expectEqualStores`, which has the present program look.
        private func expectEqualStores(_ cluster: Cluster) throws {
            cluster.stopAll()
            let now = Instant(milliseconds: Int64(time(nil)) * 1000)
            let dumps = try cluster.indices.map { index in
                let data = cluster.data(index)
                #expect(try StoreInspection(directory: data, knownLogFormat: next).problems == [], "\(index)")
                var lines: [UInt8] = []
                let damaged = try dumpStore(directory: data, now: now, knownLogFormat: next) { part in
                    lines += part
                    return true
                }
                #expect(damaged == [], "\(index)")
                return lines
            }
            #expect(Set(dumps).count == 1)
        }

        /// By origin, of all entries that a stopped node has.
        private func formats(_ cluster: Cluster, _ index: Int) throws -> [String: [UInt8]] {
            let now = Instant(milliseconds: Int64(time(nil)) * 1000)
            var settings = try StoreSettings(
                of: cluster.data(index), logFormat: next, now: { now }, mustEnd: { fatalError($0) })
            settings.hasThreads = false
            let store = try Store(settings)
            defer { store.close() }
            var formats: [String: [UInt8]] = [:]
            for position in store.vector where position.head > 0 {
                #expect(position.floor == 0)
                var entries: [[UInt8]] = []
                while entries.count < position.head {
                    entries += try store.logBatch(position.origin, from: UInt64(entries.count) + 1).get().entries
                }
                formats["\(position.origin)"] = try entries.map { try LogEntry(decoding: $0.span.bytes).format }
            }
            return formats
        }
    }
}
