import COpenSSL
import Glibc
import Server
import Testing

extension NodeTests.HTTPS {
    /// All that HTTP does, it does over TLS.
    @Suite struct Requests {
        private static let hsts = "max-age=31536000; includeSubDomains"

        @Test func answers() throws {
            let site = SecureSite("a")
            let log = site.directory.path + "/access.log"
            let node = try RunningNode(
                site.flags("a") + ["--access_log", log, "--hsts", "365d includeSubDomains"], in: site.directory)
            let (client, plain) = (try SecureClient(open: node), try node.connect())
            let code = try client.create("https://example.com/")
            // From the store and from the cache, by the API, by the worker, and refused.
            for _ in 0..<2 {
                #expect(try client.get("/\(code)")["location"] == "https://example.com/")
                #expect(try client.get("/\(code)", method: "HEAD").status == 302)
            }
            for (target, status) in [
                ("/\(code)", 302), ("/\(code)+", 200), ("/missing", 404), ("/health", 200), ("/a/b", 404),
                ("/api/v1/urls/\(code)", 200),
            ] {
                let answers = (try client.get(target), try plain.get(target))
                #expect(answers.0.status == status && answers.1.status == status, "\(target)")
                // Only where it means something (RFC 6797 7.2).
                #expect(answers.0["strict-transport-security"] == Self.hsts, "\(target)")
                #expect(answers.1["strict-transport-security"] == nil, "\(target)")
            }
            let bad = try SecureClient(open: node)
            try bad.send("nonsense\r\n\r\n")
            let refused = try bad.read()
            #expect(refused.status == 400 && refused["strict-transport-security"] == Self.hsts)
            #expect(try bad.readToEnd() == "" && bad.hasEndedInOrder)
            #expect(node.stop() == .exited(0))
            let lines = try readText(log).split(separator: "\n")
            #expect(lines.count { $0.hasSuffix(" tls=1.3") } == 12 && lines.count { !$0.contains(" tls=") } == 6)
        }

        @Test func off() throws {
            let node = try SecureSite.node()
            #expect(try SecureClient(open: node).get("/health")["strict-transport-security"] == nil)
            #expect(try RunningNode().tlsPort == 0)
        }

