import Glibc
import Server
import Simulation

/// `lab simulate …`
enum SimulateCommand {
    static let help = """
        usage: lab simulate [--seed 1] [--seeds 1] [--minutes 8] [--directory /dev/shm] [--keep] [--table]

        Runs clusters of real stores and replicators in virtual time, one for each seed from --seed on, with faults for
        so many minutes and quiet after them. Ends with 1 at the first seed that something does not hold for, with its
        story. --table: how often each fault met each phase.

        """

    static func run(_ arguments: [String]) throws {
        if let first = arguments.first, ["help", "--help"].contains(first) {
            StandardStream.output.write(help)
            return
        }
        let options = try Options(
            arguments, known: ["seed", "seeds", "minutes", "directory"], flags: ["keep", "table"])
        let first = UInt64(try options.whole("seed", 0...Int.max) ?? 1)
        let count = UInt64(try options.whole("seeds", 1...1_000_000) ?? 1)
        var table = FaultTable()
        var (operations, faults, happenings, minutes) = (0, UInt64(0), UInt64(0), Int64(0))
        for seed in first..<first + count {
            var settings = SimulationSettings(
                seed: seed, directory: "\(options.text("directory") ?? "/dev/shm")/edge-simulation-\(getpid())")
            settings.minutes = Int64(try options.whole("minutes", 1...600) ?? 8)
            settings.keepsFiles = options.has("keep")
            let report = Simulation(settings).run()
            guard report.violations.isEmpty else { throw LabError(Self.failure(report)) }
            table.add(report.faults)
            operations += report.operations
            faults += report.faults.total
            happenings += report.happenings
            minutes += report.virtualMilliseconds / 60_000
            if count == 1 {
                StandardStream.output.write(
                    "seed \(seed): trace \(String(report.trace, radix: 16)), \(report.nodes) nodes\n")
            }
        }
        StandardStream.output.write(
            "\(count) seeds from \(first): clean; \(minutes) virtual minutes, \(operations) operations, \(faults) faults, \(happenings) happenings\n"
        )
        if options.has("table") { StandardStream.output.write(Self.text(table)) }
    }

    private static func failure(_ report: SimulationReport) -> String {
        "seed \(report.seed) fails\n\(report.story.joined(separator: "\n"))\n"
            + "seed \(report.seed): \(report.violations.joined(separator: "\n"))"
    }

    private static func text(_ table: FaultTable) -> String {
        func padded(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        var lines = padded("", 24) + Phase.allCases.map { padded($0.rawValue, 12) }.joined() + "\n"
        for fault in Fault.allCases {
            lines += padded(fault.rawValue, 24)
            lines += Phase.allCases.map { padded("\(table[fault, $0])", 12) }.joined() + "\n"
        }
        return lines
    }
}
