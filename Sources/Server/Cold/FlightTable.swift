import Links

/// Which codes are being looked up, and who waits for each: one lookup a code, however many ask for it.
///
///     enter ──▶ no lookup of the code ──▶ it begins
///           └─▶ there is one          ──▶ joins it
///     land  ──▶ to each who waits: the answer, if it is not older than the asking; else the lookup goes on anew
///
/// An answer that was read before somebody asked may be older than a change that this one knows of. It serves all the
/// same if nothing has changed the code since it was read; that is what the code's stamp tells (`CacheStamps`). Whom it
/// does not serve waits for one more lookup, which begins after all of them asked, so nobody waits for a third.
package struct FlightTable<Waiter> {
    package enum Entry: Equatable, Sendable { case begins, joins, refused }

    package struct Limits: Sendable {
        /// Codes that are looked up or wait to be.
        package var lookups: Int
        /// Requests that wait for them, and bytes of these.
        package var requests, bytes: Int

        package init(lookups: Int, requests: Int, bytes: Int) {
            (self.lookups, self.requests, self.bytes) = (lookups, requests, bytes)
        }
    }

    private struct Waiting {
        let waiter: Waiter
        /// Of the snapshot that the asking thread had.
        let tag: CacheTag
        let bytes: Int
    }

    private let limits: Limits
    private var flights: [[UInt8]: [Waiting]] = [:]
    package private(set) var requestCount = 0
    package private(set) var waitingBytes = 0
    /// Requests that found a lookup of their code under way, since the start.
    package private(set) var joinCount: UInt64 = 0

    package init(_ limits: Limits) { self.limits = limits }

    package var lookupCount: Int { flights.count }

    /// One more asks for `code`, with a snapshot of `tag`.
    package mutating func enter(_ code: [UInt8], _ waiter: Waiter, _ tag: CacheTag, bytes: Int) -> Entry {
        guard requestCount < limits.requests, waitingBytes + bytes <= limits.bytes else { return .refused }
        let isUnderWay = flights[code] != nil
        guard isUnderWay || flights.count < limits.lookups else { return .refused }
        flights[code, default: []].append(Waiting(waiter: waiter, tag: tag, bytes: bytes))
        requestCount += 1
        waitingBytes += bytes
        if isUnderWay { joinCount += 1 }
        return isUnderWay ? .joins : .begins
    }

    /// The lookup of `code` has an answer of a snapshot of `tag`; `isCurrent`: nothing has changed the code since. Those
    /// that it serves, and whether the lookup is to be made anew for others.
    package mutating func land(_ code: [UInt8], _ tag: CacheTag, isCurrent: Bool) -> (served: [Waiter], goesOn: Bool) {
        guard let waiting = flights[code] else { preconditionFailure("a lookup lands once") }
        let served = isCurrent ? waiting : waiting.filter { $0.tag <= tag }
        let left = isCurrent ? [] : waiting.filter { $0.tag > tag }
        flights[code] = left.isEmpty ? nil : left
        requestCount -= served.count
        waitingBytes -= served.reduce(0) { $0 + $1.bytes }
        return (served.map(\.waiter), !left.isEmpty)
    }

    /// For tests: traps if the counts do not fit together. O(n).
    package func checkInvariants() {
        precondition(flights.values.allSatisfy { !$0.isEmpty } && flights.count <= limits.lookups)
        precondition(requestCount == flights.values.reduce(0) { $0 + $1.count } && requestCount <= limits.requests)
        precondition(waitingBytes == flights.values.reduce(0) { $0 + $1.reduce(0) { $0 + $1.bytes } })
    }
}
