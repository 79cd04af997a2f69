import Glibc
import Testing

extension NodeTests {
    /// What the admin port tells of replication is of a moment after the question.
    @Suite struct FreshFigures {
        private func node() throws -> (Cluster, RunningNode) {
            let cluster = try Cluster(2, starts: false)
            return (cluster, try cluster.start(0))
        }

        /// Whatever was answered 201 is in the log that is told of next.
        @Test func acknowledgedLinks() throws {
            let (cluster, node) = try node()
            let client = try node.connect()
            var head: UInt64 = 0
            for number in 0..<200 {
                _ = try client.create("https://example.com/\(number)")
                let standing = try node.standing
                let own = try #require(standing.logs.first { $0.origin == standing.incarnation })
                #expect(own.head > head)
                head = own.head
            }
            try node.await("edge_replication_figures_age_seconds") { $0 == 0 }
            let (admin, deadline) = (try node.connectToAdmin(), Deadline())
            var age = try admin.get("/status").object["replication_age_milliseconds"] as? Int
            while age != 0, !deadline.isOver {
                age = try admin.get("/status").object["replication_age_milliseconds"] as? Int
            }
            #expect(age == 0)
            cluster.stop(0)
        }

        /// The thread is stopped for real. All is answered with what was told last and says so; more questions than may
        /// wait are among it. Once the thread goes on, so do the figures.
        @Test func threadThatStandsStill() throws {
            let (cluster, node) = try node()
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            let before = try node.standing
            guard let frozen = try FrozenThread("peers", of: node.child) else {
                withKnownIssue("the system allows no tracing, so no thread can be stopped") { Issue.record("untested") }
                return
            }
            _ = try client.create("https://example.com/frozen")
            let told = try node.lastStanding
            #expect(told.ageMilliseconds >= 1000 && told.vector == before.vector)
            #expect(try node.metric("edge_replication_figures_age_seconds") >= 2)
            let age = try node.connectToAdmin().get("/status").object["replication_age_milliseconds"] as? Int
            #expect(age ?? 0 >= 3000)
            let status = try Finished(["status", "--server", node.adminURL])
            #expect(status.ending == .exited(0) && status.output.contains(" ms ago: its thread does not answer"))
            for _ in 0..<20 { #expect(try node.lastStanding.ageMilliseconds >= 4000) }
            #expect(try client.get("/\(code)").status == 302)
            #expect(try node.connectToAdmin().get("/health/ready").status == node.readiness)
            frozen.release()
            let after = try node.standing
            #expect(after.vector != before.vector && after.vector.count == before.vector.count)
            #expect(try !Finished(["status", "--server", node.adminURL]).output.contains("does not answer"))
            cluster.stop(0)
        }

        /// Nor does the end of a process wait for the thread that a test has stopped.
        @Test func killedMeanwhile() throws {
            let (cluster, node) = try node()
            guard try FrozenThread("peers", of: node.child) != nil else {
                withKnownIssue("the system allows no tracing, so no thread can be stopped") { Issue.record("untested") }
                return
            }
            cluster.kill(0)
            try cluster.start(0)
            cluster.stop(0)
        }

        /// A node that has no peers waits for nobody.
        @Test func noPeers() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            #expect(try node.connectToAdmin().get("/status").object["replication_age_milliseconds"] == nil)
            #expect(try !node.connectToAdmin().get("/metrics").text.contains("edge_replication"))
        }
    }
}
