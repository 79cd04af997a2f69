import Synchronization

/// What is limited, each for itself.
package enum LimitName: String, CaseIterable, Sendable {
    /// What changes links.
    case create
    /// What asks the API.
    case read
    /// Redirects, whether or not the code is known.
    case redirect
    /// What asked for something that is not there.
    case miss
    /// Keys that are none. Asked with `look` before a key is looked at; each wrong one takes a token of its network.
    case authFailure = "auth_failure"
    /// Reports of abuse.
    case report
}

/// How many requests were refused by each limit; it outlives the limits that are exchanged.
package final class LimitRefusals: Sendable {
    private let create = Atomic<UInt64>(0)
    private let read = Atomic<UInt64>(0)
    private let redirect = Atomic<UInt64>(0)
    private let miss = Atomic<UInt64>(0)
    private let authFailure = Atomic<UInt64>(0)
    private let report = Atomic<UInt64>(0)

    package init() {}

    func note(_ name: LimitName) {
        switch name {
        case .create: create.add(1, ordering: .relaxed)
        case .read: read.add(1, ordering: .relaxed)
        case .redirect: redirect.add(1, ordering: .relaxed)
        case .miss: miss.add(1, ordering: .relaxed)
        case .authFailure: authFailure.add(1, ordering: .relaxed)
        case .report: report.add(1, ordering: .relaxed)
        }
    }

    package func count(_ name: LimitName) -> UInt64 {
        switch name {
        case .create: create.load(ordering: .relaxed)
        case .read: read.load(ordering: .relaxed)
        case .redirect: redirect.load(ordering: .relaxed)
        case .miss: miss.load(ordering: .relaxed)
        case .authFailure: authFailure.load(ordering: .relaxed)
        case .report: report.load(ordering: .relaxed)
        }
    }
}

/// One limit in force: the same for all threads of the node, whatever their number.
package final class Limiter: Sendable {
    package let name: LimitName
    package let limit: RateLimit
    private let buckets = BucketTable()
    private let refusals: LimitRefusals

    package init(_ name: LimitName, _ limit: RateLimit, _ refusals: LimitRefusals) {
        (self.name, self.limit, self.refusals) = (name, limit, refusals)
    }

    /// Takes a token if there is one. `now` in microseconds of a clock that only goes forward.
    @inline(__always)
    package func take(_ subject: LimitSubject, at now: Int64) -> LimitAnswer {
        answer(buckets.take(subject.hash, limit, at: limit.ticks(UInt64(now))))
    }

    /// The same with the time already in ticks of this limit, for whoever asks often in one instant. False: refused.
    @inline(__always)
    func takes(_ subject: LimitSubject, atTick now: UInt64) -> Bool {
        buckets.take(subject.hash, limit, at: now).isAllowed
    }

    /// Whether there is a token, without taking it.
    package func look(_ subject: LimitSubject, at now: Int64) -> LimitAnswer {
        answer(buckets.look(subject.hash, limit, at: limit.ticks(UInt64(now))))
    }

    private func answer(_ verdict: BucketTable.Verdict) -> LimitAnswer {
        if !verdict.isAllowed { refusals.note(name) }
        return LimitAnswer(name: name, limit: limit, isAllowed: verdict.isAllowed, debt: verdict.debt)
    }

    /// How often somebody has to call `sweep`, in microseconds: no limit's ticks go round in less than an hour.
    package static let sweepMicroseconds: Int64 = 60_000_000

    /// Forgets clients whose bucket is full; the number of others.
    @discardableResult
    package func sweep(at now: Int64) -> Int { buckets.sweep(limit, at: limit.ticks(UInt64(now))) }
}

/// What a limit says to one request, and what its answer tells of that.
package struct LimitAnswer: Equatable, Sendable {
    package let name: LimitName
    package let limit: RateLimit
    package let isAllowed: Bool
    /// Ticks that the client owes now.
    let debt: UInt64

    /// In whole seconds, at least 1: when they are over one request passes.
    package var retryAfterSeconds: UInt64 { max(1, limit.secondsToNextToken(debt)) }

    /// draft-ietf-httpapi-ratelimit-headers-10: the quota `q` is what an idle client may ask at once, `w` the seconds in
    /// which it comes back; of that, `r` is left, and there is more in `t` seconds.
    package var fields: [(name: String, value: String)] {
        let name = name.rawValue
        return [
            ("RateLimit-Policy", "\"\(name)\";q=\(limit.burst);w=\(limit.windowSeconds)"),
            ("RateLimit", "\"\(name)\";r=\(limit.remaining(debt));t=\(limit.secondsToNextToken(debt))"),
        ]
    }
}
