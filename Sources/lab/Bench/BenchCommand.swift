import Server

/// `lab bench …`
enum BenchCommand {
    static let help = """
        usage: lab bench create   [--connections 1,64] [--with postgresql,redis]
               lab bench redirect [STORE] [LAW] [--connections 64] [--forms plain,pipelined,new] [--limits]
               lab bench mixed    [STORE] [LAW] [--connections 64] [--redirects-each 100]
               lab bench cold     [STORE] [--connections 64]
               lab bench scale    [--links 1000000,10000000 | --data DIR,DIR] [--zipf 1.0] [--connections 64] [--settle 5]
               lab bench list     [--links 1000000] [--owners 100] [--urls FILE] [--seed 1]
               lab bench import   [--rows 1000000]
               lab bench busy     [--rate 10000]
               lab bench blocklist [--entries 1000000]
               lab bench rescan   [--links 1000000] [--entries 1000000] [--rate 10000]
               lab bench store    [--links 1000000] [--urls FILE] [--seed 1]
               lab bench start    [STORE] [--cold]
               lab bench slow     [--clients 2000] [--rate 10000]
               lab bench overload [--connections 4000]
               lab bench idle     [--connections 10000]
               lab bench tls      [--connections 10000]
               lab bench auth
               lab bench faults   [STORE] [--read-ms 5]
               lab bench cache    [--requests 1000000] [--objects 100000] [--seed 1]
               lab bench clicks
               lab bench lag      [--rate 1000] [--away 100000]
               lab bench join     [--links 1000000] [--urls FILE] [--seed 1]
               lab bench beside   [--links 100000] [--urls FILE] [--seed 1] [--rate 1000]
               lab bench stall    [--stall 600] [--rate 1000]
               lab bench partition [--cut 600] [--rate 500]
               lab bench aliases  [--names 10000]
               lab bench anywhere [--rate 1000]
               lab bench all      [--small]
        STORE: [--links N] [--urls FILE] [--seed 1] builds one, as `lab build-store` does; --data DIR takes one that is there,
        to which `mixed` adds links. LAW: [--zipf EXPONENT | --uniform], else Zipf with exponent 1.
        With every one: [--rounds 5] [--seconds 4] [--directory DIR]

        Measures the `edge` beside this program. Each figure stands beside a floor that the same run measured: round by
        round everything is measured in turn, so that a drift of the machine hits all of it. What counts is the ratio,
        the median of the rounds; the absolute times belong to this machine and this hour. Files go to DIR (TMPDIR or
        /tmp), which should lie on the disk in question, and go away at the end. `all` runs them all; with --small in
        some minutes, to see that they work, and without `beside` and `stall`, which tell nothing then.

        `redirect` asks in three forms: one at a time on each connection, 16 at a time, and with a connection for each request;
        its floor does the same and looks nothing up. Every request is drawn anew by the law, so that no loop fits into a
        cache. With --limits a second node is beside the first, whose limit of redirects is on. `mixed` makes a link for each
        hundred redirects. `cold` asks for all links alike, of a node whose file is not in memory. `scale` sets stores of
        several sizes beside each other; each node is asked for --settle seconds before it counts. `start` measures the time to the first
        redirect, with --cold also with the file out of memory. `list` asks for the first and the thousandth page of the links of
        each of some owners. `import` has `edge import` make --rows links with names in an empty node, once, and once more.
        `busy` compares the latency of redirects at a steady rate alone, beside batches and beside an import. `blocklist` sets a
        look-up in a block list beside one in a set of strings. `rescan` changes the block list of a node and measures, once, how
        long it takes to judge all links again, and redirects meanwhile.

        `slow` compares the latency of a steady load with and without clients that trickle or take no answers; `overload`
        finds the best that the node answers in a closed loop, and then asks for twice that, and for links besides;
        `idle` counts the node's memory for each idle connection; `tls` sets redirects, handshakes and idle connections over TLS
        beside nginx (nginx-light) with the same certificate; `auth` compares what a create costs without a key, with one, with
        a JSON Web Token that the node knows and with one that it does not; `faults` gives the node half of its store's size as memory
        and a storage whose reads take milliseconds, and compares the latency of hot codes with and without a client that asks
        for cold ones: that needs root, for a control group and a FUSE mount. `lag` starts three nodes, 40 ms apart, makes
        --rate links a second in each, and finds how long one takes to be elsewhere, what it costs on the wire, and how fast a
        node catches up that was away for --away of them. `join` has a new node take a snapshot over a line of 100 Mbit/s, of one
        that goes on answering and taking links. `beside` compares the worker's processor time for a redirect with and without
        --rate entries a second of another region that come in. `stall` has one of three regions take nothing for --stall
        seconds, once behind lines that take nothing and once stopped, while --rate links a second are made in the others,
        and finds how much memory senders and receiver take for it. `partition` cuts two regions off from one another for --cut
        seconds, while --rate links a second are made in each, and finds how soon both hold all. `anywhere` asks in one region for
        what was made in another a moment ago, with its token and without, and measures what a token costs a redirect. `aliases`
        finds how long an alias takes where three regions decide, and with one of them dead, and races --names from all. `join`,
        `stall`, `aliases` and
        `partition` measure once, whatever --rounds and --seconds say. The node has one worker, on the first processor; the
        load runs on the last one. Where those are one, the load takes from the node what it needs.

        """

