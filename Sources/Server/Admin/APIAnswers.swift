import Synchronization

/// Counts the API's answers by route and status. Both come from the code, so the table is small.
final class APIAnswers: Sendable {
    struct Row: Sendable {
        let route: String
        let status: Int
        let count: UInt64
    }

    private struct Key: Hashable { let route: String, status: Int }
    private let counts = Mutex<[Key: UInt64]>([:])

    func note(_ route: String, _ status: Int) {
        counts.withLock { $0[Key(route: route, status: status), default: 0] += 1 }
    }

    var rows: [Row] {
        counts.withLock { $0 }.map { Row(route: $0.key.route, status: $0.key.status, count: $0.value) }
            .sorted { ($0.route, $0.status) < ($1.route, $1.status) }
    }
}
