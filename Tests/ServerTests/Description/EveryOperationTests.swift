import Glibc
import Testing

@testable import Server

extension NodeTests {
    /// A node answers as its own description says.
    @Suite struct EveryOperation {
        /// A client that holds each answer to the description, and notes what was answered to which operation.
        private final class Inspector {
            private(set) var client: Client
            private let node: RunningNode
            let described: Described
            private(set) var seen: Set<String> = []

            init(_ node: RunningNode) throws {
                self.node = node
                client = try node.connect()
                described = Described(try client.get("/api/v1/openapi.json").body)
                // To make it may take a slow machine longer than others may wait behind it.
                _ = try client.patiently { try client.get("/problems") }
            }

            /// - json: of the body; none without it.
            @discardableResult
            func ask(
                _ method: String, _ target: String, _ json: String? = nil, key: String? = nil, _ fields: String = ""
            ) throws -> Answer {
                var fields = fields + (key.map { "Authorization: Bearer \($0)\r\n" } ?? "")
                if let json {
                    fields += fields.contains("Content-Type") ? "" : "Content-Type: application/json\r\n"
                    fields += "Content-Length: \(json.utf8.count)\r\n"
                }
                try client.send(Client.request(method, target, fields) + (json ?? ""))
                let answer = try client.read(isHead: method == "HEAD")
                note(answer, method, target)
                if answer["connection"] == "close" { client = try node.connect() }
                return answer
            }

            func note(_ answer: Answer, _ method: String, _ target: String) {
                for fault in described.faults(answer, method, target) { Issue.record("\(fault)") }
                if let name = described.operation(method, target)?["operationId"]?.text {
                    seen.insert("\(name) \(answer.status)")
                }
            }
        }

        private static let link = #"{"long_url":"https://example.com/"}"#

