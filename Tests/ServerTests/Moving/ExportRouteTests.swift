import Foundation
import Testing

extension NodeTests {
    /// `GET /api/v1/urls/export`, and both ways in turn.
    @Suite struct ExportRoute {
        /// A link without what follows from where it is.
        private func own(_ line: String) throws -> [String: String] {
            var link = try LineStream.members(line)
            for name in ["short_url", "updated_at", "region", "custom_alias"] { link[name] = nil }
            return link.mapValues { "\($0)" }
        }

        private func sorted(_ lines: [String]) throws -> [[String: String]] {
            try lines.map(own).sorted { $0["short_code"]! < $1["short_code"]! }
        }

        private func fill(_ node: RunningNode, key: String) throws {
            let rows = (0..<700).map { number -> String in
                var row = #"{"long_url":"https://example.com/\#(number)?a=b&c=\#(number)""#
                if number % 3 > 0 { row += #","short_code":"name-\#(number)""# }
                if number % 2 == 0 { row += #","created_at":"2019-01-02T03:04:05.\#(100 + number)Z""# }
                if number % 5 == 0 { row += #","title":"a title, \#(number)","tags":["x|y","=z"]"# }
                if number % 7 == 0 { row += #","expires_at":"2080-01-01T00:00:00.123Z""# }
                if number % 11 == 0 { row += #","is_active":false"# }
                if number % 13 == 0 { row += #","forward_query":true"# }
                return row + "}"
            }
            #expect(try node.connect().importLines(rows, key: key).allSatisfy { verdict($0) == "created" })
        }

        /// What one node exports another one imports, and exports again as it was.
        @Test(arguments: ["ndjson", "csv"]) func roundTrip(format: String) throws {
            let (first, second) = (try RunningNode(RunningNode.withAdmin), try RunningNode(RunningNode.withAdmin))
            let key = try first.makeKey("--owner", "team")
            try fill(first, key: key)
            let exported = try Finished(
                ["export", "--server", first.url, "--format", format, "--key-file", keyFile(first, key)])
            #expect(exported.ending == .exited(0) && exported.error.isEmpty, "\(exported.error)")
            let file = second.directory.write(exported.output, to: "links")
            let other = try second.makeKey("--owner", "team")
            let imported = try Finished(
                ["import", format, file, "--server", second.url, "--key-file", keyFile(second, other)])
            #expect(imported.ending == .exited(0), "\(imported.error)")
            #expect(imported.output == "700 created, 0 there already, 0 rejected\n", "\(imported.error)")
            let (before, after) = (try first.connect().export(key: key), try second.connect().export(key: other))
            #expect(before.count == 700)
            #expect(try sorted(before) == sorted(after))
            // To where it came from nothing is added.
            let again = try Finished(["import", format, file, "--server", first.url, "--key-file", keyFile(first, key)])
            #expect(again.output == "0 created, 700 there already, 0 rejected\n", "\(again.error)")
        }

        private func keyFile(_ node: RunningNode, _ key: String) -> String { node.directory.write(key, to: "key") }

        /// From each link on, and for whom it is asked.
        @Test func placesAndOwners() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let (key, other) = (try node.makeKey("--owner", "a"), try node.makeKey("--owner", "b"))
            let admin = try node.makeKey("--scopes", "admin")
            let client = try node.connect()
            for number in 0..<12 {
                _ = try client.create("https://example.com/\(number)", key: number % 3 == 0 ? other : key)
                _ = try client.create("https://example.com/\(number)", key: key, alias: "alias-\(number)")
            }
            _ = try client.create("https://nobody.example.com/")
            _ = try client.create("https://example.com/x", key: key, alias: "dead")
            #expect(try client.change("dead", nil, key: key).status == 204)
            func codes(_ query: String, _ key: String) throws -> [String] {
                try node.connect().export(query, key: key).map {
                    try #require(try LineStream.members($0)["short_code"] as? String)
                }
            }
            let all = try codes("", admin)
            #expect(all.count == 25 && Set(all).count == 25)
            for (place, code) in all.enumerated() {
                #expect(try codes("?after=\(code)", admin) == Array(all[(place + 1)...]))
            }
            // A link that is gone stood somewhere too.
            #expect(try codes("?after=dead", admin).count < 25)
            let own = try codes("", key)
            #expect(try own.count == 20 && codes("?owner=a", admin) == own && codes("?owner=a", key) == own)
            for (place, code) in own.enumerated() {
                #expect(try codes("?after=\(code)", key) == Array(own[(place + 1)...]))
            }
            #expect(try codes("?owner=b", admin).count == 4 && codes("", other).count == 4)
            let table = try node.connect().export("?format=csv", key: other)
            #expect(table.count == 5 && table[0].hasPrefix("Long URL,Short code,"))
            let long = String(repeating: "x", count: 600)
            for (query, shown, status, code) in [
                ("", nil, 401, "unauthorized"), ("?owner=b", key, 403, "forbidden"),
                ("?after=dead", key, 400, "invalid-query"), ("?after=nothing", key, 400, "invalid-query"),
                ("?after=", key, 400, "invalid-query"), ("?after=", admin, 400, "invalid-query"),
                ("?after=&owner=a", admin, 400, "invalid-query"), ("?after=\(long)", admin, 400, "invalid-query"),
                ("?format=xml", key, 400, "invalid-query"), ("?colour=red", key, 400, "invalid-query"),
            ] as [(String, String?, Int, String)] {
                let fields = shown.map { "Authorization: Bearer \($0)\r\n" } ?? ""
                try client.send(Client.request("GET", "/api/v1/urls/export" + query, fields))
                try client.read().expectProblem(status, code, "\(query)")
            }
            // HEAD tells the same without the links.
            try client.send(Client.request("HEAD", "/api/v1/urls/export", "Authorization: Bearer \(key)\r\n"))
            let head = try LineStream(client)
            #expect(try head.status == 200 && head.rest().isEmpty)
        }

        /// A link that cannot be read is left out, and the end of the stream says so.
        @Test func damagedLinks() throws {
            let first = try RunningNode(RunningNode.withAdmin)
            let key = try first.makeKey("--owner", "a")
            let rows = (0..<3).map { #"{"long_url":"https://example.com/link-\#($0)"}"# }
            _ = try first.connect().importLines(rows, key: key)
            #expect(first.stop() == .exited(0))
            let file = URL(filePath: first.data + "/data.mdb")
            var bytes = try Data(contentsOf: file)
            while let place = bytes.range(of: Data("link-1".utf8)) { bytes[place.lowerBound] = 0x4C }
            try bytes.write(to: file)
            let node = try first.restarted(RunningNode.withAdmin)
            let client = try node.connect()
            try client.send(Client.request("GET", "/api/v1/urls/export", "Authorization: Bearer \(key)\r\n"))
            let stream = try LineStream(client)
            let links = try stream.rest().map { try #require(try LineStream.members($0)["long_url"] as? String) }
            #expect(Set(links) == ["https://example.com/link-0", "https://example.com/link-2"])
            #expect(stream.isWhole && stream.trailer == "Edge-Damaged: 1\r\n")
            let exported = try Finished(["export", "--server", node.url, "--key-file", keyFile(node, key)])
            #expect(exported.ending == .exited(1) && exported.output.split(separator: "\n").count == 2)
            #expect(exported.error.contains("1 links are damaged"), "\(exported.error)")
        }

        /// Nothing is read for who takes nothing, and others are served.
        @Test func slowReader() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            let key = try node.makeKey("--scopes", "admin")
            // Some megabytes: more than the system holds for a client that takes nothing.
            let title = String(repeating: "x", count: 500)
            let tags = (10..<26).map { number in "\"\(number)" + String(repeating: "x", count: 62) + "\"" }
                .joined(separator: ",")
            let rows = (0..<2000).map {
                #"{"long_url":"https://example.com/\#($0)","title":"\#(title)","tags":[\#(tags)]}"#
            }
            let file = node.directory.write(rows.joined(separator: "\n"), to: "links")
            let imported = try Finished(
                ["import", "ndjson", file, "--server", node.url, "--key-file", keyFile(node, key)])
            #expect(imported.ending == .exited(0), "\(imported.error)")
            let client = try node.connect(receiveBytes: 4096)
            try client.send(Client.request("GET", "/api/v1/urls/export", "Authorization: Bearer \(key)\r\n"))
            let stream = try LineStream(client)
            for _ in 0..<10 { #expect(try stream.next() != nil) }
            #expect(try node.child.privateBytes < 256 << 20)
            let other = try node.connect()
            _ = try other.create("https://example.com/")
            let lines = try stream.rest()
            #expect(lines.count + 10 >= 2000 && stream.isWhole)
        }
    }
}
