import Glibc
import Testing

/// The answer to a request for a stream, chunk by chunk.
final class ChangeStream {
    let head: String
    private let descriptor: Int32
    /// Lives as long.
    private let node: RunningNode
    private var buffer: [UInt8] = []
    private var content: [UInt8] = []
    /// The last chunk has come.
    private(set) var hasEnded = false

    init(of node: RunningNode, key: String, after: String? = nil, receiveBytes: Int32? = nil) throws {
        self.node = node
        let client = try node.connect(receiveBytes: receiveBytes)
        descriptor = dup(client.descriptor)
        let target = "/api/v1/changes?stream=true" + (after.map { "&after=\($0)" } ?? "")
        try client.send(Client.request("GET", target, "Authorization: Bearer \(key)\r\n"))
        let deadline = Deadline()
        while true {
            if let end = Answer.headEnd(buffer[...]) {
                head = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeSubrange(..<end)
                return
            }
            guard try Self.receive(descriptor, &buffer, deadline) else { throw HarnessError("no head") }
        }
    }

    deinit { close(descriptor) }

    /// Says that nothing more will be sent; the stream can still be read.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next line, without its end; nil at the end of the stream.
    func line() throws -> String? {
        let deadline = Deadline()
        while true {
            if let end = content.firstIndex(of: 0x0a) {
                defer { content.removeSubrange(...end) }
                return String(decoding: content[..<end], as: UTF8.self)
            }
            if hasEnded { return nil }
            guard try takeChunk() || Self.receive(descriptor, &buffer, deadline) else { return nil }
        }
    }

    /// The next change, past empty lines.
    func change() throws -> ToldChange? {
        while let line = try line() { if !line.isEmpty { return try ToldChange(line) } }
        return nil
    }

    private func takeChunk() throws -> Bool {
        guard let end = buffer.firstIndex(of: 0x0a) else { return false }
        let digits = String(decoding: buffer[..<end].dropLast(), as: UTF8.self)
        guard buffer[..<end].last == 0x0d, let size = Int(digits, radix: 16) else { throw HarnessError("no chunk") }
        guard buffer.count >= end + 1 + size + 2 else { return false }
        content += buffer[(end + 1)..<(end + 1 + size)]
        buffer.removeSubrange(..<(end + 1 + size + 2))
        hasEnded = size == 0
        return true
    }

    /// False at the end of the connection.
    private static func receive(_ descriptor: Int32, _ buffer: inout [UInt8], _ deadline: Deadline) throws -> Bool {
        guard deadline.wait(descriptor, for: POLLIN) else { throw HarnessError("nothing more came") }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        buffer += bytes[..<max(0, count)]
        return count > 0
    }
}

extension NodeTests {
    @Suite struct ChangeStreams {
        private func node(_ flags: String...) throws -> (node: RunningNode, client: Client, key: String) {
            let node = try RunningNode(RunningNode.withAdmin + flags)
            return (node, try node.connect(), try node.makeFollowerKey())
        }

