import Server

/// What a redirect costs the server, beside the least it can cost on this kernel.
struct RedirectBench {
    private enum Form: String, CaseIterable {
        case plain, pipelined
        case new

        var load: LoadForm {
            switch self {
            case .plain: .together(1)
            case .pipelined: .together(RedirectBench.pipeline)
            case .new: .newConnection
            }
        }

        var description: String {
            switch self {
            case .plain: "one at a time"
            case .pipelined: "\(RedirectBench.pipeline) at a time"
            case .new: "a connection each"
            }
        }
    }

    private static let pipeline = 16
    static let options: Set<String> = BuiltStore.options.union(["connections", "forms", "zipf"])
    static let flags: Set<String> = ["limits", "uniform"]

    private let rounds: Rounds
    private let connections: [Int]
    private let forms: [Form]
    private let store: BuiltStore
    private let law: LinkDraw.Law
    /// Whether a node whose redirects are limited, but to more than is asked, is measured beside the one without limits.
    private let withLimits: Bool

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        connections = try options.list("connections", 1...1000) ?? [64]
        forms =
            try options.text("forms")?.split(separator: ",").map {
                guard let form = Form(rawValue: String($0)) else {
                    throw LabError(usage: "there is no form `\($0)`, but plain, pipelined and new")
                }
                return form
            } ?? Form.allCases
        law = try BuiltStore.law(options)
        withLimits = options.has("limits")
        store = try BuiltStore(options, in: rounds, "redirect", links: 100_000)
    }

    init(_ rounds: Rounds, links: Int) throws {
        (self.rounds, connections, forms, law, withLimits) = (rounds, [64], Form.allCases, .zipf(1), false)
        store = try BuiltStore(links, in: rounds.directory.appending("redirect"))
    }

    func run() throws {
        let node = try EdgeNode(data: store.directory, on: Processors.server)
        defer { node.stop() }
        let limited = try limitedNode()
        defer { limited?.node.stop() }
        let floor = try RedirectFloor.start(on: Processors.server)
        defer { floor.process.end() }
        let workload = Workload.redirects(LinkDraw(store.codes, law))
        var table = Table(
            "redirects of \(Figure.grouped(store.codes.count)) links, \(law.description), one worker, "
                + rounds.description,
            [""] + RedirectSample.columns + (limited == nil ? [] : ["of edge"]))
        for count in connections {
            for form in forms {
                func contender(
                    _ name: String, _ process: ChildProcess, _ port: UInt16, _ workload: Workload
                ) -> Contender<RedirectSample> {
                    Contender(name: name) { seconds in
                        try RedirectSample.measure(
                            process, port, workload, connections: count, form.load, seconds: seconds)
                    }
                }
                var contenders = [
                    contender("floor", floor.process, floor.port, workload),
                    contender("edge", node.process, node.port, workload),
                ]
                if let (limited, store) = limited {
                    let workload = Workload.redirects(LinkDraw(store.codes, law))
                    contenders.append(contender("edge, limit on", limited.process, limited.port, workload))
                }
                let samples = try rounds.samples(contenders)
                for (contender, own) in zip(contenders, samples) {
                    table.add(
                        ["\(contender.name), \(count) connections, \(form.description)"]
                            + RedirectSample.cells(own, of: samples[0])
                            + (limited == nil ? [] : [Figure.fixed(RedirectSample.ratio(own, to: samples[1]), 3)]))
                }
            }
        }
        StandardStream.output.write(table.text + RedirectSample.explanation + "\n")
    }

    /// With a store of its own, as one node has one. Nil if it is not wanted.
    private func limitedNode() throws -> (node: EdgeNode, store: BuiltStore)? {
        guard withLimits else { return nil }
        let own = try BuiltStore(store.codes.count, in: rounds.directory.appending("limited"))
        let limit = ["--rate_limit_redirect", "1000000/s burst 1000000"]
        return (try EdgeNode(data: own.directory, flags: limit, on: Processors.server), own)
    }
}
