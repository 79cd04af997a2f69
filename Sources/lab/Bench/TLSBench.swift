import Glibc
import Server

/// What HTTPS costs the node, beside nginx with the same certificate.
struct TLSBench {
    private struct Sample {
        /// Processor time of the server, of all its threads, in microseconds an answer.
        let cost: Double
        let result: LoadResult
    }

    private static let forms: [(name: String, form: TLSLoad.Form)] = [
        ("redirects, one at a time", .kept(connections: 64, together: 1)),
        ("redirects, 16 at a time", .kept(connections: 64, together: 16)),
        ("a connection each, whole handshake", .new(resumes: false)),
        ("a connection each, resumed", .new(resumes: true)),
    ]

    private let rounds: Rounds
    private let connections: Int

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        connections = try options.whole("connections", 1...25_000) ?? 10_000
    }

    init(_ rounds: Rounds, connections: Int) { (self.rounds, self.connections) = (rounds, connections) }

    func run() throws {
        try raiseDescriptorLimit(atLeast: connections + 1000)
        let certificate = try SelfSignedCertificate(in: rounds.directory.path)
        let store = try BuiltStore(1000, in: rounds.directory.appending("tls"))
        let node = try EdgeNode(
            data: store.directory, flags: certificate.flags, on: Processors.server)
        defer { node.stop() }
        let nginx = try Nginx(
            in: rounds.directory.appending("nginx"), certificate, on: Processors.server)
        if nginx == nil { StandardStream.output.write("nginx is not installed (apt-get install nginx-light)\n") }
        let workload = Workload.redirects(LinkDraw(store.codes, .zipf(1)))
        let servers =
            [("edge", node.process, node.tlsPort)] + (nginx.map { [($0.name, $0.process, $0.port)] } ?? [])
        try compare(servers, workload)
        try weigh(servers, workload)
    }

    private func compare(_ servers: [(String, ChildProcess, UInt16)], _ workload: Workload) throws {
        var table = Table(
            "HTTPS: TLS 1.3, AES-128-GCM, X25519, a certificate with P-256; one worker, " + rounds.description,
            ["", "CPU each", "of nginx", "a second", "a CPU second", "failed"])
        for (name, form) in Self.forms {
            let samples = try rounds.samples(
                servers.map { server, process, port in
                    Contender(name: server) { try measure(process, port, workload, form, seconds: $0) }
                })
            for (own, server) in zip(samples, servers) {
                let ratio = samples.count > 1 ? median(zip(own, samples[1]).map { $0.cost / $1.cost }) : 0
                let cost = median(own.map(\.cost))
                table.add([
                    "\(server.0), \(name)", Figure.number(cost) + " us", samples.count > 1 ? Figure.ratio(ratio) : "-",
                    Figure.number(median(own.map(\.result.answersASecond))), Figure.number(1e6 / max(cost, 1e-3)),
                    Figure.grouped(own.reduce(0) { $0 + $1.result.failures }),
                ])
            }
        }
        StandardStream.output.write(
            table.text + """
                  CPU each: processor time of the server, all threads, user and system, for one answer.
                  of nginx: that, divided by nginx's in the same round; median of the rounds.
                  a CPU second: answers, or handshakes, that a processor of the server's own would take in a second.


                """)
    }

    private func measure(
        _ process: ChildProcess, _ port: UInt16, _ workload: Workload, _ form: TLSLoad.Form, seconds: Double
    ) throws -> Sample {
        try Processors.on(Processors.load) {
            let load = try TLSLoad(workload, port: port, form)
            let (before, resumed) = (process.processorSeconds, load.resumed)
            let result = try load.run(seconds: seconds)
            let used = process.processorSeconds - before
            if case .new(resumes: true) = form, load.resumed - resumed < result.answers - 1 {
                throw LabError("of \(result.answers) handshakes \(load.resumed) were resumed")
            }
            return Sample(cost: used / Double(max(1, result.answers)) * 1e6, result: result)
        }
    }

    /// Memory of connections that are idle.
    private func weigh(_ servers: [(String, ChildProcess, UInt16)], _ workload: Workload) throws {
        var table = Table(
            "memory for TLS connections that made one request and are idle", ["", "connections", "in all", "each"])
        for (name, process, port) in servers {
            let load = try TLSLoad(workload, port: port, .new(resumes: false))
            let first = try load.leaveIdle(16)
            let before = try process.anonymousBytes()
            let descriptors = try load.leaveIdle(connections)
            let bytes = Double(max(0, try process.anonymousBytes() - before))
            for descriptor in first + descriptors { close(descriptor) }
            table.add([
                name, Figure.grouped(connections), Figure.bytes(bytes), Figure.bytes(bytes / Double(connections)),
            ])
        }
        StandardStream.output.write(table.text + "\n")
    }
}
