import Foundation
import Glibc
import Testing

extension NodeTests {
    /// Connections that have left their worker: how they are read, written and ended.
    @Suite struct StreamedRequests {
        private func line(_ number: Int) -> String {
            #"{"long_url":"https://example.com/\#(number)","short_code":"name-\#(number)"}"# + "\n"
        }

        /// Who waits for a result before it sends the next row gets it.
        @Test func turnByTurn() throws {
            let node = try RunningNode()
            let client = try node.connect()
            try client.beginImport()
            try client.sendChunk(line(0))
            let stream = try LineStream(client)
            for number in 1..<20 {
                #expect(try LineStream.members(#require(try stream.next()))["line"] as? Int == number)
                try client.sendChunk(line(number))
            }
            try client.send("0\r\n\r\n")
            #expect(try stream.rest().count == 1 && stream.isWhole)
            // It closes, and answers nothing else.
            #expect(stream.head.contains("Connection: close") && stream.head.contains("Transfer-Encoding: chunked"))
        }

        /// However a body is framed, and whatever stands before and behind it.
        @Test func framing() throws {
            let node = try RunningNode()
            let type = "Content-Type: application/x-ndjson\r\n"
            let body = line(1)
            let client = try node.connect()
            // Behind an answer that is sent first.
            try client.send(
                Client.request("GET", "/health")
                    + Client.request("POST", Client.importTarget, type + "Content-Length: \(body.utf8.count)\r\n")
                    + body
                    + Client.request("GET", "/health"))
            #expect(try LineStream(client, behind: 1).results().map(verdict) == ["created"])
            // It is told to send.
            let patient = try node.connect()
            try patient.send(
                Client.request(
                    "POST", Client.importTarget, type + "Expect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n"
                ))
            let told = try LineStream(patient)
            try patient.send(body)
            #expect(try told.continueCount == 1 && told.results().map(verdict) == ["exists"])
            // No body at all.
            let empty = try node.connect()
            try empty.send(Client.request("POST", Client.importTarget, type + "Content-Length: 0\r\n"))
            let nothing = try LineStream(empty)
            #expect(try nothing.rest().isEmpty && nothing.isWhole)
            // Chunks are nothing for HTTP/1.0.
            let old = try node.connect()
            try old.send(
                "POST \(Client.importTarget) HTTP/1.0\r\n\(type)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            let plain = try LineStream(old)
            #expect(
                plain.head.contains("Connection: close") && !plain.head.contains { $0.hasPrefix("Transfer-Encoding") })
        }

        /// A body whose framing is wrong, or that ends early: rows that came whole are made, and the answer is cut.
        @Test func brokenBodies() throws {
            let node = try RunningNode()
            for (number, rest) in ["xyz\r\n", "5\r\nabc"].enumerated() {
                let client = try node.connect()
                try client.beginImport()
                try client.send(Client.chunk(line(number)) + rest)
                client.endSending()
                let stream = try LineStream(client)
                #expect(try stream.results().map(verdict).allSatisfy { $0 == "created" } && !stream.isWhole)
            }
            try attempt("the rows are there") { try node.connect().get("/name-1").status == 302 }
        }

        /// Whoever takes no results is not read from, and holds no more than the system's buffers and two of the node's.
        @Test func slowReader() throws {
            let node = try RunningNode()
            let client = try node.connect(receiveBytes: 4096)
            try client.beginImport()
            let rows = (0..<200).map { _ in #"{"long_url":""}"# + "\n" }.joined()
            let chunk = Array(Client.chunk(rows).utf8)
            var (sent, rest) = (0, chunk[...])
            // Until nothing goes for a while: then both directions are full.
            let bound = 64 << 20
            while sent < bound {
                let count = try client.sendSome(rest)
                sent += count
                rest = rest.dropFirst(count)
                if rest.isEmpty { rest = chunk[...] }
                if count == 0 {
                    var readiness = pollfd(fd: client.descriptor, events: Int16(POLLOUT), revents: 0)
                    if poll(&readiness, 1, 3000) == 0 { break }
                }
            }
            #expect(sent < bound, "the node read \(sent) bytes while nobody took its results")
            #expect(try node.child.privateBytes < 256 << 20)
            // Others are served.
            let other = try node.connect()
            #expect(try other.get("/health").status == 200)
            _ = try other.create("https://example.com/")
            // Once they are taken, all of it goes on.
            let stream = try LineStream(client)
            for _ in 0..<1000 { #expect(try stream.next() != nil) }
        }

        /// So many of one client; one more is refused, until another ends.
        @Test func tooMany() throws {
            let node = try RunningNode(RunningNode.withAdmin)
            var clients = try (0..<8).map { _ in try node.connect() }
            for (number, client) in clients.enumerated() {
                try client.beginImport()
                try client.sendChunk(line(number))
                #expect(try LineStream(client).next() != nil)
            }
            #expect(try node.connectToAdmin().get("/metrics").text.sample("edge_streams") == 8)
            let refused = try node.connect()
            try refused.beginImport()
            let answer = try refused.read()
            answer.expectProblem(503, "overloaded")
            #expect(answer["retry-after"] != nil && answer["connection"] == "close")
            // Another client has places of its own.
            let key = try node.makeKey()
            #expect(try node.connect().importLines([line(20)], key: key).map(verdict) == ["created"])
            clients.removeLast()
            try attempt("there is a place again", times: 1000) {
                let client = try node.connect()
                try client.beginImport()
                try client.send("0\r\n\r\n")
                return try LineStream(client).status == 200
            }
        }

        /// A client that sends nothing for the time that a body may take.
        @Test func silence() throws {
            let node = try RunningNode(RunningNode.withAdmin + ["--body_timeout", "1s"])
            let client = try node.connect()
            try client.beginImport()
            try client.sendChunk(line(1))
            let stream = try LineStream(client)
            #expect(try stream.results().map(verdict) == ["created"] && !stream.isWhole)
            try attempt("its place is free", times: 1000) {
                try node.connectToAdmin().get("/metrics").text.sample("edge_streams") == 0
            }
        }

        /// A drain ends streams that wait for their clients; what had begun is told of.
        @Test func drain() throws {
            let node = try RunningNode()
            let client = try node.connect()
            try client.beginImport()
            try client.sendChunk(line(1))
            let stream = try LineStream(client)
            #expect(try stream.next() != nil)
            #expect(try node.stopDrained())
            #expect(try stream.rest().isEmpty && !stream.isWhole)
            #expect(try node.restarted().connect().get("/name-1").status == 302)
        }
    }
}
