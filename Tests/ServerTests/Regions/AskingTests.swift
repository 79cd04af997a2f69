import Glibc
import Links
import Primitives
import Replication
import Testing
import lab

@testable import Store

extension NodeTests.Regions {
    /// A code that is not here, and whose number lies below its node's ceiling: that node is asked. It is one that answers as
    /// the test wants.
    @Suite struct Asking {
        private static let ceiling: UInt64 = 1000
        private static let unused: UInt64 = 1

        private final class Late { var count = 0.0 }

        /// A node of the first region, and the author of the third one's codes, of which nothing has come.
        struct Subject {
            let cluster: Cluster
            let node: RunningNode
            let peer: FalsePeer
            var log: FalseLog
            private var askedBefore = 0.0
            private let late = Late()
            let space: CodeSpace

            /// `prepare`: what is done to the first node's directory, in which one has run.
            init(timeout: String = "1s", _ flags: [String] = [], prepare: ((String) throws -> Void)? = nil) throws {
                cluster = try Cluster(3, ["--read_your_writes_timeout", timeout] + flags, starts: false)
                if let prepare {
                    try cluster.start(0)
                    cluster.stop(0)
                    try prepare(cluster.data(0))
                }
                node = try cluster.start(0)
                peer = try FalsePeer(of: cluster, to: 0)
                peer.hello.secretCheck = try FalsePeer.greeting(of: cluster, 0).secretCheck
                log = FalseLog(of: peer.hello.origin)
                let regions = (1...3).map { RegionCharacter(UInt8(ascii: "0") + $0)! }
                space = CodeSecret.space(CodeSecret.stored(Array(Cluster.secret("code").utf8)), regions)
                var row = OriginState(origin: peer.hello.origin)
                row.ceiling = Asking.ceiling
                _ = try peer.join(rows: [row])
                // The store knows of the ceiling once something is asked, of a link that no test has.
                let first = "/" + code(Asking.unused)
                try cluster.wait("the ceiling is known") { [node] in
                    _ = try node.connect().get(first)
                    return try node.metric("edge_replication_lookups_asked_total") > 0
                }
                askedBefore = try asked(since: 0)
            }

            static func key(_ counter: UInt64) -> LinkKey {
                .generated(
                    region: UInt8(ascii: "3"), node: 0, number: GeneratedNumber.number(counter: counter, node: 0))
            }

            func code(_ counter: UInt64) -> String { space.text(of: Self.key(counter)) }

            /// The link's record, as a node gives it.
            func record(
                _ counter: UInt64, of other: UInt64? = nil, aheadMilliseconds: Int64 = 0, flags: LinkBody.Flags = []
            ) -> [UInt8] {
                record(
                    Self.key(other ?? counter), Self.destination(counter), aheadMilliseconds: aheadMilliseconds,
                    flags: flags)
            }

            func record(
                _ link: LinkKey, _ destination: String, aheadMilliseconds: Int64 = 0, flags: LinkBody.Flags = []
            ) -> [UInt8] {
                var (bytes, key, value): ([UInt8], [UInt8], [UInt8]) = ([1], [], [])
                link.encode(into: &key)
                var body = LinkBody()
                body.destination = flags.contains(.deleted) ? [] : Array(destination.utf8)
                body.flags = flags
                let stamp = UInt64(Int64(time(nil)) * 1000 + aheadMilliseconds) << 16
                if flags.contains(.deleted) {
                    body.creation = Creation(stamp: stamp, origin: log.origin)
                }
                body.encode(into: &value)
                bytes.append(lengthPrefixed: key)
                bytes.append(bigEndian: stamp)
                log.origin.encode(into: &bytes)
                bytes.append(lengthPrefixed: value)
                return bytes
            }

            static func destination(_ counter: UInt64) -> String { "https://asked.example/\(counter)" }