        /// What was there, and what comes; and from behind any line again.
        @Test func follows() throws {
            let (node, client, key) = try node()
            var codes = try (0..<5).map { try client.create("https://example.com/\($0)") }
            let stream = try ChangeStream(of: node, key: key)
            #expect(stream.head.hasPrefix("HTTP/1.1 200 OK\r\n") && stream.head.contains("application/x-ndjson"))
            #expect(stream.head.contains("Transfer-Encoding: chunked\r\n"))
            var told: [ToldChange] = []
            for code in codes {
                told.append(try #require(try stream.change()))
                #expect(told.last?.code == code && told.last?.kind == "created")
            }
            for number in 5..<20 {
                codes.append(try client.create("https://example.com/\(number)"))
                told.append(try #require(try stream.change()))
                #expect(told.last?.code == codes.last)
            }
            try node.expect("edge_changes_streams", 1)
            let second = try ChangeStream(of: node, key: key, after: told[11].position)
            for code in codes[12...] { #expect(try second.change()?.code == code) }
            let third = try ChangeStream(of: node, key: key, after: "now")
            let last = try client.create("https://example.com/last")
            for stream in [stream, second, third] { #expect(try stream.change()?.code == last) }
        }

        /// It ends in order when the node does, and the next one goes on where it ended.
        @Test func drained() throws {
            let (node, client, key) = try node()
            _ = try client.create("https://example.com/")
            let stream = try ChangeStream(of: node, key: key)
            let position = try #require(try stream.change()).position
            #expect(node.stop() == .exited(0))
            #expect(try stream.change() == nil && stream.hasEnded)
            let next = try node.restarted(RunningNode.withAdmin)
            let code = try next.connect().create("https://example.com/2")
            #expect(try ChangeStream(of: next, key: key, after: position).change()?.code == code)
        }

        /// A proxy on the way sees that the connection is in use.
        @Test func emptyLines() throws {
            let (node, _, key) = try node()
            let stream = try ChangeStream(of: node, key: key)
            #expect(try stream.line()?.isEmpty == true)
        }

        /// So many of one key, and a place is free again when one has gone.
        @Test func bounded() throws {
            let (node, client, key) = try node()
            var streams = try (0..<8).map { _ in try ChangeStream(of: node, key: key) }
            try client.get("/api/v1/changes?stream=true", key: key).expectProblem(503, "overloaded")
            #expect(try ChangeStream(of: node, key: node.makeFollowerKey()).head.hasPrefix("HTTP/1.1 200"))
            streams.removeLast()
            try node.expect("edge_changes_streams", 7)
            streams.append(try newcomer(node, key))
            // All of them go, and nothing is told of which it could be noticed.
            streams.removeAll()
            try node.expect("edge_changes_streams", 0)
            for _ in 0..<8 { streams.append(try newcomer(node, key)) }
        }

        /// A stream that is let in: the places of those that have gone are free a moment after they are no longer counted.
        private func newcomer(_ node: RunningNode, _ key: String) throws -> ChangeStream {
            let deadline = Deadline()
            while true {
                let stream = try ChangeStream(of: node, key: key)
                if stream.head.hasPrefix("HTTP/1.1 200") { return stream }
                try #require(!deadline.isOver, "\(stream.head)")
            }
        }

        /// Of a client that sends no more nobody can tell whether it has gone: it gets what there is, and the end.
        @Test func endOfSending() throws {
            let (node, client, key) = try node()
            let code = try client.create("https://example.com/")
            let stream = try ChangeStream(of: node, key: key)
            stream.endSending()
            #expect(try stream.change()?.code == code)
            #expect(try stream.change() == nil && stream.hasEnded)
            try node.expect("edge_changes_streams", 0)
        }

        /// Who takes nothing costs a place, no memory, and no one else's time; and is closed.
        @Test func slowFollower() throws {
            let (node, client, key) = try node("--write_timeout", "2s", "--workers", "1")
            let slow = try ChangeStream(of: node, key: key, receiveBytes: 4096)
            let quick = try ChangeStream(of: node, key: key)
            var links = Links()
            // Both have all of it on their way, and the quick one has taken it.
            func create(_ round: Int) throws {
                try links.create(300, on: node, path: "/\(round)" + String(repeating: "a", count: 1500))
                for _ in 0..<300 { #expect(try quick.change() != nil) }
            }
            try create(0)
            let before = try node.child.privateBytes
            for round in 1..<10 { try create(round) }
            #expect(try node.child.privateBytes < before + 32 << 20, "what is not taken stays in the log")
            try links.expect(on: node, only: "/9aaa")
            try node.expect("edge_changes_streams", 1)
            while try slow.line() != nil {}
            #expect(!slow.hasEnded, "it was cut")
            let code = try client.create("https://example.com/last")
            #expect(try quick.change()?.code == code)
        }
    }
}
