import Server

/// What measures and torments the project; no part of a node.
enum Lab {
    static let overview = """
        usage: lab bench BENCH [options]     measures the `edge` beside this program; `lab bench help` says more
               lab build-store [options]     builds a store of many links; `lab build-store help` says more
               lab codes [options]           prints codes of a store's links; `lab codes help` says more
               lab count [options]           system calls and allocations of a redirect; `lab count help` says more
               lab attack [options]          attacks it, and says what it answered; `lab attack help` says more
               lab trace KIND [options]      writes requests to measure a cache with; `lab trace help` says more
               lab proxy [options]           carries connections like a long and thin line; `lab proxy help` says more
               lab simulate [options]        many nodes, faults and clients in virtual time; `lab simulate help` says more
               lab race [options]            a writer and workers at the cache's stamps; `lab race help` says more

        """

    /// Returns the exit status: 0 done, 64 wrong usage, 1 anything else.
    static func run(_ arguments: [String]) -> Int32 {
        switch arguments.first {
        case "bench": return BenchCommand.run(Array(arguments.dropFirst()))
        case "attack": return AttackCommand.run(Array(arguments.dropFirst()))
        case "count": return run(CountCommand.run, arguments)
        case LaterNode.command: return LaterNode.serve(Array(arguments.dropFirst()))
        case CountedNode.command: return CountedNode.serve(Array(arguments.dropFirst()))
        case "build-store": return run(BuildStoreCommand.run, arguments)
        case "codes": return run(CodesCommand.run, arguments)
        case "trace": return run(TraceCommand.run, arguments)
        case "proxy": return run(ProxyCommand.run, arguments)
        case "simulate": return run(SimulateCommand.run, arguments)
        case "race": return run(RaceCommand.run, arguments)
        case RedirectFloor.command: return RedirectFloor.serve()
        case nil, "help", "--help":
            StandardStream.output.write(overview)
            return ExitStatus.done
        case .some(let name):
            StandardStream.error.write("lab: there is no `\(name)`\n\(overview)")
            return ExitStatus.wrongUsage
        }
    }

    private static func run(_ command: ([String]) throws -> Void, _ arguments: [String]) -> Int32 {
        do {
            try command(Array(arguments.dropFirst()))
            return ExitStatus.done
        } catch {
            StandardStream.error.write("lab: \(error)\n")
            return (error as? LabError)?.exitStatus ?? ExitStatus.failed
        }
    }
}
