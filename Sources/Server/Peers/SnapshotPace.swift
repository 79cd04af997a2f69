import Replication

/// Spreads what is read for snapshots over time, so that a peer that joins leaves disk and links to others.
struct SnapshotPace {
    /// Reads that wait, in the order of their coming.
    private var waiting: [ConnectionID] = []
    /// When the next one may be made, in microseconds.
    private var freeAt: Int64 = 0

    /// Whether the read has to wait; then `due` gives it back.
    mutating func holds(_ id: ConnectionID, at ticks: Int64) -> Bool {
        if waiting.isEmpty, freeAt <= ticks * 1000 { return false }
        waiting.append(id)
        return true
    }

    mutating func spent(bytes: Int, of bytesPerSecond: Int, at ticks: Int64) {
        freeAt = max(freeAt, ticks * 1000) + Int64(bytes) * 1_000_000 / Int64(bytesPerSecond)
    }

    /// In milliseconds; nil: nothing waits.
    var nextAt: Int64? { waiting.isEmpty ? nil : (freeAt + 999) / 1000 }

    /// One at a time, because only its size tells when the next one may be.
    mutating func due(_ ticks: Int64) -> ConnectionID? {
        guard !waiting.isEmpty, freeAt <= ticks * 1000 else { return nil }
        return waiting.removeFirst()
    }

    mutating func forget(_ id: ConnectionID) { waiting.removeAll { $0 == id } }
}
