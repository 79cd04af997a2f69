import Glibc
import Testing

/// What a reload does to the keys of blocks and reports on a running node.
enum ModerationReload {
    /// A node of a file, with a link.
    private final class Subject {
        let directory = TemporaryDirectory()
        let node: RunningNode
        let client: Client
        let code: String

        init(_ text: String) throws {
            let file = directory.write(text + "\n", to: "edge.conf")
            node = try RunningNode(["--config", file] + RunningNode.withAdmin, in: directory)
            client = try node.connect()
            code = try client.create("https://example.com/")
        }

        func reload(_ text: String) throws {
            _ = directory.write(text + "\n", to: "edge.conf")
            node.child.signal(SIGHUP)
            _ = try node.log.next("event=reload ")
        }

        func report() throws -> Int {
            try client.post("/api/v1/reports", json: #"{"code":"\#(code)","category":"spam"}"#).status
        }
    }

    static let proofs: [String: @Sendable () throws -> Void] = [
        "blocked_answer": {
            let subject = try Subject("blocked_answer = 451")
            let admin = try subject.node.makeKey("--scopes", "admin")
            #expect(try subject.client.block(subject.code, key: admin).status == 201)
            // What the caches have stays good.
            for (answer, status) in [("451", 451), ("warning", 200), ("451", 451)] {
                try subject.reload("blocked_answer = \(answer)")
                for _ in 0..<2 { #expect(try subject.client.browse("/\(subject.code)").status == status) }
            }
        },
        "rate_limit_report": {
            let subject = try Subject("rate_limit_report = off")
            for _ in 0..<3 { #expect(try subject.report() == 202) }
            try subject.reload("rate_limit_report = 1/h burst 1")
            #expect(try [subject.report(), subject.report()] == [202, 429])
            try subject.reload("rate_limit_report = off")
            #expect(try subject.report() == 202)
        },
    ]
}
