import Glibc
import Testing

extension NodeTests.Regions {
    /// Nodes that know each other by the certificates that `edge cluster` makes.
    @Suite struct Certified {
        @Test func converges() throws {
            let cluster = try Cluster(starts: false, hasCertificates: true)
            let way = cluster.proxy(from: 0, to: 1)
            way.record(atMost: 2)
            for index in cluster.indices { try cluster.start(index) }
            let loads = cluster.indices.map { LinkLoad(cluster, at: $0, perSecond: 200) }
            try cluster.wait("some links") { loads.allSatisfy { $0.count >= 100 } }
            for proxy in cluster.proxies(of: 2) { proxy.reset() }
            let goals = loads.map { $0.count + 50 }
            try cluster.wait("some links more") { zip(loads, goals).allSatisfy { $0.count >= $1 } }
            var links = Links()
            for load in loads { links.add(load.stop()) }
            try cluster.converge()
            // A handshake of TLS (RFC 8446 5.1) is what went over the line first, not a HELLO.
            #expect(way.recordings.contains([22, 3]) && way.recordings.allSatisfy { $0.isEmpty || $0 == [22, 3] })
            for index in cluster.indices { #expect(try cluster.node(index).standing.alarms == []) }
            try cluster.expectAll(links)
        }

        /// Until the file is replaced and read anew the others say why they do not let it in, and go on without it.
        @Test func ended() throws {
            let cluster = try Cluster(starts: false, hasCertificates: true)
            let certificates = try #require(cluster.certificates)
            try certificates.end("ap")
            try turnAway(cluster, "certificate has expired") {
                _ = try $0.log.next("event=certificate-ends")
                try certificates.renew("ap")
            }
        }

        /// The same with all three files of another cluster, which agree with each other.
        @Test func ofAnotherAuthority() throws {
            let cluster = try Cluster(starts: false, hasCertificates: true)
            let other = try ClusterCertificates(in: cluster.directory, "other", regions: ["ap"])
            cluster.flags[2] = other.keys(of: "ap").flatMap { ["--" + $0.key, $0.value] }
            try turnAway(cluster, "self-signed certificate in certificate chain") { _ in
                try other.replace("ap", by: #require(cluster.certificates))
            }
        }

        /// Node 2 is turned away for its certificate until `mend`, and nothing is lost that was made meanwhile.
        private func turnAway(_ cluster: Cluster, _ reason: String, mend: (RunningNode) throws -> Void) throws {
            let (node, sibling) = (try cluster.start(0), try cluster.start(1))
            let stranger = try cluster.start(2)
            var links = Links()
            try cluster.create(50, into: &links)
            try cluster.wait("it was turned away again and again") {
                try [node, sibling].allSatisfy { try $0.metric("edge_peer_failed_handshakes_total") >= 4 }
            }
            for member in [node, sibling] {
                // Beside it stands what the other side has against this one.
                let line = try member.log.next(reason)
                #expect(line.contains("level=error event=peer-handshake-failed"), "\(line)")
                let standing = try member.standing
                #expect(standing.peers.filter(\.connected).map(\.node) == [member === node ? "2/0" : "1/0"])
                #expect(!standing.members.contains { $0.node == "3/0" })
            }
            #expect(try stranger.standing.peers.allSatisfy { !$0.connected })
            #expect(try stranger.readiness == 503)

            try mend(stranger)
            stranger.child.signal(SIGHUP)
            _ = try stranger.log.next("event=reload ")
            try cluster.create(20, into: &links)
            try cluster.expectAll(links)
        }
    }
}
