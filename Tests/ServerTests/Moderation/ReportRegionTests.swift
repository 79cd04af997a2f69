import Testing

extension NodeTests.Regions {
    /// Reports in a cluster.
    @Suite struct ReportsEverywhere {
        /// Taken in one region, decided in another, seen in the third; and who orders the cluster is written down.
        @Test func decidedElsewhere() throws {
            let cluster = try Cluster()
            try cluster.converge()
            let clients = try cluster.indices.map { try cluster.node($0).connect() }
            let admin = try cluster.node(0).makeKey("--owner", "moderator", "--scopes", "admin")
            let code = try clients[0].create("https://example.com/")
            try cluster.converge()
            let json = #"{"code":"\#(code)","category":"phishing"}"#
            // The same client is the same everywhere.
            let ids = try clients.map { try $0.post("/api/v1/reports", json: json).string("report_id") }
            #expect(Set(ids).count == 1)
            try cluster.converge()
            let decision = #"{"decision":"block"}"#
            let path = "/api/v1/reports/\(ids[0])/decision"
            #expect(try clients[1].moderate("POST", path, decision, key: admin).status == 200)
            try cluster.converge()
            for client in clients {
                try client.get("/\(code)").expectProblem(451, "blocked")
                let decided = try client.moderate("GET", "/api/v1/reports?state=decided", key: admin).text
                #expect(decided.contains(#""decision":"block""#) && decided.contains(#""decided_by":"moderator""#))
            }
            let order = try Finished(["cluster", "regions", "vouch", "--server", cluster.node(2).adminURL])
            #expect(order.ending == .exited(0), "\(order.error)")
            try cluster.wait("the order is known everywhere") {
                try clients.allSatisfy {
                    try $0.moderate("GET", "/api/v1/audit", key: admin).text.contains(#""act":"cluster-order""#)
                }
            }
            try cluster.converge()
            try cluster.expectEqualStores()
        }

        /// A change of somebody's link whose answer is lost may have been made, and is written down as that.
        @Test func aLostAnswer() throws {
            let cluster = try Cluster(2, ["--read_your_writes_timeout", "500ms"])
            try cluster.settleConnections()
            let admin = try cluster.node(0).makeKey("--owner", "moderator", "--scopes", "admin")
            let owner = try cluster.node(0).makeKey("--owner", "team", "--scopes", "links:create,links:manage")
            try cluster.converge()
            let code = try cluster.node(0).connect().create("https://example.com/", key: owner)
            try cluster.converge()
            let client = try cluster.node(1).connect()
            let tag = try #require(try client.get("/api/v1/urls/\(code)", key: admin)["etag"])
            cluster.set(.held, from: [0], to: [1])
            let silent = try client.change(code, #"{"title":"x"}"#, key: admin, "If-Match: \(tag)\r\n")
            silent.expectProblem(503, "behind")
            try cluster.wait("it is written down") {
                let trail = try cluster.node(1).connect().moderate("GET", "/api/v1/audit", key: admin).text
                return trail.contains(
                    #""act":"change-link","subject":"/\#(code)","by":"moderator","outcome":"unknown""#)
            }
            cluster.set(.open, from: [0], to: [1])
            try cluster.converge()
        }
    }
}
