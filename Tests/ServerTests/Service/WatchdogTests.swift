import Server
import Testing

@Suite struct WatchdogTests {
    /// At each time the turns of two threads, and what is to be done.
    @Test func onlyWhileAllGetOn() {
        var watchdog = Watchdog(watchdogMilliseconds: 6_000)
        let steps: [(now: Int64, api: UInt64, writer: UInt64, actions: [Watchdog.Action])] = [
            (0, 1, 1, [.feed]),
            (1_000, 2, 1, []),
            (2_000, 3, 1, []),
            // Fed every three seconds, before they are over.
            (2_500, 3, 2, [.feed]),
            (4_000, 4, 2, []),
            (5_400, 5, 2, [.feed]),
            (5_600, 5, 2, [.stalled(thread: "writer")]),
            (6_600, 6, 2, []),
            (8_600, 7, 2, []),
            (11_700, 7, 2, [.stalled(thread: "api")]),
            (12_000, 8, 2, [.recovered(thread: "api")]),
            (12_100, 8, 3, [.recovered(thread: "writer"), .feed]),
        ]
        for step in steps {
            let actions = watchdog.look([("api", step.api), ("writer", step.writer)], now: step.now)
            #expect(actions == step.actions, "at \(step.now)")
        }
    }

    /// Whatever the time the manager gives, it is fed at least each half of it, if threads get on.
    @Test(arguments: [2, 100, 999, 1_000, 3_000, 30_000, 3_600_000] as [Int64])
    func fedInTime(watchdogMilliseconds: Int64) {
        var watchdog = Watchdog(watchdogMilliseconds: watchdogMilliseconds)
        var (now, fedAt, feeds) = (Int64(0), Int64(0), 0)
        for turn in 0..<20_000 {
            if watchdog.look([("worker-0", UInt64(turn))], now: now) == [.feed] {
                #expect(now - fedAt <= max(1, watchdogMilliseconds / 2))
                (fedAt, feeds) = (now, feeds + 1)
            }
            now += watchdog.pauseMilliseconds
        }
        #expect(feeds > 10 && now - fedAt <= watchdogMilliseconds / 2 + 1)
    }

    @Test func withoutAManagerStallsAreNoticed() {
        var watchdog = Watchdog(watchdogMilliseconds: nil)
        #expect(watchdog.look([("api", 1)], now: 0) == [])
        #expect(watchdog.look([("api", 1)], now: Watchdog.patienceMilliseconds) == [])
        #expect(watchdog.look([("api", 1)], now: Watchdog.patienceMilliseconds + 1) == [.stalled(thread: "api")])
        #expect(watchdog.look([("api", 2)], now: 20_000) == [.recovered(thread: "api")])
    }
}
