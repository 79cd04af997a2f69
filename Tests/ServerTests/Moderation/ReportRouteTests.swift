import Foundation
import Glibc
import Testing

@testable import Server

extension NodeTests {
    /// Reports of abuse, what is decided of them, and the audit trail.
    @Suite struct Reports {
        private func report(_ code: String, _ category: String = "phishing", _ more: String = "") -> String {
            #"{"code":"\#(code)","category":"\#(category)"\#(more)}"#
        }

        private func reports(_ client: Client, _ query: String = "", key: String) throws -> [[String: Any]] {
            let page = try client.moderate("GET", "/api/v1/reports" + query, key: key).object
            return try #require(page["reports"] as? [[String: Any]])
        }

        private func acts(_ client: Client, key: String) throws -> [(act: String, subject: String, by: String)] {
            let page = try client.moderate("GET", "/api/v1/audit?limit=100", key: key).object
            return try #require(page["acts"] as? [[String: Any]]).map {
                ($0["act"] as? String ?? "", $0["subject"] as? String ?? "", $0["by"] as? String ?? "")
            }
        }

        /// Without a key, whether or not links can be made so; the same answer for whoever reports again.
        @Test func takenListedAndDecided() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--anonymous_create", "off"])
            let client = try node.connect()
            let admin = try node.makeKey("--owner", "moderator", "--scopes", "admin")
            let owner = try node.makeKey("--owner", "team", "--scopes", "links:create,links:manage")
            let code = try client.create("https://example.com/a", key: owner)
            let other = try client.create("https://example.com/b", key: owner)
            let comment = #","comment":"It asks\nfor passwords.","contact":"me@example.com""#
            let first = try client.post("/api/v1/reports", json: report(code, "phishing", comment))
            #expect(first.status == 202 && first["cache-control"] == "no-store")
            let again = try client.post("/api/v1/reports", json: report(code, "spam"))
            #expect(again.status == 202 && again.body == first.body)
            // Another client, which is known by its key.
            let second = try client.moderate("POST", "/api/v1/reports", report(code, "malware"), key: owner)
            #expect(second.status == 202 && second.body != first.body)
            let shown = node.url.replacing("http://", with: "HTTPS://")
            let url = #"{"short_url":"\#(shown)/\#(other)+?x=1","category":"other"}"#
            #expect(try client.post("/api/v1/reports", json: url).status == 202)

