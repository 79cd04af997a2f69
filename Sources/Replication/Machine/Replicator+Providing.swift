import Links
import Primitives

/// Giving a snapshot: the vector at its start, the log pinned there, then chunks as far as the receiver's credit goes.
extension Replicator {
    mutating func snapshotWanted(_ wanted: SnapshotRequest, _ session: PeerSession, _ request: UInt32) {
        // Of two nodes that want each other's state the smaller one gets it.
        if case .asked = joining, session.node < settings.member.id { leaveJoining() }
        let given = sessions.values.count { $0.providing != nil }
        guard !joining.isFrozen, session.providing == nil, given < ReplicationLimits.snapshotsAtOnce else {
            return send(session.id, .snapshotEnd(SnapshotEnd(.refused)), request: request)
        }
        sessions[session.id]!.providing = .opening(request: request)
        // Before the store opens it, so that no truncation comes between.
        pins.append((rows.values.sorted { $0.origin < $1.origin }, session.id, .max))
        effects.append(.openSnapshot(session.id, after: wanted.after))
    }

    mutating func snapshotOpened(_ id: ConnectionID, _ list: [OriginState]) {
        guard case .opening(let request) = sessions[id]?.providing else { return }
        sessions[id]!.providing = .running(request: request, chunks: 0, isReading: false)
        send(id, .snapshotOffer(SnapshotOffer(forked: forked, rows: list)), request: request)
    }

    /// Whether a chunk is read now.
    mutating func pumpSnapshot(_ session: PeerSession) -> Bool {
        guard case .running(let request, let chunks, false) = session.providing else { return false }
        sessions[session.id]!.providing = .running(request: request, chunks: chunks, isReading: true)
        effects.append(.readSnapshot(session.id))
        return true
    }

    mutating func snapshotRead(_ id: ConnectionID, _ bytes: [UInt8]) {
        guard case .running(let request, let chunks, true) = sessions[id]?.providing else { return }
        let chunk = SnapshotChunk(index: chunks, bytes: bytes)
        sessions[id]!.providing = .running(request: request, chunks: chunks + 1, isReading: false)
        sessions[id]!.sentBytes += UInt64(chunk.payloadSizeBytes)
        send(id, .snapshotChunk(chunk), request: request)
    }

    /// It is whole, or it failed.
    mutating func snapshotRan(_ id: ConnectionID, _ end: SnapshotEnd) {
        let given: (request: UInt32, chunks: UInt32)
        switch sessions[id]?.providing {
        case .opening(let request): given = (request, 0)
        case .running(let request, let chunks, _): given = (request, chunks)
        case nil: return
        }
        sessions[id]!.providing = nil
        effects.append(.closeSnapshot(id))
        unpin(id)
        if end.outcome == .complete { counters.snapshotsGiven += 1 }
        var end = end
        end.chunks = given.chunks
        send(id, .snapshotEnd(end), request: given.request)
    }

    /// The log stays for a while, because the receiver comes back for what followed.
    mutating func unpin(_ id: ConnectionID) {
        for index in pins.indices where pins[index].connection == id {
            pins[index].connection = nil
            pins[index].until = now.ticks + ReplicationLimits.pinAfterSnapshot
        }
        // Of one that tries again and again only the newest few hold anything.
        let ended = pins.indices.filter { pins[$0].connection == nil }
        if ended.count > ReplicationLimits.snapshotsAtOnce { pins.remove(at: ended[0]) }
    }
}