        /// Many requests in one record, and each byte of what is sent on its own, from the handshake on.
        @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION]) func pieces(version: Int32) throws {
            let node = try SecureSite.node()
            let client = try SecureClient(to: node, SecureClient.Settings(versions: version...version))
            while SSL_do_handshake(client.connection) != 1 {
                for byte in client.takeOutput() { try client.client.send([byte]) }
                #expect(try client.pull())
            }
            client.seal(Client.request("GET", "/health"))
            for byte in client.takeOutput() { try client.client.send([byte]) }
            #expect(try client.read().status == 200)
            let code = try client.create("https://example.com/")
            // At each place of two records with three requests, of which one begins in the one and ends in the other.
            let requests = Client.request("GET", "/\(code)") + Client.request("GET", "/health")
            let half = Client.request("HEAD", "/none")
            var place = 0
            while true {
                client.seal(requests + half.prefix(7))
                client.seal(String(half.dropFirst(7)))
                let bytes = client.takeOutput()
                guard place <= bytes.count else { break }
                try client.client.send(Array(bytes[..<place]))
                // What came before is read by now, because another connection's request is answered.
                if place % 16 == 0 { #expect(try node.connect().get("/health").status == 200) }
                try client.client.send(Array(bytes[place...]))
                #expect(try client.read()["location"] == "https://example.com/")
                #expect(try client.read().status == 200)
                #expect(try client.read(isHead: true).status == 404)
                place += 1
            }
            #expect(place > 100)
        }

        /// A batch of requests has its answers in one record.
        @Test func batch() throws {
            let node = try SecureSite.node()
            let client = try SecureClient(open: node)
            let code = try client.create("https://example.com/")
            #expect(try client.get("/\(code)").status == 302)
            try client.send(String(repeating: Client.request("GET", "/\(code)"), count: 16))
            #expect(try client.pull())
            var buffer = [UInt8](repeating: 0, count: 16_384)
            let count = SSL_read(client.connection, &buffer, Int32(buffer.count))
            let text = String(decoding: buffer[..<max(0, Int(count))], as: UTF8.self)
            #expect(text.matches(of: /HTTP\/1\.1 302/).count == 16)
        }

        /// Answers that nobody takes wait, and are whole when they are taken.
        @Test func slowReader() throws {
            let node = try SecureSite.node()
            let url = "https://example.com/" + String(repeating: "a", count: 2028)
            let code = try SecureClient(open: node).create(url)
            let client = try SecureClient(open: node, SecureClient.Settings(receiveBytes: 4096))
            for _ in 0..<1000 { client.seal(Client.request("GET", "/\(code)")) }
            var bytes = client.takeOutput()[...]
            while case let count = try client.client.sendSome(bytes), count > 0 { bytes = bytes.dropFirst(count) }
            #expect(try node.connect().get("/health").status == 200)
            var read = 0
            while read < 1000 {
                bytes = bytes.dropFirst(try bytes.isEmpty ? 0 : client.client.sendSome(bytes))
                #expect(try client.read()["location"] == url)
                read += 1
            }
        }

        /// Bodies that are too long, and ones that are told of before.
        @Test func bodies() throws {
            let node = try SecureSite.node()
            let client = try SecureClient(open: node)
            try client.send(
                Client.request(
                    "POST", "/api/v1/urls", "Content-Type: application/json\r\nContent-Length: 9999999999\r\n"))
            #expect(try client.read().status == 413)
            #expect(try client.readToEnd() == "" && client.hasEndedInOrder)
            let patient = try SecureClient(open: node)
            let body = #"{"long_url":"https://example.com/"}"#
            let fields =
                "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n"
            try patient.send(Client.request("POST", "/api/v1/urls", fields))
            try patient.read(until: "HTTP/1.1 100 Continue\r\n\r\n")
            try patient.send(body)
            try patient.read(until: "HTTP/1.1 201 Created\r\n")
        }

        /// The node says that it is done before it closes; what was cut on the way to it counts for nothing.
        @Test func ends() throws {
            let node = try SecureSite.node(["--idle_timeout", "1s"])
            let asked = try SecureClient(open: node)
            try asked.send(Client.request("GET", "/health", "Connection: close\r\n"))
            #expect(try asked.readToEnd().hasPrefix("HTTP/1.1 200") && asked.hasEndedInOrder)
            let idle = try SecureClient(open: node)
            #expect(try idle.readToEnd() == "" && idle.hasEndedInOrder)
            // A client that has said its end gets what it is owed.
            let last = try SecureClient(open: node)
            last.seal(Client.request("GET", "/health") + Client.request("GET", "/health"))
            try last.sayEnd()
            #expect(try last.readToEnd().matches(of: /HTTP\/1\.1 200/).count == 2 && last.hasEndedInOrder)
            // One that was cut within a request gets nothing, and nothing is made.
            let cut = try SecureClient(open: node)
            try cut.send(String(Client.creation("https://example.com/", #"/shorten"#).dropLast()))
            cut.client.endSending()
            #expect(try cut.readToEnd() == "")
            // A record that was changed on the way is answered with an alert, and with nothing else.
            let changed = try SecureClient(open: node)
            changed.seal(Client.request("GET", "/health"))
            var bytes = changed.takeOutput()
            bytes[bytes.count - 1] ^= 1
            try changed.client.send(bytes)
            #expect(try changed.readToEnd() == "" && changed.failure == "sslv3 alert bad record mac")
        }

        /// A drain ends connections in order.
        @Test func drain() throws {
            let node = try SecureSite.node()
            let client = try SecureClient(open: node)
            #expect(try client.get("/health").status == 200)
            #expect(node.stop() == .exited(0))
            #expect(try client.readToEnd() == "" && client.hasEndedInOrder)
        }

        /// A part of a record is a part of a request: it has a head's time.
        @Test func halfRecord() throws {
            let node = try SecureSite.node(["--head_timeout", "100ms", "--idle_timeout", "1h"])
            let client = try SecureClient(open: node)
            client.seal(Client.request("GET", "/health"))
            try client.client.send(Array(client.takeOutput().dropLast()))
            #expect(try client.read().status == 408)
            #expect(try client.readToEnd() == "" && client.hasEndedInOrder)
        }
    }

    /// Connections that leave their worker.
    @Suite struct Streams {
        private func line(_ number: Int) -> String {
            #"{"long_url":"https://example.com/\#(number)","short_code":"name-\#(number)"}"# + "\n"
        }

        private let head = Client.request(
            "POST", Client.importTarget, "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n")

        /// Behind an answer of before, turn by turn, with new keys on the way; the end is said in order.
        @Test func importing() throws {
            let node = try SecureSite.node(["--hsts", "1d"])
            let client = try SecureClient(open: node)
            try client.send(Client.request("GET", "/health") + head)
            for number in 0..<5 {
                if number == 3 { #expect(SSL_key_update(client.connection, SSL_KEY_UPDATE_REQUESTED) == 1) }
                try client.send(Client.chunk(line(number)))
                try client.read(until: "\"line\":\(number + 1)")
            }
            let many = (5..<2000).map { line($0) }.joined()
            try client.send(Client.chunk(many) + "0\r\n\r\n")
            let text = try client.readToEnd()
            #expect(text.matches(of: /"status":"created"/).count == 2000)
            #expect(text.hasSuffix("0\r\n\r\n") && client.hasEndedInOrder)
            #expect(text.matches(of: /Strict-Transport-Security: max-age=86400\r\n/).count == 2)
            #expect(try node.connect().get("/name-1999").status == 302)
        }

        /// Where the end of the body is missing, so is the end of the answer, in HTTP and in TLS.
        @Test func cut() throws {
            let node = try SecureSite.node()
            let client = try SecureClient(open: node)
            try client.send(head + Client.chunk(line(1)))
            try client.read(until: "\"line\":1")
            client.client.endSending()
            #expect(try !client.readToEnd().hasSuffix("0\r\n\r\n") && !client.hasEndedInOrder && client.hasClosed)
            let drained = try SecureClient(open: node)
            try drained.send(head + Client.chunk(line(2)))
            try drained.read(until: "\"line\":1")
            #expect(try node.stopDrained())
            #expect(try !drained.readToEnd().hasSuffix("0\r\n\r\n") && !drained.hasEndedInOrder)
        }

        /// More than any buffer holds, to a client that is slow to take it.
        @Test func exporting() throws {
            let node = try SecureSite.node(RunningNode.withAdmin)
            let key = try node.makeKey("--scopes", "admin")
            let lines = (0..<3000).map { String(line($0).dropLast()) }
            #expect(try node.connect().importLines(lines, key: key).count == 3000)
            let client = try SecureClient(open: node, SecureClient.Settings(receiveBytes: 4096))
            try client.send(Client.request("GET", "/api/v1/urls/export", "Authorization: Bearer \(key)\r\n"))
            let text = try client.readToEnd()
            #expect(text.matches(of: /"short_code":"name-\d+"/).count == 3000)
            #expect(text.hasSuffix("0\r\n\r\n") && client.hasEndedInOrder)
        }
    }
}
