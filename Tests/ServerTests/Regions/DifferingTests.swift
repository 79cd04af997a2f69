import Glibc
import Testing

extension NodeTests.Regions {
    /// A member that is not configured as the others: they turn it away, each side says so, and nothing of what it makes
    /// comes to them. Once it is configured like them all comes.
    @Suite struct Differing {
        @Test(arguments: ["auth", "characterMap", "characterMap of more"]) func turnedAway(what: String) throws {
            let cluster = try Cluster()
            var (links, alone) = (Links(), Links())
            try cluster.create(50, into: &links)
            try cluster.converge()
            let rejections = try [0, 1].map { try cluster.node($0).metric("edge_replication_rejections_total") }
            cluster.stop(2)
            let secret = cluster.directory.write(Cluster.secret("other"), to: "other.secret")
            cluster.flags[2] =
                switch what {
                case "auth": ["--cluster_secret_file", secret]
                case "characterMap": ["--regions", "us:1, eu:4, ap:3"]
                default: ["--regions", "us:1, eu:2, ap:3, sa:4"]
                }
            let node = try cluster.start(2)
            try alone.create(20, on: node)
            try cluster.create(20, at: [0, 1], into: &links)
            let reason = String(what.prefix { $0 != " " })
            for index in cluster.indices {
                let line = try cluster.node(index).log.next("event=peer-rejected")
                #expect(line.contains("level=error") && line.contains("reason=\(reason)"), "\(line)")
                #expect(try cluster.node(index).activeAlarms("peer-rejected") >= 1)
            }
            try cluster.wait("it was turned away again and again") {
                try [0, 1].allSatisfy {
                    try cluster.node($0).metric("edge_replication_rejections_total") >= rejections[$0] + 4
                }
            }
            for index in [0, 1] {
                #expect(try !cluster.isConnected(index, to: [2]))
                #expect(try cluster.isConnected(index, to: [1 - index]))
                let client = try cluster.node(index).connect()
                for code in alone.destinations.keys { #expect(try client.get("/\(code)").status == 404) }
                #expect(try cluster.node(index).readiness == 200)
            }

            cluster.stop(2)
            cluster.flags[2] = []
            try cluster.start(2)
            links.add(alone)
            try cluster.create(20, into: &links)
            try cluster.converge()
            try cluster.wait("no alarm stands, once all addresses were dialled again") {
                try cluster.indices.allSatisfy { try cluster.node($0).standing.alarms == [] }
            }
            try cluster.expectAll(links)
        }
    }
}