    static func run(_ arguments: [String]) -> Int32 {
        do {
            guard let name = arguments.first, !["help", "--help"].contains(name) else {
                StandardStream.output.write(help)
                return ExitStatus.done
            }
            Interruption.watch()
            let rest = Array(arguments.dropFirst())
            switch name {
            case "create": try CreateBench(try options(rest, ["connections", "with"])).run()
            case "redirect":
                try RedirectBench(try options(rest, RedirectBench.options, flags: RedirectBench.flags)).run()
            case "mixed": try MixedBench(try options(rest, MixedBench.options, flags: ["uniform"])).run()
            case "cold": try ColdBench(try options(rest, ColdBench.options)).run()
            case "scale": try ScaleBench(try options(rest, ScaleBench.options)).run()
            case "list": try ListBench(try options(rest, ListBench.options)).run()
            case "import": try ImportBench(try options(rest, ImportBench.options)).run()
            case "busy": try BusyBench(try options(rest, ["rate"])).run()
            case "blocklist": try BlockListBench(try options(rest, BlockListBench.options)).run()
            case "rescan": try RescanBench(try options(rest, RescanBench.options)).run()
            case "store": try StoreBench(try options(rest, StoreBench.options)).run()
            case "start": try StartBench(try options(rest, StartBench.options, flags: ["cold"])).run()
            case "slow": try SlowBench(try options(rest, ["clients", "rate"])).run()
            case "overload": try OverloadBench(try options(rest, ["connections"])).run()
            case "idle": try IdleBench(try options(rest, ["connections"])).run()
            case "tls": try TLSBench(try options(rest, ["connections"])).run()
            case "auth": try AuthBench(try Rounds(try options(rest, []))).run()
            case "faults": try FaultBench(try options(rest, FaultBench.options)).run()
            case "cache":
                let options = try options(rest, TraceOptions.names)
                try CacheBench(try Rounds(options), try TraceOptions(options)).run()
            case "lag": try LagBench(try options(rest, ["rate", "away"])).run()
            case "join": try JoinBench(try options(rest, JoinBench.options)).run()
            case "beside": try BesideBench(try options(rest, BesideBench.options)).run()
            case "stall": try StallBench(try options(rest, StallBench.options)).run()
            case "partition": try PartitionBench(try options(rest, PartitionBench.options)).run()
            case "aliases": try AliasBench(try options(rest, AliasBench.options)).run()
            case "anywhere": try AnywhereBench(try options(rest, ["rate"])).run()
            case "clicks": try ClickBench(try Rounds(try options(rest, []))).run()
            case "all": try all(try options(rest, [], flags: ["small"]))
            default: throw LabError(usage: "there is no bench `\(name)`")
            }
            return ExitStatus.done
        } catch {
            StandardStream.error.write("lab: \(error)\n")
            return (error as? LabError)?.exitStatus ?? ExitStatus.failed
        }
    }

