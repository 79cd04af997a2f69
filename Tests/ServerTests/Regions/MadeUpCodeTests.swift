import Glibc
import Primitives
import Testing

extension NodeTests.Regions {
    /// Codes that nobody made.
    @Suite struct MadeUpCodes {
        /// A scanner learns nothing and costs other regions nothing: of a million codes none, or one by chance, lies between
        /// what is here and a ceiling. That is known after a restart, too.
        @Test func aMillionSendNothing() throws {
            let cluster = try Cluster(2)
            let writer = try cluster.node(0).connect()
            try cluster.wait("numbers are given out") { try writer.create("https://example.com/").utf8.count == 7 }
            try cluster.converge()
            cluster.stop(1)
            let node = try cluster.start(1)
            try cluster.converge()
            let client = try node.connect()
            var random = SeededRandom(seed: 8)
            let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
            func request() -> String {
                // Of each three one has the length of a Snowflake.
                let length = Int.random(in: 0..<3, using: &random) == 0 ? 11 : 6
                let body = (0..<length).map { _ in alphabet[Int.random(in: 0..<62, using: &random)] }
                return Client.request("GET", "/1" + String(decoding: body, as: UTF8.self))
            }
            try client.send(request())
            #expect(try client.read().status == 404)
            var (sent, answered) = (0, 0)
            while sent < 1_000_000 {
                try client.send((0..<1000).map { _ in request() }.joined())
                sent += 1000
                answered += try Self.count(1000, on: client)
            }
            #expect(answered == sent)
            let (asked, impossible) = (
                try node.metric("edge_replication_lookups_asked_total"),
                try node.metric("edge_impossible_codes_total")
            )
            #expect(asked <= 3, "seed 8: \(asked) questions")
            #expect(impossible >= 600_000, "\(impossible)")
            #expect(try cluster.node(0).metric("edge_replication_lookups_answered_total") <= 3)
        }

        /// Reads so many answers, all of which are 404; how many they were.
        private static func count(_ expected: Int, on client: Client) throws -> Int {
            var (count, tail): (Int, [UInt8]) = (0, [])
            let mark = Array("HTTP/1.1 404 ".utf8)
            let deadline = Deadline()
            // The rest of the last answer comes before the first one of the next thousand.
            while count < expected {
                guard deadline.wait(client.descriptor, for: POLLIN) else { throw HarnessError("no answers") }
                var bytes = [UInt8](repeating: 0, count: 1 << 18)
                let received = recv(client.descriptor, &bytes, bytes.count, 0)
                guard received > 0 else { throw HarnessError("the connection ended") }
                let all = tail + bytes[..<received]
                all.withUnsafeBytes { all in
                    let (start, end) = (all.baseAddress!, all.count - mark.count + 1)
                    var place = 0
                    while place < end, let found = memchr(start + place, Int32(mark[0]), end - place) {
                        let isMark = memcmp(found, mark, mark.count) == 0
                        count += isMark ? 1 : 0
                        place = UnsafeRawPointer(found) - start + (isMark ? mark.count : 1)
                    }
                }
                tail = Array(all.suffix(mark.count - 1))
            }
            return count
        }
    }
}
