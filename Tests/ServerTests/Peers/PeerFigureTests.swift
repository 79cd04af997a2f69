import Links
import Primitives
import Testing

@testable import Replication
@testable import Server

@Suite struct PeerFigureTests {
    @Test func agesOfHeads() {
        var history = HeadHistory()
        for (head, at) in [(10, 1000), (20, 1005), (30, 2000), (30, 2500), (5, 2600)] as [(UInt64, Int64)] {
            history.note(head, at: at)
        }
        #expect(history.head == 30)
        let rows: [(known: UInt64, age: Int64)] = [
            (0, 2000), (9, 2000), (10, 2000), (19, 2000), (20, 1000), (30, 0), (40, 0),
        ]
        for row in rows { #expect(history.age(behind: row.known, at: 3000) == row.age, "behind \(row.known)") }
        history.forget(through: 20)
        #expect(history.age(behind: 20, at: 3000) == 1000 && history.age(behind: 30, at: 3000) == 0)
    }

    /// However many steps there are: what is told is at most a little too long.
    @Test func manySteps() {
        var history = HeadHistory()
        for step in 1...10_000 as ClosedRange<Int64> { history.note(UInt64(step), at: step * 20) }
        for known in stride(from: UInt64(0), to: 10_000, by: 997) {
            let age = 200_000 - Int64(known + 1) * 20
            let told = history.age(behind: known, at: 200_000)
            #expect(told >= age && told <= age + 200_000 / 100, "behind \(known): \(told), not \(age)")
        }
    }

    @Test func intakeRefusesItsShare() {
        let intake = WriteIntake()
        let rows: [(lag: Int64, refused: Int)] = [
            (0, 0), (1000, 0), (2000, 250), (3000, 500), (5000, 1000), (99_999, 1000),
        ]
        for row in rows {
            intake.note(lag: row.lag, slow: 1000, stop: 5000)
            let before = intake.refusalCount
            let refused = (0..<1000).count { _ in !intake.lets() }
            #expect(refused == row.refused && intake.refusalCount - before == UInt64(row.refused), "lag \(row.lag)")
        }
        // Bounds that are one: nothing, then all.
        intake.note(lag: 1000, slow: 1000, stop: 1000)
        #expect(intake.lets())
        intake.note(lag: 1001, slow: 1000, stop: 1000)
        #expect(!intake.lets())
    }

    @Test func snapshotsTakeTheirTime() {
        var pace = SnapshotPace()
        let (one, other) = (ConnectionID(rawValue: 1), ConnectionID(rawValue: 2))
        #expect(!pace.holds(one, at: 100) && pace.nextAt == nil)
        pace.spent(bytes: 1 << 20, of: 1 << 20, at: 100)
        #expect(pace.holds(one, at: 101) && pace.holds(other, at: 102))
        #expect(pace.nextAt == 1100 && pace.due(1099) == nil)
        #expect(pace.due(1100) == one)
        pace.spent(bytes: 1 << 19, of: 1 << 20, at: 1100)
        #expect(pace.due(1100) == nil && pace.nextAt == 1600)
        pace.forget(other)
        #expect(pace.nextAt == nil && !pace.holds(one, at: 1600))
    }

    /// A peer that catches up after a long absence keeps nobody waiting; one that falls behind does.
    @Test func whoCounts() {
        let own = Origin(region: 0x31, node: 0, incarnation: 7)
        let node = NodeID(region: 0x32, node: 0)
        func status(head: UInt64, acknowledged: UInt64, isConnected: Bool = true) -> ReplicatorStatus {
            var state = OriginState(origin: own)
            state.head = head
            return ReplicatorStatus(
                own: own, phase: .level, isReady: true, isContinuous: true, mayChange: true, format: 1,
                logs: [.init(state: state, bestHead: head, quarantine: nil)],
                peers: [
                    .init(
                        node: node, isConnected: isConnected, isDialled: false, roundTrip: nil, silence: nil,
                        clockOffset: nil,
                        acknowledged: acknowledged, unacknowledgedBytes: 0)
                ], members: [], alarms: [], counters: Counters())
        }
        var watch = PeerWatch()
        let rows: [(at: Int64, ReplicatorStatus, lag: Int64)] = [
            (1000, status(head: 9, acknowledged: 1), 0), (5000, status(head: 9, acknowledged: 2), 0),
            (6000, status(head: 9, acknowledged: 9), 0), (7000, status(head: 12, acknowledged: 9), 0),
            (9000, status(head: 15, acknowledged: 9), 2000), (9500, status(head: 15, acknowledged: 12), 500),
            (9600, status(head: 15, acknowledged: 12, isConnected: false), 0),
            (9900, status(head: 15, acknowledged: 12), 0),
        ]
        for (at, status, lag) in rows {
            watch.note(status, at: at)
            #expect(watch.slowestLag(status, at: at) == lag, "at \(at)")
        }
    }

    /// Every alarm is documented under the name that log and metrics have.
    @Test func names() {
        let origin = Origin(region: 0x31, node: 0, incarnation: 7)
        let node = NodeID(origin)
        let alarms: [Alarm] = [
            .duplicateNode(node), .rejected(.auth, by: "a:1"), .quarantined(origin, .poison), .ownClockWrong,
            .incarnationInDoubt, .diverged(bucket: 5), .damagedEntry(origin, from: node), .damagedLog(origin),
            .snapshotNeeded(origin), .retired,
        ]
        #expect(alarms.map(\.name) == Alarm.names)
        #expect(!alarms.contains { $0.subject.isEmpty })
    }
}
