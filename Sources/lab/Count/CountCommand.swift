import CLinux
import Glibc
import Server

/// Most of what a worker may do for a group of redirects that a connection sends at once: counts, not times, so that they
/// hold on any machine.
package struct CountLimits: Sendable {
    let name: String
    let connections: Int
    let form: LoadForm
    var isTLS = false
    package var reads, writes, waits, others, allocations: Double

    package static let all = [
        // Once in 16 384 redirects half of the ring of clicks is full, and a write wakes who empties it.
        CountLimits(
            name: "16 at a time on 1 connection", connections: 1, form: .together(16),
            reads: 1, writes: 1.01, waits: 1, others: 0, allocations: 0),
        CountLimits(
            name: "one at a time on 1 connection", connections: 1, form: .together(1),
            reads: 1, writes: 1, waits: 1, others: 0, allocations: 0),
        CountLimits(
            name: "one at a time on 64 connections", connections: 64, form: .together(1),
            reads: 1, writes: 1, waits: 1, others: 0, allocations: 0),
        // Accepting, until there is no more to accept; no delay; into the set of events; closing. And the end is read, and a
        // `Connection` made.
        CountLimits(
            name: "a connection each, one after the other", connections: 1, form: .newConnection,
            reads: 2, writes: 1, waits: 3, others: 5, allocations: 1),
        // Allocations of OpenSSL's own for a record read and one written: its two buffers, which idle connections are without,
        // and four of 40 bytes.
        CountLimits(
            name: "16 at a time on 1 connection, TLS", connections: 1, form: .together(16), isTLS: true,
            reads: 1, writes: 1.01, waits: 1, others: 0, allocations: 6),
        CountLimits(
            name: "one at a time on 64 connections, TLS", connections: 64, form: .together(1), isTLS: true,
            reads: 1, writes: 1, waits: 1, others: 0, allocations: 6),
    ]
}

