import Primitives
import Testing
import lab

@Suite struct SteadyLoadTests {
    private let listener = try! TestListener()
    private let workload = Workload.creates()

    /// What answers a load: each third request is refused.
    private struct Server {
        let socket: TestSocket
        let requestBytes: Int
        var answers = 0
        var refused: Int { answers / 3 }

        /// False at the connection's end.
        mutating func answer() -> Bool {
            guard socket.receive(requestBytes).count == requestBytes else { return false }
            answers += 1
            let status = answers % 3 == 0 ? "503 Service Unavailable" : "201 Created"
            socket.send(Array("HTTP/1.1 \(status)\r\nContent-Length: 2\r\n\r\n{}".utf8))
            return true
        }
    }

    private func load(connections: Int = 1) -> SteadyLoad {
        SteadyLoad(workload, port: listener.address.port, perSecond: 2000, connections: connections)
    }

    private func accept() throws -> Server {
        Server(socket: try listener.accept(), requestBytes: workload.template.count)
    }

    @Test func everyAnswerIsCountedAndNoneIsAskedForEarly() throws {
        let load = load()
        var server = try accept()
        for _ in 0..<100 where !server.answer() { Issue.record("the load ended by itself") }
        let begun = server
        let ended = Mutexed(begun)
        let thread = SystemThread("server") {
            var server = begun
            while server.answer() {}
            ended.value = server
        }
        let outcome = try load.stop()
        thread.join()
        let (answers, refused) = (ended.value.answers, ended.value.refused)
        #expect(outcome.answers == answers && outcome.failures == refused && outcome.failureStatus == 503)
        #expect(outcome.successes == answers - refused && outcome.latency.count == UInt64(answers))
        #expect(Double(outcome.answers) <= outcome.seconds * 2000)
    }

    /// Or the server would close those that have nothing to do.
    @Test func everyConnectionIsUsed() throws {
        let load = load(connections: 3)
        let servers = try (0..<3).map { _ in try accept() }
        let threads = servers.map { first in
            SystemThread("server") {
                var server = first
                while server.answer() {}
                #expect(server.answers > 0)
            }
        }
        while try load.current.answers < 10 {}
        _ = try load.stop()
        for thread in threads { thread.join() }
    }

    @Test func aBrokenConnectionIsTold() throws {
        let load = load()
        var server = try accept()
        for _ in 0..<5 where !server.answer() { Issue.record("the load ended by itself") }
        server.socket.close()
        while (try? load.current) != nil {}
        #expect(throws: (any Error).self) { try load.stop() }
    }

    @Test func nobodyThereIsTold() throws {
        listener.close()
        #expect(throws: (any Error).self) { try load().stop() }
    }
}
