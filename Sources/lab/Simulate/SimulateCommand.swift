import Glibc
import Primitives
import Server
import Simulation
import Synchronization

/// `lab simulate …`
enum SimulateCommand {
    static let help = """
        usage: lab simulate [--seed 1] [--seeds 1] [--minutes 8] [--jobs 1] [--directory DIR] [--keep]
                            [--without-claims]

        Runs clusters of real stores and replicators in virtual time, one for each seed from --seed on, with faults for
        so many minutes and quiet after them. A seed that fails is told of at once, and the others are run all the same;
        at the end come how often each fault met each phase, all failures, and the story of the first. Ends with 1 if
        there was one. --jobs: runs at a time. --directory: where the stores are; if not said, in memory, where there is
        room. --keep: a failed run's directories stay. --without-claims: nodes replicate, and nobody claims a name.

        """

    static func run(_ arguments: [String]) throws {
        if let first = arguments.first, ["help", "--help"].contains(first) {
            StandardStream.output.write(help)
            return
        }
        let options = try Options(
            arguments, known: ["seed", "seeds", "minutes", "jobs", "directory"], flags: ["keep", "without-claims"])
        let batch = SimulationBatch(
            first: UInt64(try options.whole("seed", 0...Int.max / 2) ?? 1),
            count: UInt64(try options.whole("seeds", 1...1_000_000) ?? 1),
            minutes: Int64(try options.whole("minutes", 1...600) ?? 8),
            directory: options.text("directory") ?? ScratchPlace.path, keepsFiles: options.has("keep"),
            claims: !options.has("without-claims"))
        let totals = batch.run(jobs: try options.whole("jobs", 1...64) ?? 1)
        StandardStream.output.write(totals.text(batch))
        if batch.count > 1 { StandardStream.output.write(text(totals.faults)) }
        if let story = totals.story { throw LabError(([story] + totals.failures).joined(separator: "\n")) }
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
        let missing = table.missing.map { "\($0.fault.rawValue) in \($0.phase.rawValue)" }.joined(separator: ", ")
        return lines + (missing.isEmpty ? "each fault met each phase\n" : "never met: \(missing)\n")
    }
}

/// Seeds one behind the other.
struct SimulationBatch {
    let first, count: UInt64
    let minutes: Int64
    let directory: String
    let keepsFiles: Bool
    let claims: Bool

    struct Totals {
        var seeds: UInt64 = 0
        /// Of them, those that were long and hard enough.
        var counting: UInt64 = 0
        var (minutes, happenings): (Int64, UInt64) = (0, 0)
        var (operations, acknowledged, strikes) = (0, 0, 0)
        var faults = FaultTable()
        var claims = ClaimSums()
        var lastTrace: UInt64 = 0
        /// A line for each seed that failed, with the first thing that did not hold.
        var failures: [String] = []
        /// Of the first of them.
        var story: String?

        mutating func add(_ report: SimulationReport) {
            guard report.violations.isEmpty else {
                failures.append("seed \(report.seed): \(report.violations[0])")
                story = story ?? report.text
                return
            }
            seeds += 1
            if report.counts { counting += 1 }
            strikes += report.strikes
            minutes += report.virtualMilliseconds / 60_000
            happenings += report.happenings
            operations += report.operations
            acknowledged += report.acknowledged
            faults.add(report.faults)
            claims += report.claims
            lastTrace = report.trace
        }

        func text(_ batch: SimulationBatch) -> String {
            let trace = batch.count == 1 ? ", trace \(String(lastTrace, radix: 16))" : ""
            let failed = failures.isEmpty ? "" : ", \(failures.count) failed"
            return
                "\(seeds) seeds from \(batch.first) clean\(failed), \(counting) of them count: \(minutes) virtual minutes, "
                + "\(operations) operations, \(acknowledged) acknowledged, \(strikes) faults, "
                + "\(happenings) happenings\(trace)\n"
                + "\(claims.text)\n"
        }
    }

    /// Safety: what threads share is behind mutexes.
    private final class Shared: Sendable {
        let next: Mutex<UInt64>
        let totals = Mutex(Totals())
        init(first: UInt64) { next = Mutex(first) }
    }

    func run(jobs: Int) -> Totals {
        let shared = Shared(first: first)
        let threads = (0..<jobs).map { job in
            SystemThread("simulation-\(job)") {
                while let seed = take(shared) {
                    // After a trap the directory that is left tells the seed.
                    var settings = SimulationSettings(
                        seed: seed, directory: "\(directory)/edge-simulation-\(getpid())-\(seed)")
                    (settings.minutes, settings.keepsFiles, settings.claims) = (minutes, keepsFiles, claims)
                    let report = Simulation(settings).run()
                    shared.totals.withLock { totals in
                        totals.add(report)
                        if !report.violations.isEmpty { StandardStream.error.write(totals.failures.last! + "\n") }
                        let done = totals.seeds + UInt64(totals.failures.count)
                        if done % 100 == 0, done < count { StandardStream.error.write("\(done) of \(count) seeds\n") }
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        return shared.totals.withLock { $0 }
    }

    /// Nil at the end.
    private func take(_ shared: Shared) -> UInt64? {
        shared.next.withLock { next in
            guard next < first + count else { return nil }
            next += 1
            return next - 1
        }
    }
}