/// `lab count …`
package enum CountCommand {
    static let help = """
        usage: lab count [--groups 1000] [--links 10000] [--directory DIR]

        Counts what a worker does for redirects after a warm-up: system calls, of the `edge` beside this program under strace,
        and calls of the allocator, of the same node within this program. Each count stands beside the most that it may be;
        ends with 1 if one is more, or if threads share an arena of the allocator.

        """

    private static let mark = "GET /health"
    private static let warmUpGroups = 300
    /// Of the allocations, at most: until one is within the bound.
    private static let runs = 40

    static func run(_ arguments: [String]) throws {
        if let first = arguments.first, ["help", "--help"].contains(first) {
            StandardStream.output.write(help)
            return
        }
        let options = try Options(arguments, known: ["groups", "links", "directory"])
        Interruption.watch()
        let outcome = try count(
            groups: try options.whole("groups", 100...100_000) ?? 1000,
            links: try options.whole("links", 1...10_000_000) ?? 10_000, directory: options.text("directory"))
        StandardStream.output.write(outcome.text)
        guard outcome.excesses.isEmpty else { throw LabError(outcome.excesses.joined(separator: "\nlab: ")) }
    }

    /// The table, and what is more than it may be.
    package static func count(
        _ all: [CountLimits] = CountLimits.all, groups: Int, links: Int, directory: String? = nil
    ) throws -> (text: String, excesses: [String]) {
        guard let strace = findProgram("strace") else {
            throw LabError("strace is not installed; system calls cannot be counted")
        }
        let work = try WorkDirectory(in: directory)
        let flags = try SelfSignedCertificate(in: work.path).flags
        let store = try BuiltStore(links, in: work.appending("count"))
        var table = Table(
            "a worker's work for each group of redirects, \(Figure.grouped(groups)) groups; / the most that it may be",
            ["", "reads", "writes", "waits", "other calls", "allocations"])
        var excesses: [String] = []
        for limits in all {
            let calls = try systemCalls(strace, store, flags, limits, groups, trace: work.appending("trace"))
            let allocations = try allocations(store, flags, limits, groups)
            let figures = [
                ("reads", calls.reads, limits.reads), ("writes", calls.writes, limits.writes),
                // The wait that the first group ends began before it, and the last one ends with the mark behind.
                ("waits", calls.waits - 1, limits.waits), ("other calls", calls.otherCount, limits.others),
                ("allocations", allocations, limits.allocations),
            ]
            table.add(
                [limits.name]
                    + figures.map { _, count, most in
                        "\(Figure.fixed(Double(count) / Double(groups), 3)) / \(Figure.number(most))"
                    })
            for (what, count, most) in figures where Double(count) > most * Double(groups) {
                let names = what == "other calls" ? ": \(calls.others)" : ""
                excesses.append("\(limits.name): \(count) \(what) for \(groups) groups\(names)")
            }
        }
        return (table.text, excesses)
    }

    private static func systemCalls(
        _ strace: String, _ store: BuiltStore, _ flags: [String], _ limits: CountLimits, _ groups: Int, trace: String
    ) throws -> SystemCallCounts {
        // -D: the node is the process that was started, and strace a child of it.
        let node = try EdgeNode(
            data: store.directory, workers: 1, limits: EdgeNode.unlimited, flags: flags, on: Processors.available,
            program: [strace, "-D", "-f", "-q", "-s", "24", "-o", trace, siblingProgram("edge"), "serve"])
        let worker = try node.process.thread("worker-0")
        try measured(node, store, limits, groups) { try $0() }
        let (threads, arenas) = try node.process.threadsAndArenas()
        guard arenas >= threads - 1 else {
            throw LabError("\(threads) threads share \(arenas + 1) arenas of the allocator, and wait for one another")
        }
        node.stop()
        let whole = try awaitWhole(trace, node.process.pid, worker)
        guard let calls = whole.between(mark) else { throw LabError("the trace of the system calls lacks the marks") }
        return SystemCallCounts(calls)
    }

    private static func allocations(
        _ store: BuiltStore, _ flags: [String], _ limits: CountLimits, _ groups: Int
    ) throws -> Int {
        let counted = try CountedNode(data: store.directory, flags: flags)
        defer { counted.node.stop() }
        // A request that is handed over is copied: where that is not seen, nothing would be.
        let seen = try counted.allocations {
            var load = try LoadGenerator(.creates(), port: counted.node.port, connections: 1)
            _ = try load.run(seconds: 60, groups: 10)
        }
        guard seen >= 10 else { throw LabError("calls of the allocator are not counted: \(seen) for 10 creates") }
        // Once a second the head of all answers is made anew, which is no redirect's: of many runs some see no second
        // end. What the groups allocate, none is without.
        var least = Int.max
        for _ in 0..<runs where Double(least) > limits.allocations * Double(groups) {
            try measured(counted.node, store, limits, groups, hasMarks: false) {
                least = min(least, try counted.allocations($0))
            }
        }
        return least
    }

    /// Warms up, and then loads the node within `around`, between two requests that a trace can be searched for.
    private static func measured(
        _ node: EdgeNode, _ store: BuiltStore, _ limits: CountLimits, _ groups: Int, hasMarks: Bool = true,
        _ around: (() throws -> Void) throws -> Void
    ) throws {
        let workload = Workload.redirects(LinkDraw(store.codes, .zipf(1)))
        let marks = try connectToLoopback(node.port)
        defer { close(marks) }
        var result = LoadResult()
        if limits.isTLS {
            let load = try TLSLoad(
                workload, port: node.tlsPort,
                .kept(connections: limits.connections, together: limits.form.groupSize))
            _ = try load.run(seconds: 60, groups: warmUpGroups)
            try ask(marks)
            try around { result = try load.run(seconds: 60, groups: groups) }
            if hasMarks { try ask(marks) }
        } else {
            var load = try LoadGenerator(workload, port: node.port, connections: limits.connections, limits.form)
            _ = try load.run(seconds: 60, groups: warmUpGroups)
            try ask(marks)
            try around { result = try load.run(seconds: 60, groups: groups) }
            if hasMarks { try ask(marks) }
        }
        guard result.answers == groups * limits.form.groupSize, result.failures == 0 else {
            throw LabError(
                "\(limits.name): \(result.answers) answers, \(result.failures) of them \(result.failureStatus)")
        }
    }

    private static func ask(_ descriptor: Int32) throws {
        let request = Array((mark + " HTTP/1.1\r\nHost: sho.rt\r\n\r\n").utf8)
        var answer = [UInt8](repeating: 0, count: 4096)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count,
            recv(descriptor, &answer, answer.count, 0) > 0
        else { throw LabError("the node does not tell its health") }
    }

    /// The trace ends a moment after the node.
    private static func awaitWhole(_ path: String, _ process: pid_t, _ thread: pid_t) throws -> SystemCallTrace {
        for _ in 0..<3000 {
            let trace = SystemCallTrace(try readTextFile(path), process: process, thread: thread)
            if trace.isWhole { return trace }
            usleep(10_000)
        }
        throw LabError("strace did not end with the node")
    }
}