            /// The next question.
            func question() throws -> (wanted: LinkRequest, number: UInt32) {
                while let (frame, number) = try peer.receiveRequest() {
                    guard case .linkRequest(let wanted) = frame, wanted.code != Array(code(Asking.unused).utf8) else {
                        continue
                    }
                    return (wanted, number)
                }
                throw HarnessError("the node asked nothing")
            }

            func answer(_ answer: LinkAnswer) throws {
                try peer.send(.linkAnswer(answer), request: try question().number)
            }

            /// What the node answers, once its question has this answer.
            func get(_ counter: UInt64, _ answer: LinkAnswer, path: String = "/") throws -> Answer {
                try get(path + code(counter), answer)
            }

            /// Once more where this process was too late with its answer.
            func get(_ path: String, _ answer: LinkAnswer) throws -> Answer {
                let client = try node.connect()
                for _ in 0..<20 {
                    let before = try unreachable()
                    try client.send(Client.request("GET", path))
                    try self.answer(answer)
                    let answered = try client.read()
                    guard try unreachable() > before else { return answered }
                    late.count += 1
                }
                throw HarnessError("this process is always too late")
            }

            func asked() throws -> Double { try asked(since: askedBefore) - late.count }

            private func asked(since before: Double) throws -> Double {
                try node.metric("edge_replication_lookups_asked_total") - before
            }

            func unreachable() throws -> Double {
                try node.metric("edge_remote_lookups_total{result=\"unreachable\"}")
            }
        }

        /// A preview asks as a redirect does.
        @Test func preview() throws {
            let subject = try Subject()
            let path = "/\(subject.code(7))+"
            let page = try subject.get(path, LinkAnswer(.here, record: subject.record(7)))
            #expect(page.status == 200 && page.text.contains(Subject.destination(7)), "\(page.text)")
            try subject.get(path, LinkAnswer(.notHere)).expectProblem(404, "not-found")
        }

        /// Found there, kept here, and gone from the cache when its entry arrives.
        @Test func found() throws {
            var subject = try Subject()
            let first = try subject.get(5, LinkAnswer(.here, record: subject.record(5)))
            #expect(
                first.status == 302 && first["location"] == Subject.destination(5) && first["x-served-by"] == "origin")
            let client = try subject.node.connect()
            let second = try client.get("/\(subject.code(5))")
            #expect(second.status == 302 && second["x-served-by"] == "l1")
            #expect(try subject.asked() == 1)
            let shown = try subject.get(6, LinkAnswer(.here, record: subject.record(6)), path: "/api/v1/urls/")
            #expect(try shown.status == 200 && shown.string("long_url") == Subject.destination(6))
            subject.log.add(Subject.key(5), "https://changed.example/")
            try subject.peer.send(.entries(subject.log.frame()))
            try subject.cluster.wait("the entry's own destination is served") {
                try client.get("/\(subject.code(5))")["location"] == "https://changed.example/"
            }
        }

        /// That nothing is there is never kept: the link may be made a moment later.
        @Test func absentIsNotKept() throws {
            let subject = try Subject()
            for path in ["/", "/api/v1/urls/"] {
                for _ in 0..<2 {
                    let answer = try subject.get(5, LinkAnswer(.notHere), path: path)
                    #expect(answer.status == 404 && answer["cache-control"] == "no-store")
                }
            }
            #expect(try subject.get(5, LinkAnswer(.here, record: subject.record(5))).status == 302)
        }

        /// Its entry comes while the question is on its way, and the answer is from before.
        @Test func anEntryOvertakesTheAnswer() throws {
            var subject = try Subject()
            let client = try subject.node.connect()
            try client.send(Client.request("GET", "/" + subject.code(5)))
            let question = try subject.question()
            subject.log.add(Subject.key(5), Subject.destination(5))
            try subject.peer.send(.entries(subject.log.frame()))
            try subject.peer.send(.linkAnswer(LinkAnswer(.notHere)), request: question.number)
            let first = try client.read()
            #expect([302, 404].contains(first.status))
            try subject.cluster.wait("the entry is here") {
                try subject.node.standing.logs.contains { $0.origin == "\(subject.log.origin)" && $0.head == 1 }
            }
            // Whatever that answer was, no cache keeps it.
            #expect(try client.get("/" + subject.code(5)).status == 302)
        }

