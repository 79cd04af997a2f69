import Glibc
import Server

/// What it costs the node to find out who makes a link.
struct AuthBench {
    private static let connections = 64
    /// More than a node remembers.
    private static let tokens = 10_000

    private let rounds: Rounds

    init(_ rounds: Rounds) { self.rounds = rounds }

    func run() throws {
        let store = try BuiltStore(1000, in: rounds.directory.appending("auth"))
        let signer = try TokenKey()
        let keys = rounds.directory.path + "/keys.json"
        try signer.writeKeySet(to: keys)
        let key = try runToEnd([
            siblingProgram("edge"), "key", "create", "--name", "bench", "--data", store.directory,
        ])
        let node = try EdgeNode(
            data: store.directory,
            flags: ["--jwt_keys", keys, "--jwt_issuer", TokenKey.issuer, "--jwt_audience", TokenKey.audience],
            on: Processors.server)
        defer { node.stop() }
        let tokens = try signer.tokens(Self.tokens, end: time(nil) + 86_400)
        let workloads: [(name: String, workload: Workload)] = [
            ("no key", .creates()), ("an API key", .creates(with: [Array(key.utf8.prefix { $0 != 0x0a })])),
            ("a token that is known", .creates(with: [tokens[0]])),
            ("a new token each time, EdDSA", .creates(with: Array(tokens.dropFirst()))),
        ]
        let samples = try rounds.samples(
            workloads.map { name, workload in
                Contender(name: name) { try measure(node, workload, seconds: $0) }
            })
        report(workloads.map(\.name), samples)
    }

    /// Processor time of the node, of all its threads, in microseconds a create.
    private func measure(_ node: EdgeNode, _ workload: Workload, seconds: Double) throws -> Double {
        try Processors.on(Processors.load) {
            var load = try LoadGenerator(workload, port: node.port, connections: Self.connections)
            let before = node.process.processorSeconds
            let result = try load.run(seconds: seconds)
            guard result.failures == 0 else { throw LabError("a create was answered with \(result.failureStatus)") }
            return (node.process.processorSeconds - before) / Double(max(1, result.answers)) * 1e6
        }
    }

    private func report(_ names: [String], _ samples: [[Double]]) {
        var table = Table(
            "creates by who makes them, \(Self.connections) connections, " + rounds.description,
            ["", "CPU each", "of no key"])
        for (name, own) in zip(names, samples) {
            let ratio = median(zip(own, samples[0]).map { $0 / max($1, 1e-9) })
            table.add([name, Figure.number(median(own)) + " us", Figure.ratio(ratio)])
        }
        StandardStream.output.write(table.text + "\n")
    }
}
