import Synchronization

/// What workers answer themselves; the API counts its own answers.
enum AnswerRoute: Int, CaseIterable {
    case code, health, ready
    /// What the API would have answered, had it not too much to do.
    case other
    /// What could not be read as a request.
    case none

    var name: String {
        switch self {
        case .code: "/{code}"
        case .health: "/health"
        case .ready: "/health/ready"
        case .other: "other"
        case .none: "none"
        }
    }
}

/// Answers of one worker by route and status: counted by its thread alone, read by any.
///
/// Safety: each count is atomic; the memory lives as long as the value.
final class AnswerCounts: @unchecked Sendable {
    /// Every status that a worker answers with; others would be counted as 0.
    static let statuses = [
        0, 200, 301, 302, 307, 308, 400, 404, 405, 408, 410, 413, 414, 417, 429, 431, 451, 500, 501, 503, 505,
    ]
    private static let count = statuses.count * AnswerRoute.allCases.count
    private let counts: UnsafeMutablePointer<Atomic<UInt64>>

    init() {
        counts = .allocate(capacity: Self.count)
        for index in 0..<Self.count { (counts + index).initialize(to: Atomic(0)) }
    }

    deinit {
        counts.deinitialize(count: Self.count)
        counts.deallocate()
    }

    func add(_ route: AnswerRoute, _ status: Int, _ amount: UInt64 = 1) {
        let place = Self.statuses.firstIndex(of: status) ?? 0
        let count = counts + (route.rawValue * Self.statuses.count + place)
        count.pointee.store(count.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    func value(_ route: AnswerRoute, _ status: Int) -> UInt64 {
        let place = Self.statuses.firstIndex(of: status)!
        return counts[route.rawValue * Self.statuses.count + place].load(ordering: .relaxed)
    }
}