        /// Its entry comes while a worker waits for a page, with a snapshot of before: what that has not is looked for
        /// again.
        @Test func anEntryOvertakesTheSnapshot() throws {
            var slow: SlowFile?
            defer { slow?.end() }
            var subject = try Subject(["--lookups", "inline"]) {
                slow = try SlowFile($0 + "/data.mdb", readMilliseconds: 0, readsAhead: false)
            }
            defer { subject.cluster.stop(0) }
            let storage = try #require(slow)
            func tell(_ counters: some Sequence<UInt64>) throws {
                for counter in counters { subject.log.add(Subject.key(counter), Subject.destination(counter)) }
                try subject.peer.send(.entries(subject.log.frame()))
                let head = UInt64(subject.log.entries.count)
                try subject.cluster.wait("the entries are here") {
                    try subject.node.standing.logs.contains { $0.origin == "\(subject.log.origin)" && $0.head == head }
                }
            }
            // Numbers ascend, so the first ones' page is not touched any more; all that the writer needs is.
            try tell(10..<300)
            storage.forgetPages()
            try tell(300..<900)
            let client = try subject.node.connect()
            storage.hold()
            let (cold, coming) = (subject.code(10), subject.code(950))
            try client.send(Client.request("GET", "/" + cold) + Client.request("GET", "/" + coming))
            try subject.cluster.wait("the worker waits") { storage.waitingCount > 0 }
            try tell(CollectionOfOne(950))
            storage.release()
            #expect(try client.read()["location"] == Subject.destination(10))
            #expect(try client.read()["location"] == Subject.destination(950))
        }

        /// Its entry comes while the question is on its way, and tells of an earlier creation than the answer does.
        @Test func anEntryStandsOverAnAnswer() throws {
            var subject = try Subject()
            let client = try subject.node.connect()
            try client.send(Client.request("GET", "/" + subject.code(5)))
            let question = try subject.question()
            subject.log.add(Subject.key(5), "https://first.example/")
            try subject.peer.send(.entries(subject.log.frame()))
            try subject.cluster.wait("the entry is here") {
                try subject.node.standing.logs.contains { $0.origin == "\(subject.log.origin)" && $0.head == 1 }
            }
            let told = LinkAnswer(.here, record: subject.record(5, aheadMilliseconds: 30_000))
            try subject.peer.send(.linkAnswer(told), request: question.number)
            #expect(try client.read()["location"] == "https://first.example/")
        }

