import Server

/// One measurement of durable writes.
struct WriteSample {
    var perSecond: Double
    /// Nanoseconds, where they are known.
    var p50, p99, greatest: UInt64?
    var failures = 0

    init(perSecond: Double) { self.perSecond = perSecond }

    init(_ result: LoadResult) {
        perSecond = Double(result.answersInTime - min(result.answersInTime, result.failures)) / result.seconds
        (p50, p99) = (result.latency.quantile(0.5), result.latency.quantile(0.99))
        (greatest, failures) = (result.latency.greatest, result.failures)
    }
}

/// Durable creates over HTTP, beside what the disk can sync and what other stores make of it.
struct CreateBench {
    private let rounds: Rounds
    private let connections: [Int]
    private let others: Set<String>

    init(_ options: Options) throws {
        rounds = try Rounds(options)
        connections = try options.list("connections", 1...1000) ?? [1, 64]
        others = Set(options.text("with").map { $0.split(separator: ",").map(String.init) } ?? ["postgresql", "redis"])
        for name in others.subtracting(["postgresql", "redis"]) {
            throw LabError(usage: "nothing is known about `\(name)`; `--with` takes postgresql and redis")
        }
    }

    init(_ rounds: Rounds) { (self.rounds, connections, others) = (rounds, [1, 64], ["postgresql", "redis"]) }

    func run() throws {
        let directory = rounds.directory.path
        let node = try EdgeNode(data: rounds.directory.appending("create"))
        defer { node.stop() }
        var contenders = [
            Contender(name: "floor: append 4 KiB, fdatasync") { seconds in
                WriteSample(perSecond: try SyncFloor.syncsASecond(in: directory, seconds: seconds))
            }
        ]
        for count in connections {
            contenders.append(
                Contender(name: "edge, \(count) connection\(count == 1 ? "" : "s")") { seconds in
                    try Processors.on(Processors.load) {
                        var load = try LoadGenerator(.creates(), port: node.port, connections: count)
                        return WriteSample(try load.run(seconds: seconds))
                    }
                })
        }
        let firstOther = contenders.count
        let postgreSQL = try start("postgresql", PostgreSQL(in: rounds.directory))
        if let postgreSQL { contenders.append(Contender(name: postgreSQL.name, measure: postgreSQL.measure)) }
        let redis = try start("redis", Redis(in: rounds.directory))
        if let redis { contenders.append(Contender(name: redis.name, measure: redis.measure)) }
        let samples = try rounds.samples(contenders)
        report(contenders.map(\.name), samples, firstOther: firstOther)
        withExtendedLifetime((postgreSQL, redis)) {}
    }

    /// Nil, with a message, if it is not wanted or not installed.
    private func start<Other>(_ name: String, _ make: @autoclosure () throws -> Other?) throws -> Other? {
        guard others.contains(name) else { return nil }
        let other = try make()
        if other == nil { StandardStream.error.write("lab: \(name) is not installed; left out\n") }
        return other
    }

    private func report(_ names: [String], _ samples: [[WriteSample]], firstOther: Int) {
        let others = Array(samples.indices[firstOther...])
        var table = Table(
            "durable writes a second, \(rounds.description)",
            ["", "a second", "of floor"] + others.map { "of \(names[$0].split(separator: " ")[0])" }
                + ["p50", "p99", "max", "failed"])
        for (name, own) in zip(names, samples) {
            func ratio(to other: Int) -> String {
                Figure.ratio(median(zip(own, samples[other]).map { $0.perSecond / max($1.perSecond, 1e-9) }))
            }
            func latency(_ value: KeyPath<WriteSample, UInt64?>) -> String {
                let known = own.compactMap { $0[keyPath: value].map { Double($0) } }
                return known.isEmpty ? "-" : Figure.duration(median(known))
            }
            table.add(
                [name, Figure.number(median(own.map(\.perSecond))), ratio(to: 0)] + others.map(ratio)
                    + [
                        latency(\.p50), latency(\.p99), latency(\.greatest),
                        Figure.grouped(own.reduce(0) { $0 + $1.failures }),
                    ])
        }
        StandardStream.output.write(table.text + "\n")
    }
}
