import Links
import Primitives

/// Every bound of the calls that purge caches, in one place.
struct PurgeLimits {
    /// Calls that are owed; while there are so many the log is not read further.
    var waiting = 1024
    /// Calls that are made at a time, each on a connection and a thread of its own.
    var senders = 4
    /// After so many tries a call is given up.
    var tries = 10
    /// From the first failed try to the next; the double from there to the one after it, and so on. A random part of up to
    /// a half is left out, so that nodes that failed together do not come again together.
    var firstPauseMilliseconds: Int64 = 200
    var longestPauseMilliseconds: Int64 = 30_000
    var connectMilliseconds: Int64 = 2000
    /// From having connected to the end of the answer.
    var answerMilliseconds: Int64 = 5000
    /// Until a position is made durable: what a crash may make the node purge again.
    var saveMilliseconds: Int64 = 5000
    /// Of the file of calls that were given up; then it is set aside in place of the one before.
    var letterBytes = 16 << 20
}

/// A call that is owed because of one entry of a log.
struct Purge: Equatable, Sendable {
    let code: String
    let origin: Origin
    let sequence: UInt64
    /// That have failed.
    var tries = 0
}

/// The calls that are owed: which are due, and how far the logs are done with. Pure; time and chance come in.
struct PurgeQueue {
    private let limits: PurgeLimits
    private var random: SeededRandom
    private var waiting: [(due: Int64, purge: Purge)] = []
    private var underWay: [Purge] = []

    init(_ limits: PurgeLimits, seed: UInt64) {
        self.limits = limits
        random = SeededRandom(seed: seed)
    }

    var count: Int { waiting.count + underWay.count }
    var room: Int { limits.waiting - count }

    mutating func add(_ purge: Purge, at now: Int64) {
        precondition(room > 0)
        waiting.append((now, purge))
    }

    /// What is to be sent now, in the order in which it became due; `limit` at a time are under way.
    mutating func takeDue(at now: Int64, underWayAtMost limit: Int) -> [Purge] {
        let free = limit - underWay.count
        guard free > 0 else { return [] }
        var due = waiting.indices.filter { waiting[$0].due <= now }
        due.sort { (waiting[$0].due, $0) < (waiting[$1].due, $1) }
        due = Array(due.prefix(free))
        let taken = due.map { waiting[$0].purge }
        for index in due.sorted(by: >) { waiting.remove(at: index) }
        underWay += taken
        return taken
    }

    /// A call has come to its end. Whether it is given up: it failed, and was tried often enough.
    mutating func end(_ purge: Purge, hasFailed: Bool, at now: Int64) -> Bool {
        let index = underWay.firstIndex(of: purge)
        precondition(index != nil, "a call that was not taken")
        underWay.remove(at: index!)
        guard hasFailed else { return false }
        var purge = purge
        purge.tries += 1
        guard purge.tries < limits.tries else { return true }
        waiting.append((now + pause(after: purge.tries), purge))
        return false
    }

    private mutating func pause(after tries: Int) -> Int64 {
        let doublings = min(tries - 1, 30)
        let whole = min(limits.longestPauseMilliseconds, limits.firstPauseMilliseconds << Int64(doublings))
        return whole - Int64.random(in: 0...whole / 2, using: &random)
    }

    /// How far all calls that the logs gave rise to have come to their end, if the logs were read up to `position`.
    func done(of position: ChangePosition) -> ChangePosition {
        var done = position
        for purge in waiting.map(\.purge) + underWay {
            done[purge.origin] = min(done[purge.origin], purge.sequence - 1)
        }
        return done
    }
}