            let open = try reports(client, key: admin)
            // Those of one link stand together.
            let codes = open.map { $0["short_code"] as? String }
            #expect(codes == [code, code, other] || codes == [other, code, code])
            let mine = try #require(open.first { $0["report_id"] as? String == (try? first.string("report_id")) })
            #expect(
                mine["category"] as? String == "phishing" && mine["comment"] as? String == "It asks\nfor passwords.")
            #expect(
                mine["contact"] as? String == "me@example.com" && mine["long_url"] as? String == "https://example.com/a"
            )
            #expect(mine["decision"] is NSNull && mine["decided_by"] is NSNull)
            #expect(!"\(open)".replacing(node.url, with: "").contains("127.0.0"))

            let path = "/api/v1/reports/\(try first.string("report_id"))/decision"
            let dismissed = try client.moderate("POST", path, #"{"decision":"dismiss","reason":"no"}"#, key: admin)
            #expect(dismissed.status == 200 && dismissed["edge-token"] != nil)
            #expect(try dismissed.string("decision") == "dismiss" && dismissed.string("decided_by") == "moderator")
            #expect(try client.get("/\(code)").status == 302)
            let blocked = try client.moderate("POST", path, #"{"decision":"block","reason":"yes"}"#, key: admin)
            #expect(try blocked.status == 200 && blocked.string("decision") == "block")
            try client.get("/\(code)").expectProblem(451, "blocked")
            #expect(try reports(client, key: admin).map { $0["short_code"] as? String } == [other])
            #expect(try reports(client, "?state=decided", key: admin).count == 2)
            #expect(try reports(client, "?state=all", key: admin).count == 3)
            var (count, target) = (0, "/api/v1/reports?state=all&limit=1")
            while true {
                let page = try client.moderate("GET", target, key: admin).object
                count += try #require(page["reports"] as? [[String: Any]]).count
                guard let cursor = page["next_cursor"] as? String else { break }
                target = "/api/v1/reports?state=all&limit=1&cursor=\(cursor)"
            }
            #expect(count == 3)
            #expect(try node.metric(#"edge_reports_total{result="taken"}"#) == 3)
            #expect(try node.metric(#"edge_reports_total{result="known"}"#) == 1)
            let acts = try acts(client, key: admin)
            #expect(
                acts.map(\.act) == ["report-block", "block", "report-dismiss", "create-key", "create-key"], "\(acts)")
            #expect(acts[0].by == "moderator" && acts[1].subject == "/\(code)" && acts[3].by == ":admin-port")
            _ = try node.log.next("event=admin-act act=report-block")
        }

        @Test func refusals() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connect()
            let admin = try node.makeKey("--scopes", "admin")
            let owner = try node.makeKey("--scopes", "links:create,links:manage")
            let code = try client.create("https://example.com/")
            for json in [
                "", "{}", #"{"code":"\#(code)"}"#, #"{"category":"spam"}"#, report(code, "rude"),
                report(code, "spam", #","more":1"#), report(code, "spam", #","short_url":"\#(node.url)/\#(code)""#),
                report(code, "spam", #","contact":"\#(String(repeating: "x", count: 255))""#),
                report(code, "spam", #","comment":"\#(String(repeating: "x", count: 2001))""#),
                report(code, "spam", #","comment":"\u0001""#),
            ] { try client.post("/api/v1/reports", json: json).expectProblem(400, "invalid-json") }
            try client.post("/api/v1/reports", Array(report(code).utf8), type: "text/plain")
                .expectProblem(415, "unsupported-media-type")
            for json in [
                report("1nothing"), report("no-such-alias"),
                #"{"short_url":"https://elsewhere.example.com/\#(code)","category":"spam"}"#,
            ] { try client.post("/api/v1/reports", json: json).expectProblem(404, "not-found") }
            let decision = "/api/v1/reports/\(String(repeating: "1", count: 32))/decision"
            for (method, target, json) in [
                ("GET", "/api/v1/reports", nil), ("GET", "/api/v1/audit", nil), ("POST", decision, "{}"),
            ] as [(String, String, String?)] {
                try client.moderate(method, target, json, key: nil).expectProblem(401, "unauthorized")
                try client.moderate(method, target, json, key: owner).expectProblem(403, "forbidden")
            }
            for target in [decision, "/api/v1/reports/abc/decision"] {
                try client.moderate("POST", target, #"{"decision":"block"}"#, key: admin)
                    .expectProblem(404, "not-found")
            }
            for json in ["{}", #"{"decision":"maybe"}"#, #"{"decision":"block","reason":1}"#] {
                try client.moderate("POST", decision, json, key: admin).expectProblem(400, "invalid-json")
            }
            for target in [
                "reports?state=new", "reports?cursor=1", "reports?cursor=", "reports?limit=0", "audit?cursor=x",
                "audit?cursor=", "audit?limit=0",
            ] {
                try client.moderate("GET", "/api/v1/" + target, key: admin).expectProblem(400, "invalid-query")
            }
        }

        /// `short_url` as people have it from elsewhere.
        @Test func shortURLs() {
            func code(_ url: String, at publicURL: String = "https://sho.rt") -> String? {
                ReportRequest.code(inShortURL: url, publicURL: publicURL)
            }
            for url in [
                "https://sho.rt/Code", "http://sho.rt/Code", "HTTPS://Sho.RT/Code", "sho.rt/Code", "sho.rt:443/Code",
                "http://sho.rt:80/Code?x=1", "https://sho.rt:80/Code#x", "https://sho.rt/Code+", "sho.rt/Code/?x#y",
            ] { #expect(code(url) == "Code", "\(url)") }
            #expect(code("sho.rt:8080/Code", at: "http://SHO.rt:8080") == "Code")
            #expect(code("[2001:db8::1]:80/Code", at: "http://[2001:DB8::1]") == "Code")
            // One that no link has.
            #expect(code("sho.rt/Code+/") == "Code+" && code("sho.rt/a/b") == "a/b" && code("sho.rt") == "")
            for url in [
                "https://sho.rt:8080/Code", "https://sho.rt.example/Code", "https://u@sho.rt/Code", "ftp://sho.rt/Code",
                "//sho.rt/Code", "https://https://sho.rt/Code", "/Code", "",
            ] { #expect(code(url) == nil, "\(url)") }
            #expect(code("http://sho.rt/Code", at: "http://sho.rt:8080") == nil)
        }

        /// A limit of its own, so that who may not make links at will may not report at will either.
        @Test func limited() throws {
            let node = try RunningNode(["--rate_limit_report", "1/h burst 2"])
            let client = try node.connect()
            let code = try client.create("https://example.com/")
            for _ in 0..<2 { #expect(try client.post("/api/v1/reports", json: report(code)).status == 202) }
            let refused = try client.post("/api/v1/reports", json: report(code))
            refused.expectProblem(429, "rate-limited")
            #expect(refused["ratelimit-policy"]?.contains("\"report\"") == true)
            _ = try client.create("https://example.com/2")
        }

        /// What was decided and written down is there after a restart, and what an admin does to others' links too.
        @Test func theTrail() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let admin = try node.makeKey("--owner", "moderator", "--scopes", "admin")
            let owner = try node.makeKey("--owner", "team", "--scopes", "links:create,links:manage")
            let client = try node.connect()
            let code = try client.create("https://example.com/", key: owner)
            // One's own changes are no admin's acts.
            #expect(try client.change(code, #"{"title":"a"}"#, key: owner).status == 200)
            #expect(try client.change(code, #"{"title":"b"}"#, key: admin).status == 200)
            #expect(try client.change(code, nil, key: admin).status == 204)
            try node.revoke(owner)
            let revoked = try Finished(["key", "revoke", "--jti", "one", "--server", node.adminURL])
            #expect(revoked.ending == .exited(0))
            let wanted = ["revoke-tokens", "revoke-key", "delete-link", "change-link", "create-key", "create-key"]
            let seen = try acts(client, key: admin)
            #expect(seen.map(\.act) == wanted)
            #expect(seen[2].subject == "/\(code)" && seen[2].by == "moderator" && seen[1].subject == keyID(owner))
            #expect(seen[0].subject == "jti one" && seen[0].by == ":admin-port")
            #expect(node.stop() == .exited(0))
            // On the directory of a node that does not run.
            let local = try Finished(["key", "revoke", keyID(owner), "--data", node.data])
            #expect(local.ending == .exited(0))
            let again = try Finished(["key", "revoke", "--sub", "carol", "--data", node.data])
            #expect(again.ending == .exited(0))
            let made = try Finished(["key", "create", "--name", "x", "--data", node.data])
            #expect(made.ending == .exited(0))
            let next = try node.restarted(RunningNode.withAdmin)
            let after = try acts(try next.connect(), key: admin)
            #expect(after.map(\.act) == ["create-key", "revoke-tokens"] + wanted && after[0].by == ":operator")
        }

        /// What changes a running node: reloads and switches.
        @Test func reloadsAndSwitches() throws {
            let directory = TemporaryDirectory()
            let file = directory.write("redirect_status = 302\n", to: "edge.conf")
            let node = try RunningNode(
                ["--config", file, "--rate_limit_read", "off"] + RunningNode.withAdmin, in: directory)
            let admin = try node.makeKey("--scopes", "admin")
            for status in [302, 307] {
                _ = directory.write("redirect_status = \(status)\n", to: "edge.conf")
                node.child.signal(SIGHUP)
                _ = try node.log.next("event=reload ")
            }
            // The second one changes nothing.
            for _ in 0..<2 {
                let turned = try Finished(["switch", "count_clicks", "off", "--server", node.adminURL])
                #expect(turned.ending == .exited(0))
            }
            let client = try node.connect()
            let deadline = Deadline()
            // The writer writes it down after the command's answer.
            while try acts(client, key: admin).first?.act != "turn-switch" { try #require(!deadline.isOver) }
            let seen = try acts(client, key: admin)
            #expect(seen.map(\.act) == ["turn-switch", "reload", "create-key"])
            #expect(seen[0].subject == "count_clicks" && seen[0].by == ":admin-port")
            #expect(seen[1].subject == "redirect_status" && seen[1].by == ":operator")
        }
    }
}
