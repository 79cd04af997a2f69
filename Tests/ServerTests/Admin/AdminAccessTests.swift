import Foundation
import Testing

extension NodeTests {
    @Suite struct AdminGuard {
        private func ask(
            _ client: Client, _ method: String, _ target: String, host: String = "127.0.0.1", _ fields: String = "",
            body: String? = nil
        ) throws -> Answer {
            let length = body.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
            try client.send("\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n\(fields)\(length)\r\n\(body ?? "")")
            return try client.read()
        }

        private let json = "Content-Type: application/json\r\n"

        /// What a page in a browser of this machine could send is refused, and what a command sends is not.
        @Test func onLoopback() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connectToAdmin()
            let hosts: [(host: String, status: Int)] = [
                ("127.0.0.1:\(node.adminPort)", 200), ("127.0.0.1", 200), ("localhost", 200), ("LocalHost:9180", 200),
                ("[::1]:9180", 200), ("10.0.0.1", 200), ("evil.example", 403), ("evil.example:9180", 403),
                ("localhost.evil.example", 403), ("127.0.0.1.evil.example", 403), ("localhost.", 403),
            ]
            for (host, status) in hosts {
                let answer = try ask(client, "GET", "/keys", host: host)
                #expect(answer.status == status, "\(host): \(answer.text)")
                if status == 403 { answer.expectProblem(403, "forbidden") }
            }
            let named = #"{"name":"a"}"#
            let types: [(fields: String, status: Int)] = [
                (json, 201), ("Content-Type: application/json; charset=utf-8\r\n", 201), ("", 415),
                ("Content-Type: text/plain\r\n", 415), ("Content-Type: application/x-www-form-urlencoded\r\n", 415),
                ("Content-Type: multipart/form-data; boundary=application/json\r\n", 415),
            ]
            for (fields, status) in types {
                #expect(try ask(client, "POST", "/keys", fields, body: named).status == status, "\(fields)")
            }
            #expect(try ask(client, "POST", "/keys", host: "evil.example", json, body: named).status == 403)
            // What a browser asks before it sends any of the rest across sites.
            #expect(try ask(client, "OPTIONS", "/keys")["access-control-allow-origin"] == nil)
            let keys = try ask(client, "GET", "/keys").object["keys"] as? [[String: Any]]
            #expect(keys?.count == 2)
        }

        @Test func routes() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let client = try node.connectToAdmin()
            let body = #"{"name":"a","scopes":["admin"],"owner":"me","expires_in":60}"#
            let made = try ask(client, "POST", "/keys", json, body: body).object
            let description = try #require(made["description"] as? [String: Any])
            let id = try #require(description["id"] as? String)
            #expect(
                Set(description.keys) == [
                    "id", "kind", "name", "scopes", "owner", "created_at", "expires_at", "state",
                ])
            #expect((made["key"] as? String)?.hasPrefix("edge_\(id)_") == true)
            let listed = try ask(client, "GET", "/keys").object["keys"] as? [[String: Any]]
            #expect(listed?.count == 1 && listed?[0] as NSDictionary? == description as NSDictionary)
            let unknown = String(repeating: "0", count: 22)
            let cases: [(method: String, target: String, body: String?, status: Int)] = [
                ("HEAD", "/keys", nil, 200), ("PUT", "/keys", nil, 405), ("DELETE", "/keys", nil, 405),
                ("GET", "/keys/\(id)", nil, 405), ("DELETE", "/keys/\(unknown)", nil, 404),
                ("DELETE", "/keys/", nil, 404),
                ("DELETE", "/keys/\(id)x", nil, 404), ("POST", "/keys", "{}", 400), ("POST", "/keys", "x", 400),
                ("POST", "/keys", #"{"name":"a","scope":"admin"}"#, 400), ("POST", "/keys", #"{"name":1}"#, 400),
                ("POST", "/keys", #"{"name":""}"#, 422), ("POST", "/keys", #"{"name":"a","scopes":[]}"#, 422),
                ("POST", "/keys", #"{"name":"a","expires_in":0}"#, 422),
                ("DELETE", "/keys/\(id)", nil, 204), ("DELETE", "/keys/\(id)", nil, 204),
            ]
            for (method, target, body, status) in cases {
                let fields = body == nil ? "" : json
                let length = body.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
                try client.send(
                    "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\n\(fields)\(length)\r\n\(body ?? "")")
                let answer = try client.read(isHead: method == "HEAD")
                #expect(answer.status == status, "\(method) \(target) \(body ?? ""): \(answer.text)")
            }
            #expect(try node.connect().get("/keys").status == 404)
        }

        /// An admin port that others reach answers to keys with the scope `admin` alone; the first is made without it.
        @Test func elsewhere() throws {
            let first = try RunningNode(RunningNode.withAdmin)
            let (admin, other) = (try first.makeKey("--scopes", "admin"), try first.makeKey())
            #expect(first.stop() == .exited(0))
            let node = try first.restarted(["--admin_listen", "0.0.0.0:0"])
            let client = try node.connectToAdmin()
            let cases: [(key: String?, status: Int, words: String)] = [
                (nil, 403, "admin"), (other, 403, "admin"), ("x", 401, "not valid"),
                (admin, 200, admin.dropFirst(5).prefix(22).description),
            ]
            for (key, status, words) in cases {
                let answer = try ask(client, "GET", "/keys", key.map { "X-Api-Key: \($0)\r\n" } ?? "")
                #expect(answer.status == status && answer.text.contains(words), "\(answer.text)")
            }
            // The holder of a key may come by any name; a POST is JSON all the same.
            let authorization = "Authorization: Bearer \(admin)\r\n"
            #expect(try ask(client, "GET", "/keys", host: "edge.example", authorization).status == 200)
            #expect(try ask(client, "POST", "/keys", authorization, body: #"{"name":"a"}"#).status == 415)
            #expect(try ask(client, "GET", "/metrics").status == 200)
            let file = node.directory.write(admin, to: "admin")
            let made = try Finished(["key", "create", "--name", "x", "--server", node.adminURL, "--key-file", file])
            #expect(made.ending == .exited(0), "\(made.error)")
            let refused = try Finished(["key", "list", "--server", node.adminURL])
            #expect(refused.ending == .exited(1) && refused.error.contains("scope admin"), "\(refused.error)")
        }
    }
}