        @Test func deleted() throws {
            let subject = try Subject()
            let record = subject.record(5, flags: .deleted)
            #expect(try subject.get(5, LinkAnswer(.here, record: record)).status == 410)
            #expect(
                try subject.get(6, LinkAnswer(.here, record: subject.record(6, flags: .deleted)), path: "/api/v1/urls/")
                    .status == 410)
        }

        /// What may be an alias is asked for too, and that it is nowhere is not kept; what cannot be one is not asked for.
        @Test func aliases() throws {
            var subject = try Subject()
            for path in ["/", "/api/v1/urls/"] {
                for _ in 0..<2 {
                    #expect(try subject.get(path + "a-name", LinkAnswer(.notHere)).status == 404)
                }
                let record = subject.record(.alias(Array("a-name".utf8)), "https://named.example/")
                let found = try subject.get(path + "a-name", LinkAnswer(.here, record: record))
                #expect(found.status == (path == "/" ? 302 : 200))
            }
            let client = try subject.node.connect()
            #expect(try client.get("/a-name")["x-served-by"] == "l1")
            subject.log.add(.alias(Array("a-name".utf8)), "https://changed.example/")
            try subject.peer.send(.entries(subject.log.frame()))
            try subject.cluster.wait("the entry's own destination is served") {
                try client.get("/a-name")["location"] == "https://changed.example/"
            }
            let before = try subject.asked()
            // Reserved, too short, and with the shape of a generated code of this cluster.
            for code in ["ab", "a.name", "1abcdef"] {
                #expect(try client.get("/" + code).status == 404, "\(code)")
            }
            #expect(try subject.asked() == before)
        }

        /// What the visitor asks with goes on to a destination that another node tells, and to the one that is kept here.
        @Test func forwardsTheQuery() throws {
            let subject = try Subject()
            let told = LinkAnswer(.here, record: subject.record(5, flags: .forwardsQuery))
            let first = try subject.get("/\(subject.code(5))?a=1", told)
            #expect(first.status == 302 && first["x-served-by"] == "origin", "\(first.fields)")
            #expect(first["location"] == Subject.destination(5) + "?a=1")
            let second = try subject.node.connect().get("/\(subject.code(5))?b=2")
            #expect(second["location"] == Subject.destination(5) + "?b=2")
        }

        /// Another link's record, one of another minute, and no record at all change nothing.
        @Test func malformed() throws {
            let subject = try Subject()
            let records = [subject.record(5, of: 6), subject.record(5, aheadMilliseconds: 120_000), [1, 2, 3]]
            for record in records { #expect(try subject.get(5, LinkAnswer(.here, record: record)).status == 404) }
            #expect(try subject.node.metric("edge_remote_lookups_malformed_total") == 3)
            #expect(try subject.get(5, LinkAnswer(.here, record: subject.record(5))).status == 302)
        }

        /// What nobody asked for changes nothing, and ends nothing.
        @Test func answersWithoutAQuestion() throws {
            let subject = try Subject()
            try subject.peer.send(.linkAnswer(LinkAnswer(.notHere)), request: 0)
            try subject.peer.send(.linkAnswer(LinkAnswer(.notHere)), request: 77)
            #expect(try subject.get(5, LinkAnswer(.here, record: subject.record(5))).status == 302)
        }

        /// It never answers, and then it is gone.
        @Test func silentAndDead() throws {
            let subject = try Subject()
            let before = try subject.unreachable()
            let client = try subject.node.connect()
            try client.send(Client.request("GET", "/" + subject.code(5)))
            _ = try subject.question()
            #expect(try client.read().status == 404)
            try client.send(Client.request("GET", "/" + subject.code(6)))
            _ = try subject.question()
            // What ends the connection.
            try subject.peer.send(.state(PeerState(credit: 0, rows: [])))
            #expect(try client.read().status == 404)
            #expect(try subject.unreachable() - before == 2)
            #expect(try client.get("/" + subject.code(7)).status == 404)
        }

        /// Above the ceiling nothing is asked.
        @Test func impossible() throws {
            let subject = try Subject()
            #expect(try subject.node.connect().get("/" + subject.code(Asking.ceiling)).status == 404)
            #expect(try subject.asked() == 0)
        }

        /// A node that could not know how far its numbers went hands out Snowflakes; they too work elsewhere at once.
        @Test func snowflakes() throws {
            let cluster = try Cluster(3, starts: false)
            try cluster.start(0)
            try cluster.start(1)
            try cluster.converge()
            let (here, there) = (try cluster.node(0).connect(), try cluster.node(1).connect())
            cluster.setFaults { $0.delayMilliseconds = 20 }
            var missing = 0
            for number in 0..<50 {
                let code = try here.create("https://example.com/\(number)")
                #expect(code.utf8.count == 12)
                if try there.get("/\(code)").status != 302 { missing += 1 }
            }
            // On a machine that has too much to do an answer may come too late, and nothing else may go wrong.
            let node = cluster.node(1)
            #expect(try Double(missing) <= node.metric("edge_remote_lookups_total{result=\"unreachable\"}"))
            #expect(missing <= 10)
            #expect(try cluster.node(1).metric("edge_replication_lookups_asked_total") >= 1)
        }
    }
}
