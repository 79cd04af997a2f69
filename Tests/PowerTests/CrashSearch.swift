import Foundation
import Primitives
import Synchronization

/// Cuts the power at many points of a trace, in many ways, and judges each disk that is found then.
struct CrashSearch {
    /// All points and more ways, or a sample.
    var isExhaustive = false
    /// Of a hundred points between the notable ones, how many are looked at.
    var samplePercent = 10
    var seed: UInt64 = 1
    /// Ends at the first fault.
    var stopsAtFault = false
    var judge: @Sendable (String, _ acknowledged: [String: String], _ later: [String: String]) -> String? = Judge.fault

    struct Report: Sendable {
        var prefixes = 0
        var states = 0
        var faults: [String] = []
    }

    private static let losses: [Disk.Loss] = [nil, 4096, 512].flatMap { piece in
        [15, 50, 85].map { .some(pieceBytes: piece, keptPercent: $0) }
    }

    func run(_ stage: PowerTrace.Stage) -> Report {
        let report = Mutex(Report())
        let workers = 2
        DispatchQueue.concurrentPerform(iterations: workers) { worker in
            let directory = TemporaryDirectory(inMemory: true)
            var disk = stage.trace.start
            var acknowledged = stage.before
            var later = stage.later
            for (index, event) in stage.trace.events.enumerated() {
                disk.replay(event)
                if case .acknowledged(let links) = event {
                    acknowledged.merge(links) { $1 }
                    for code in links.keys { later[code] = nil }
                }
                guard index % workers == worker else { continue }
                var random = SeededRandom(seed: seed &* 1_000_003 &+ UInt64(index))
                let losses = losses(index, event, &random)
                report.withLock { $0.prefixes += losses.isEmpty ? 0 : 1 }
                for loss in losses {
                    let path = directory.path + "/world"
                    try? FileManager.default.removeItem(atPath: path)
                    var fault: String?
                    do {
                        try disk.crash(loss, &random, into: path)
                        fault = judge(path + "/data", acknowledged, later)
                    } catch { fault = "\(error)" }
                    report.withLock {
                        $0.states += 1
                        if let fault {
                            $0.faults.append("\(stage.name), after event \(index) (seed \(seed)), \(loss): \(fault)")
                        }
                    }
                }
                if report.withLock({ stopsAtFault && !$0.faults.isEmpty || $0.faults.count >= 20 }) { return }
            }
        }
        return report.withLock { $0 }
    }

    private func losses(_ index: Int, _ event: DiskEvent, _ random: inout SeededRandom) -> [Disk.Loss] {
        if isExhaustive { return [.everything, .nothing] + Self.losses.shuffled(using: &random).prefix(4) }
        if isNotable(event) || index < 40 {
            return [.everything, .nothing] + Self.losses.shuffled(using: &random).prefix(2)
        }
        guard Int.random(in: 0..<100, using: &random) < samplePercent else { return [] }
        return [.everything, Self.losses.randomElement(using: &random)!]
    }

    /// Names change seldom, and much hangs on them.
    private func isNotable(_ event: DiskEvent) -> Bool { if case .entries = event { true } else { false } }
}
