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
    }
}
