import Links
import Primitives
import Replication
import Testing

extension NodeTests.Regions {
    /// Changes that another node has to make, which here says what the test wants.
    @Suite struct Forwarded {
        private typealias Subject = Asking.Subject

        private static let path = "/api/v1/urls/"

        /// What the node asks to be changed, with the number of its request.
        private func question(_ subject: Subject) throws -> (wanted: ChangeRequest, number: UInt32) {
            while let (frame, number) = try subject.peer.receiveRequest() {
                if case .changeRequest(let wanted) = frame { return (wanted, number) }
            }
            throw HarnessError("the node asked nothing")
        }

        /// A change of a link that only the peer has, which answers so; what it was asked for, and what the client got. Once
        /// more where this process was too late with the link.
        private func change(
            _ subject: Subject, _ key: String, _ json: String?, _ fields: String = "",
            answer: (ChangeRequest) -> ChangeAnswer
        ) throws -> (ChangeRequest, Answer) {
            let client = try subject.node.connect()
            for _ in 0..<20 {
                let before = try subject.unreachable()
                try client.sendChange(subject.code(5), json, key: key, fields)
                try subject.answer(LinkAnswer(.here, record: subject.record(5)))
                guard try subject.unreachable() == before else {
                    _ = try client.read()
                    continue
                }
                let question = try question(subject)
                try subject.peer.send(.changeAnswer(answer(question.wanted)), request: question.number)
                return (question.wanted, try client.read())
            }
            throw HarnessError("this process is always too late")
        }

        /// The link as the peer has changed it.
        private func made(_ subject: Subject, deleted: Bool = false) -> ChangeAnswer {
            ChangeAnswer(
                .made, at: LogPosition(LifeTag(subject.log.origin)!, 9),
                record: subject.record(5, flags: deleted ? .deleted : []))
        }

        /// Whoever has it changes it; with a condition whoever made it, which here is the same.
        @Test func whoeverHasItChangesIt() throws {
            let subject = try Subject()
            let key = try subject.node.makeKey("--scopes", "admin")
            for condition in [nil, "\"1-1\", W/\"2-2\""] {
                let fields = condition.map { "If-Match: \($0)\r\n" } ?? ""
                let (wanted, answer) = try change(subject, key, #"{"title":"b","tags":null}"#, fields) { _ in
                    made(subject)
                }
                #expect(wanted.ifMatch == condition.map { Array($0.utf8) } && wanted.owner.isEmpty)
                #expect(try LinkKey(decoding: wanted.key.span.bytes) == Subject.key(5) && wanted.positions.isEmpty)
                let patch = try LinkPatch(decoding: wanted.change.span.bytes)
                #expect(patch.members == [.title, .tags] && patch.body.title == "b" && patch.body.tags.isEmpty)
                #expect(try answer.status == 200 && answer.string("long_url") == Subject.destination(5))
                #expect(answer["x-write-region"] == "ap" && answer["edge-token"] != nil && answer["etag"] != nil)
            }
            let (wanted, answer) = try change(subject, key, nil) { _ in made(subject, deleted: true) }
            #expect(wanted.change.isEmpty && answer.status == 204 && answer["edge-token"] != nil)
            #expect(try subject.node.metric("edge_forwarded_changes_total{result=\"made\"}") == 3)
            #expect(try subject.node.metric("edge_forwarded_changes_waiting") == 0)
        }