    private static func options(_ arguments: [String], _ own: Set<String>, flags: Set<String> = []) throws -> Options {
        try Options(arguments, known: own.union(Rounds.options), flags: flags)
    }

    private static func all(_ options: Options) throws {
        let isSmall = options.has("small")
        var rounds = try Rounds(options)
        if isSmall { rounds = try Rounds(count: 2, seconds: 0.5, directory: options.text("directory")) }
        try CreateBench(rounds).run()
        try RedirectBench(rounds, links: isSmall ? 10_000 : 100_000).run()
        try MixedBench(rounds, links: isSmall ? 10_000 : 100_000).run()
        try ColdBench(rounds, links: isSmall ? 50_000 : 1_000_000).run()
        try ScaleBench(rounds, links: isSmall ? [10_000, 50_000] : [1_000_000, 10_000_000]).run()
        try ListBench(rounds, links: isSmall ? 20_000 : 10_000_000, owners: isSmall ? 2 : 1000).run()
        try ImportBench(rounds, rows: isSmall ? 5000 : 1_000_000).run()
        try BusyBench(rounds).run()
        try BlockListBench(rounds, entries: isSmall ? 50_000 : 1_000_000).run()
        try RescanBench(rounds, links: isSmall ? 20_000 : 1_000_000, entries: isSmall ? 20_000 : 1_000_000).run()
        try StoreBench(rounds, links: isSmall ? 50_000 : 1_000_000).run()
        try SlowBench(rounds, clients: isSmall ? 200 : 2000).run()
        try OverloadBench(rounds, connections: isSmall ? 200 : 4000).run()
        try IdleBench(rounds, connections: isSmall ? 1000 : 10_000).run()
        try TLSBench(rounds, connections: isSmall ? 1000 : 10_000).run()
        try AuthBench(rounds).run()
        try ClickBench(rounds).run()
        try LagBench(rounds, perSecond: isSmall ? 200 : 1000, away: isSmall ? 2000 : 100_000).run()
        try AnywhereBench(rounds, perSecond: isSmall ? 200 : 1000).run()
        try JoinBench(rounds, links: isSmall ? 20_000 : 1_000_000).run()
        try PartitionBench(rounds, seconds: isSmall ? 5 : 600, perSecond: isSmall ? 100 : 500).run()
        try AliasBench(rounds, names: isSmall ? 200 : 10_000).run()
        if !isSmall {
            // What these tell apart shows in long runs only.
            try BesideBench(rounds, links: 100_000).run()
            try StallBench(rounds, seconds: 600).run()
        }
        try FaultBench(rounds, links: isSmall ? 200_000 : 1_000_000).run()
        try CacheBench(rounds, TraceOptions(count: isSmall ? 100_000 : 1_000_000)).run()
    }
}

/// How often and how long everything is measured, and where files go.
struct Rounds {
    static let options: Set<String> = ["rounds", "seconds", "directory"]
    let count: Int
    /// Of one measurement.
    let seconds: Double
    let directory: WorkDirectory

    init(_ options: Options) throws {
        try self.init(
            count: try options.whole("rounds", 1...1000) ?? 5, seconds: try options.number("seconds", 0.05...3600) ?? 4,
            directory: options.text("directory"))
    }

    init(count: Int, seconds: Double, directory: String?) throws {
        (self.count, self.seconds) = (count, seconds)
        self.directory = try WorkDirectory(in: directory)
    }

    var description: String { "median of \(count) rounds of \(Figure.number(seconds)) s" }
}

/// Something that is measured beside others.
struct Contender<Sample> {
    let name: String
    let measure: (_ seconds: Double) throws -> Sample
}

extension Rounds {
    /// One sample of each contender a round, in turn, after a short warm-up. By contender, then by round.
    func samples<Sample>(_ contenders: [Contender<Sample>]) throws -> [[Sample]] {
        for contender in contenders { _ = try contender.measure(min(seconds, 0.3)) }
        var samples = [[Sample]](repeating: [], count: contenders.count)
        for _ in 0..<count {
            for (index, contender) in contenders.enumerated() {
                samples[index].append(try contender.measure(seconds))
            }
        }
        return samples
    }
}
