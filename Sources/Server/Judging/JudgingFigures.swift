import Primitives
import Synchronization

/// Bounds of judging links.
enum JudgingLimits {
    /// Writes that wait for the writer at a time.
    static let writes = 128
    /// Of one look at the logs.
    static let followedLinks = 256
    /// For how long a page of all links is read.
    static let scanMicroseconds: Int64 = 5_000
    static let pauseMilliseconds = 100
    /// After something could not be read or written.
    static let failurePauseMilliseconds = 1000
    /// Until a position is made durable: what a crash may have judged again.
    static let saveMilliseconds: Int64 = 5000
    static let niceness: Int32 = 19
}

/// Counted by the thread that judges.
final class JudgingFigures: Sendable {
    /// Links, whether new ones or again.
    let judged = Counter()
    let blocked = Counter()
    let lifted = Counter()
    /// Parts of logs that could not be read.
    let gaps = Counter()
    /// Turns that came to nothing, because the judge or the store failed.
    let failures = Counter()
}

/// What was written, as far as it is known what became of it.
final class Outcomes: Sendable {
    private let ends = WaitingQueue<(JudgedBlock, Moderation.Outcome)>(capacity: .max)

    func add(_ write: JudgedBlock, _ outcome: Moderation.Outcome) { ends.pushPastCapacity((write, outcome)) }

    /// The writer answers each write, at the latest when it stops.
    func wait(for count: Int) -> [(JudgedBlock, Moderation.Outcome)] {
        var all: [(JudgedBlock, Moderation.Outcome)] = []
        while all.count < count { all += ends.take(atMost: count, timeoutMilliseconds: 60_000) ?? [] }
        return all
    }
}