        /// All that it may say, and an answer that is none.
        @Test func refusals() throws {
            let subject = try Subject()
            let key = try subject.node.makeKey("--scopes", "admin")
            let table: [(answer: ChangeAnswer, status: Int, code: String)] = [
                (ChangeAnswer(.differs), 412, "precondition-failed"), (ChangeAnswer(.gone), 410, "expired"),
                (ChangeAnswer(.behind), 503, "behind"), (ChangeAnswer(.overloaded), 503, "overloaded"),
                (ChangeAnswer(.storageFull), 507, "storage-full"), (ChangeAnswer(.damaged), 500, "damaged-record"),
                (
                    ChangeAnswer(.unreplicated, at: made(subject).position, record: subject.record(5)), 503,
                    "not-replicated"
                ),
                // Another link's record, and one of another minute.
                (ChangeAnswer(.made, at: made(subject).position, record: subject.record(5, of: 6)), 503, "behind"),
                (
                    ChangeAnswer(
                        .made, at: made(subject).position, record: subject.record(5, aheadMilliseconds: 120_000)), 503,
                    "behind"
                ),
            ]
            for row in table {
                let (_, answer) = try change(subject, key, #"{"title":"b"}"#) { _ in row.answer }
                answer.expectProblem(row.status, row.code)
                #expect((answer["retry-after"] != nil) == (row.status == 503))
            }
            #expect(try subject.node.metric("edge_forwarded_changes_total{result=\"refused\"}") == 6)
        }

        /// It is gone while it is waited for.
        @Test func theConnectionIsGone() throws {
            let subject = try Subject()
            let key = try subject.node.makeKey("--scopes", "admin")
            let client = try subject.node.connect()
            try attempt("the change is under way") {
                let before = try subject.unreachable()
                try client.sendChange(subject.code(5), nil, key: key)
                try subject.answer(LinkAnswer(.here, record: subject.record(5)))
                if try subject.unreachable() == before { return true }
                _ = try client.read()
                return false
            }
            _ = try question(subject)
            // What ends the connection.
            try subject.peer.send(.state(PeerState(credit: 0, rows: [])))
            let answer = try client.read()
            answer.expectProblem(503, "behind")
            #expect(try answer.string("detail").contains("may have been made"))
            #expect(try subject.node.metric("edge_link_changes_total{result=\"unknown\"}") == 1)
        }

        /// The node makes a peer's changes, of links that it has and no others, and under the conditions that come with them.
        @Test func makesThoseOfPeers() throws {
            let subject = try Subject()
            let key = try subject.node.makeKey("--owner", "team", "--scopes", "links:create,links:manage")
            let client = try subject.node.connect()
            let code = try client.create("https://example.com/", key: key)
            let tag = try #require(client.get(Self.path + code, key: key)["etag"])
            var linkKey: [UInt8] = []
            switch subject.space.decode(Array(code.utf8).span.bytes) {
            case .generated(let region, let node, let number)?:
                LinkKey.generated(region: region.byte, node: node, number: number).encode(into: &linkKey)
            case .snowflake(_, _, let number)?: LinkKey.snowflake(number: number).encode(into: &linkKey)
            case nil: throw HarnessError("\(code) is no generated code")
            }
            var (patch, change) = (LinkPatch(), [UInt8]())
            (patch.members, patch.body.title) = (.title, "by a peer")
            patch.encode(into: &change)
            var number: UInt32 = 100
            func ask(
                _ change: [UInt8], as owner: String = "team", if tag: String? = nil, of key: [UInt8]? = nil
            ) throws -> ChangeAnswer {
                number += 1
                let request = ChangeRequest(
                    positions: [], ifMatch: tag.map { Array($0.utf8) }, owner: Array(owner.utf8), key: key ?? linkKey,
                    change: change)
                try subject.peer.send(.changeRequest(request), request: number)
                while let (frame, request) = try subject.peer.receiveRequest() {
                    if case .changeAnswer(let answer) = frame, request == number { return answer }
                }
                throw HarnessError("no answer")
            }
            try subject.cluster.wait("the node is ready") { try subject.node.standing.ready }
            #expect(try ask(change, as: "others").outcome == .behind)
            #expect(try ask(change, if: "\"1-1\"").outcome == .differs)
            #expect(try ask(change, of: [9, 9]).outcome == .behind, "no key")
            #expect(try ask([0xff, 0]).outcome == .behind, "a later program's change")
            #expect(try client.get(Self.path + code, key: key)["etag"] == tag)
            let made = try ask(change, if: tag)
            #expect(made.outcome == .made && made.position != nil)
            #expect(try client.get(Self.path + code, key: key).string("title") == "by a peer")
            #expect(try ask([]).outcome == .made)
            #expect(try ask([]).outcome == .gone)
            #expect(try client.get("/\(code)").status == 410)
        }

        /// An answer from before a change that has come puts nothing back.
        @Test func lateAnswers() throws {
            try attempt("an answer comes after the entry") {
                var subject = try Subject()
                let client = try subject.node.connect()
                let before = try subject.unreachable()
                let old = subject.record(Subject.key(5), "https://old.example/", aheadMilliseconds: -60_000)
                try client.send(Client.request("GET", "/" + subject.code(5)))
                let question = try subject.question()
                subject.log.add(Subject.key(5), "https://new.example/")
                try subject.peer.send(.entries(subject.log.frame()))
                try subject.peer.send(.linkAnswer(LinkAnswer(.here, record: old)), request: question.number)
                let first = try client.read()
                #expect(["https://old.example/", "https://new.example/", nil].contains(first["location"]))
                try subject.cluster.wait("the entry is applied") { [subject] in
                    try subject.node.standing.logs.contains { $0.origin == "\(subject.log.origin)" && $0.head == 1 }
                }
                for _ in 0..<3 {
                    #expect(try client.get("/" + subject.code(5))["location"] == "https://new.example/")
                }
                return try subject.unreachable() == before
            }
        }
    }
}
