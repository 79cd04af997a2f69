import CLinux
import Glibc
import Server

/// What an idle connection costs the node's own memory.
struct IdleBench {
    private let rounds: Rounds
    private let connections: Int

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        connections = try options.whole("connections", 1...1_000_000) ?? 10_000
    }

    init(_ rounds: Rounds, connections: Int) { (self.rounds, self.connections) = (rounds, connections) }

    func run() throws {
        try raiseDescriptorLimit(atLeast: connections + 1000)
        let subject = try Subject(1000, in: rounds, "idle", on: Processors.available)
        let node = subject.node
        defer { node.stop() }
        let request = Array("GET /".utf8) + subject.firstCode + Array(" HTTP/1.1\r\nHost: sho.rt\r\n\r\n".utf8)
        // What the first connections bring with them once is no connection's.
        let first = try (0..<16).map { _ in try ask(node.port, request) }
        let before = try node.process.anonymousBytes()
        let descriptors = try (0..<connections).map { _ in try ask(node.port, request) }
        let bytes = try node.process.anonymousBytes() - before
        for descriptor in first + descriptors { close(descriptor) }
        var table = Table(
            "memory of the node for connections that made one request and are idle", ["", "in all", "each"])
        table.add([
            "\(Figure.grouped(connections)) connections", Figure.bytes(Double(max(0, bytes))),
            Figure.bytes(Double(max(0, bytes)) / Double(connections)),
        ])
        StandardStream.output.write(table.text + "\n")
    }

    /// A connection that has made the request and has its answer.
    private func ask(_ port: UInt16, _ request: [UInt8]) throws -> Int32 {
        let descriptor = try connectToLoopback(port)
        var answer = [UInt8](repeating: 0, count: 4096)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count,
            recv(descriptor, &answer, answer.count, 0) > 0
        else { throw LabError("a connection got no answer") }
        return descriptor
    }
}