        /// Every operation, with every answer that is no refusal.
        @Test func answers() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--blocked_answer", "warning"])
            let key = try node.makeKey("--owner", "team")
            let admin = try node.makeKey("--scopes", "admin", name: "admin")
            let inspector = try Inspector(node)
            let made = try inspector.ask("POST", "/api/v1/urls", Self.link, key: key, "Prefer: token=cookie\r\n")
            let (code, token) = (try made.string("short_code"), "Edge-Token: \(made["edge-token"] ?? "")\r\n")
            let again = "Idempotency-Key: again\r\n"
            for _ in 0..<2 { try inspector.ask("POST", "/api/v1/urls", Self.link, key: key, again) }
            try inspector.ask("POST", "/shorten", Self.link)
            for target in ["/\(code)", "/\(code)+", "/api/v1/urls/\(code)", "/api/v1/analytics/\(code)?days=3"] {
                try inspector.ask("GET", target, key: target.hasPrefix("/api") ? key : nil, token)
                try inspector.ask("HEAD", target, key: target.hasPrefix("/api") ? key : nil, token)
            }
            try inspector.ask("GET", "/\(code)+", nil, "Accept: application/json\r\n")
            try inspector.ask("GET", "/analytics/\(code)", key: key)
            try inspector.ask("GET", "/api/v1/urls?limit=1", key: key, token)
            try inspector.ask("PATCH", "/api/v1/urls/\(code)", #"{"title":"T","tags":["a"]}"#, key: key, token)
            try inspector.ask("DELETE", "/api/v1/urls/\(code)", key: key)
            try inspector.ask("GET", "/api/v1/changes?limit=3", key: admin)
            let batch = try inspector.ask("POST", "/api/v1/urls/bulk", "[\(Self.link),{}]", key: key)
            _ = try inspector.client.awaitBatch(try batch.string("batch_id"), "Authorization: Bearer \(key)\r\n")
            try inspector.ask("GET", "/api/v1/urls/bulk/\(try batch.string("batch_id"))", key: key)
            for target in ["/health", "/health/ready", "/problems", "/problems/not-found", "/api/v1/openapi.json"] {
                try inspector.ask("GET", target)
                try inspector.ask("HEAD", target)
            }
            try moderate(inspector, key: key, admin: admin)
            // Links whose aliases are words of the API's own.
            for word in ["import", "export", "bulk"] {
                let body = #"{"long_url":"https://example.com/","custom_alias":"\#(word)"}"#
                try inspector.ask("POST", "/api/v1/urls", body, key: key)
                if word != "export" {
                    #expect(try inspector.ask("GET", "/api/v1/urls/\(word)", key: key).string("short_code") == word)
                }
                try inspector.ask("PATCH", "/api/v1/urls/\(word)", #"{"is_active":false}"#, key: key)
                try inspector.ask("DELETE", "/api/v1/urls/\(word)", key: key)
            }
            let document = try inspector.client.get("/api/v1/openapi.json")
            let tag = "If-None-Match: W/\"x\", \(document["etag"] ?? "")\r\n"
            let same = try inspector.ask("GET", "/api/v1/openapi.json", nil, tag)
            #expect(same.status == 304 && same["etag"] == document["etag"])
            #expect(document["cache-control"] == "no-cache")
            // What is answered line by line, and a node that drains, have tests of their own.
            let others: Set = ["importLinks 200", "exportLinks 200", "readiness 503"]
            #expect(successes(inspector.described).subtracting(inspector.seen) == others)
        }

        private func moderate(_ inspector: Inspector, key: String, admin: String) throws {
            let code = try inspector.ask("POST", "/api/v1/urls", Self.link, key: key).string("short_code")
            let report = #"{"code":"\#(code)","category":"phishing","comment":"It asks\nfor passwords."}"#
            let id = try inspector.ask("POST", "/api/v1/reports", report).string("report_id")
            try inspector.ask("GET", "/api/v1/reports", key: admin)
            try inspector.ask("POST", "/api/v1/reports/\(id)/decision", #"{"decision":"dismiss"}"#, key: admin)
            for _ in 0..<2 { try inspector.ask("PUT", "/api/v1/blocks/\(code)", "{}", key: admin) }
            try inspector.ask("GET", "/\(code)", nil, "Accept: text/html\r\n")
            for fields in ["Accept: text/html\r\n", ""] {
                #expect(try inspector.ask("GET", "/\(code)+", nil, fields).status == 451)
            }
            #expect(try inspector.ask("GET", "/\(code)").status == 451)
            for target in ["/api/v1/blocks", "/api/v1/blocks/\(code)", "/api/v1/audit?limit=2"] {
                try inspector.ask("GET", target, key: admin)
            }
            try inspector.ask("DELETE", "/api/v1/blocks/\(code)", key: admin)
        }

        /// Every answer of the description that is no problem.
        private func successes(_ described: Described) -> Set<String> {
            Set(
                described.paths.values.flatMap { item in
                    item.members!.values.flatMap { operation -> [String] in
                        guard let name = operation["operationId"]?.text else { return [] }
                        return operation["responses"]!.members!.filter { $0.value["$ref"] == nil }
                            .map { "\(name) \($0.key)" }
                    }
                })
        }

        /// Refusals, each with its code among those of its operation.
        @Test func refusals() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--anonymous_create", "off"])
            let key = try node.makeKey("--owner", "team")
            let admin = try node.makeKey("--scopes", "admin", name: "admin")
            let reader = try node.makeKey("--scopes", "links:create", name: "reader")
            let inspector = try Inspector(node)
            let (anonymous, wrong) = ("X-Who: nobody\r\n", "X-Api-Key: edge_no\r\n")
            /// With the usual key, unless `fields` name another, or nobody.
            func refused(
                _ code: String, _ method: String, _ target: String, _ json: String? = nil, _ fields: String = ""
            ) throws {
                let isOther = fields.contains("X-Api-Key") || fields == anonymous
                let answer = try inspector.ask(method, target, json, key: isOther ? nil : key, fields)
                #expect(try answer.string("code") == code, "\(method) \(target) \(json ?? "")")
            }
            for target in ["/api/v1/urls", "/api/v1/urls/export", "/api/v1/changes"] {
                try refused("unauthorized", "GET", target, nil, anonymous)
                try refused("invalid-query", "GET", target + "?x=1", nil, "X-Api-Key: \(admin)\r\n")
            }
            for resource in Resource.allCases where Route.isOfAPI(resource.rawValue) {
                for (method, _) in resource.operations {
                    let path = resource.rawValue.replacing("{code}", with: "abc").replacing("{id}", with: "abc")
                    try refused("unauthorized", "\(method.name)", path, nil, wrong)
                }
            }
            for target in ["/api/v1/urls", "/shorten", "/api/v1/urls/bulk", "/api/v1/urls/import"] {
                try refused("unauthorized", "POST", target, "{}", anonymous)
                try refused("unsupported-media-type", "POST", target, "{}", "Content-Type: text/plain\r\n")
                let isImport = target.hasSuffix("import")
                let type = isImport ? "Content-Type: application/x-ndjson\r\n" : ""
                try refused("invalid-idempotency-key", "POST", target, "{}", type + "Idempotency-Key: a b\r\n")
                if !isImport { try refused("invalid-json", "POST", target, "nothing") }
            }
            for (member, code) in [
                (#""long_url":"x""#, "invalid-url"), (#""long_url":"http://10.0.0.1/""#, "invalid-url"),
                (#""long_url":"https://a.example/","custom_alias":"a""#, "invalid-alias"),
                (#""long_url":"https://a.example/","expires_in":0"#, "invalid-expiry"),
                (#""long_url":"https://a.example/","title":"\u0001""#, "invalid-title"),
                (#""long_url":"https://a.example/","tags":[""]"#, "invalid-tags"),
            ] {
                try refused(code, "POST", "/api/v1/urls", "{\(member)}")
            }
            let code = try inspector.ask("POST", "/api/v1/urls", Self.link, key: key).string("short_code")
            try refused("invalid-batch", "POST", "/api/v1/urls/bulk", "[]")
            try refused("batch-elsewhere", "GET", "/api/v1/urls/bulk/1f" + String(repeating: "1", count: 32))
            try refused("precondition-failed", "DELETE", "/api/v1/urls/\(code)", nil, "If-Match: \"x\"\r\n")
            try refused("forbidden", "DELETE", "/api/v1/urls/\(code)", nil, "X-Api-Key: \(reader)\r\n")
            try refused("forbidden", "GET", "/api/v1/changes")
            try refused("invalid-query", "GET", "/api/v1/analytics/\(code)?days=0")
            for target in ["/api/v1/urls/abc", "/api/v1/analytics/abc", "/abc", "/api/v1/urls/bulk/abc"] {
                try refused("not-found", "GET", target)
            }
            try refused("not-found", "GET", "/abc+", nil, "Accept: application/problem+json\r\n")
            let page = try inspector.ask("GET", "/abc+", nil, "Accept: text/html\r\n")
            #expect(page.text.contains("<code>not-found</code>"))
            try inspector.ask("DELETE", "/api/v1/urls/\(code)", key: key)
            for target in ["/\(code)", "/api/v1/urls/\(code)", "/api/v1/analytics/\(code)"] {
                try refused("expired", "GET", target)
            }
        }

        /// Methods that a path has not, and `Allow`.
        @Test func methods() throws {
            let client = try RunningNode().connect()
            for resource in Resource.allCases {
                let path = resource.rawValue.replacing("{code}", with: "not-found").replacing("{id}", with: "abc")
                let described = Set(Described.usual.paths[resource.rawValue]!.members!.keys.map { $0.uppercased() })
                let options = try client.get(path, method: "OPTIONS")
                let allowed = Set((options["allow"] ?? "").components(separatedBy: ", "))
                #expect(options.status == 204 && described.subtracting(["PARAMETERS"]).isSubset(of: allowed), "\(path)")
                let implied: Set = ["OPTIONS", "HEAD"]
                #expect(allowed.subtracting(implied) == described.subtracting(["PARAMETERS"]), "\(path)")
                for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] where !allowed.contains(method) {
                    let answer = try client.get(path, method: method)
                    #expect(answer.status == 405 && answer["allow"] == options["allow"], "\(method) \(path)")
                }
            }
        }

        /// A reload that changes who may make links, and what redirects answer, changes what is told of it.
        @Test func reload() throws {
            let directory = TemporaryDirectory()
            let file = directory.write("redirect_status = 301\n", to: "edge.conf")
            let node = try RunningNode(["--config", file], in: directory)
            let before = try node.connect().get("/api/v1/openapi.json")
            _ = directory.write("redirect_status = 307\nanonymous_create = off\n", to: "edge.conf")
            node.child.signal(SIGHUP)
            _ = try node.log.next("event=reload ")
            let after = try node.connect().get("/api/v1/openapi.json")
            #expect(before["etag"] != after["etag"])
            for (answer, status, ways) in [(before, "301", 3), (after, "307", 2)] {
                let described = Described(answer.body)
                #expect(described.operation("GET", "/abc")?["responses"]?[status] != nil)
                #expect(described.operation("POST", "/shorten")?["security"]?.elements?.count == ways)
            }
        }

        /// Lines are as described, too.
        @Test func lines() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let admin = try node.makeKey("--scopes", "admin")
            _ = try node.connect().importLines([Self.link, "no", #"{"long_url":"https://a.example/"}"#], key: admin)
            let fields = "Authorization: Bearer \(admin)\r\n"
            let row = "{}\n"
            let body = fields + "Content-Type: application/x-ndjson\r\nContent-Length: \(row.utf8.count)\r\n"
            for (request, schema, count) in [
                (Client.request("GET", "/api/v1/urls/export", fields), "Link", 2),
                (Client.request("POST", "/api/v1/urls/import", body) + row, "ImportResult", 1),
            ] {
                let client = try node.connect()
                try client.send(request)
                let stream = try LineStream(client)
                #expect(stream.status == 200)
                let lines = try stream.rest()
                #expect(lines.count == count)
                for line in lines { #expect(Described.usual.faults(line: line, schema) == []) }
            }
            let changes = try node.connect().get("/api/v1/changes", key: admin).text.split(separator: "\n")
            #expect(changes.count == 2)
            for line in changes { #expect(Described.usual.faults(line: String(line), "Change") == []) }
        }
    }
}
