import Links
import Testing

@testable import Server

@Suite struct PurgeQueueTests {
    private static let origins = (1...2).map { Origin(region: 0x31, node: 0, incarnation: $0) }

    private func purge(_ sequence: UInt64, of origin: Int = 0) -> Purge {
        Purge(code: "code-\(sequence)", origin: Self.origins[origin], sequence: sequence)
    }

    private func queue(_ change: (inout PurgeLimits) -> Void = { _ in }) -> PurgeQueue {
        var limits = PurgeLimits()
        change(&limits)
        return PurgeQueue(limits, seed: 1)
    }

    private func position(_ places: [UInt64]) -> ChangePosition {
        var position = ChangePosition()
        for (origin, place) in zip(Self.origins, places) { position[origin] = place }
        return position
    }

    @Test func inOrderAndBounded() {
        var queue = queue { $0.waiting = 5 }
        for sequence in 1...5 { queue.add(purge(UInt64(sequence)), at: 10) }
        #expect(queue.room == 0 && queue.count == 5)
        var taken = [9, 10, 10].map { queue.takeDue(at: $0, underWayAtMost: 3).map(\.sequence) }
        #expect(taken == [[], [1, 2, 3], []])
        #expect(queue.room == 0, "what is under way counts")
        let isGivenUp = queue.end(purge(2), hasFailed: false, at: 11)
        #expect(!isGivenUp && queue.room == 1)
        taken = [queue.takeDue(at: 11, underWayAtMost: 3).map(\.sequence)]
        #expect(taken == [[4]])
    }

    /// The log is done with up to the first call that has not come to its end.
    @Test func done() {
        var queue = queue()
        #expect(queue.done(of: position([9, 8])) == position([9, 8]))
        for sequence: UInt64 in [3, 5, 6] { queue.add(purge(sequence), at: 0) }
        queue.add(purge(2, of: 1), at: 0)
        let taken = queue.takeDue(at: 0, underWayAtMost: 4)
        #expect(taken.count == 4 && queue.done(of: position([9, 8])) == position([2, 1]))
        _ = queue.end(taken[1], hasFailed: false, at: 1)
        #expect(queue.done(of: position([9, 8])) == position([2, 1]))
        _ = queue.end(taken[0], hasFailed: false, at: 1)
        #expect(queue.done(of: position([9, 8])) == position([5, 1]))
        _ = queue.end(taken[3], hasFailed: true, at: 1)
        #expect(queue.done(of: position([9, 8])) == position([5, 1]), "it is tried again")
        _ = queue.end(taken[2], hasFailed: false, at: 1)
        #expect(queue.done(of: position([9, 8])) == position([9, 1]))
    }

    /// Pauses double up to the longest, and the last try is the last.
    @Test func tries() {
        var queue = queue {
            ($0.tries, $0.firstPauseMilliseconds, $0.longestPauseMilliseconds) = (6, 100, 500)
        }
        queue.add(purge(1), at: 0)
        var now: Int64 = 0
        for longest: Int64 in [100, 200, 400, 500, 500] {
            let taken = queue.takeDue(at: now, underWayAtMost: 1)
            #expect(taken.count == 1)
            let isGivenUp = queue.end(taken[0], hasFailed: true, at: now)
            let early = queue.takeDue(at: now + longest / 2 - 1, underWayAtMost: 1)
            #expect(!isGivenUp && early.isEmpty, "at least half of the pause")
            now += longest
        }
        let last = queue.takeDue(at: now, underWayAtMost: 1)
        let isGivenUp = queue.end(last[0], hasFailed: true, at: now)
        #expect(last.map(\.tries) == [5] && isGivenUp)
        #expect(queue.count == 0 && queue.done(of: position([1])) == position([1]))
    }

    @Test func jitter() {
        var queue = queue { $0.firstPauseMilliseconds = 1000 }
        for sequence: UInt64 in 1...20 { queue.add(purge(sequence), at: 0) }
        for taken in queue.takeDue(at: 0, underWayAtMost: 20) { _ = queue.end(taken, hasFailed: true, at: 0) }
        let early = queue.takeDue(at: 750, underWayAtMost: 20).count
        let late = queue.takeDue(at: 1000, underWayAtMost: 20).count
        #expect((1..<20).contains(early) && early + late == 20, "they do not all come at once")
    }

    @Test(arguments: [
        "http://127.0.0.1:6081/{code}", "http://cache.example/purge?key={code}&now=1", "http://[::1]:80/a/{code}/b",
    ]) func urls(text: String) throws {
        let url = try #require(PurgeURL(text))
        #expect(url.description == text)
        #expect("http://\(url.server)" + url.target("abc") == text.replacing("{code}", with: "abc"))
    }

    @Test(arguments: [
        "", "https://a.example/{code}", "http://a.example", "http://a.example/", "http://a.example{code}",
        "http://a.example/{code}/{code}", "http://a.example/{code}#a", "http://a.example/ {code}", "http:///{code}",
        "http://a.example:0/{code}", "http://u@a.example/{code}", "http://a.example/é{code}", "http://{code}/",
    ]) func noURLs(text: String) { #expect(PurgeURL(text) == nil) }
}
