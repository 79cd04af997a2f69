import Links
import Primitives
import Replication
import Store

/// Readers, the caches beside them, and a store that another takes the place of.
extension Simulation {
    func openReader(_ node: SimulatedNode) {
        guard let store = node.store?.store, let reader = try? store.makeReader() else { return }
        node.reader = reader
        node.cache = CodeCache(entries: Self.cacheEntries, stamps: store.stamps)
    }

    func closeReader(_ node: SimulatedNode) {
        node.reader = nil
        node.cache = nil
    }

    private static let cacheEntries = 64

    // MARK: Cache

    /// What the cache has must be what the store has; if it has nothing, it takes that.
    func checkCache(_ node: SimulatedNode, _ key: LinkKey, _ shown: Shown) {
        guard let store = node.store?.store, let reader = node.reader, node.cache != nil else { return }
        let code = Array(store.codeSpace.text(of: key).utf8)
        let kind: CodeCache.Kind
        var answer: [UInt8] = []
        switch shown {
        case .impossible, .damaged, .failed: return
        case .absent: kind = .notFound
        case .link(let link):
            kind = link.rank.isDeleted ? .gone : .redirect
            answer.append(bigEndian: link.rank.stamp)
            link.rank.origin.encode(into: &answer)
            // A worker's cache takes no answer as long as the longest link.
            answer.append(bigEndian: SipHash.hash24(link.destination.span.bytes, key0: 0, key1: 0))
        }
        guard let hit = node.cache!.lookup(code.span.bytes, now: node.machine.wall) else {
            return node.cache!.insert(
                code.span.bytes, kind, answer: answer.span.bytes, tag: reader.tag, now: node.machine.wall,
                renderAgainAt: Instant(milliseconds: .max))
        }
        report.cacheHits += 1
        var cached = [UInt8](repeating: 0, count: hit.byteCount)
        cached.withUnsafeMutableBytes { if hit.byteCount > 0 { node.cache!.copy(hit, to: $0.baseAddress!) } }
        if hit.kind != kind || cached != answer { violated(.cacheIsFresh, "\(key) at \(node.id)") }
    }

    /// Redirects go on while a transaction is about to be committed: what they find then is of before, and must not be
    /// found in the cache after.
    func visitWhileCommitting(_ node: SimulatedNode) {
        guard node.reader != nil, !ledger.keys.isEmpty else { return }
        for _ in 0..<Self.visitsWhileCommitting {
            let newest = min(ledger.keys.count, 30)
            let key = ledger.keys[ledger.keys.count - 1 - .random(in: 0..<newest, using: &node.machine.random)]
            checkCache(node, key, show(node, key))
        }
    }

    private static let visitsWhileCommitting = 3

    // MARK: Another store

    func finishInstall(_ effect: Effect, _ node: SimulatedNode, _ store: PeerStore) {
        if !isQuiet, chance(1, of: 5) { return crashWhileInstalling(effect, node, store) }
        _ = store.perform(effect)
        deliver(node)
        turnSoon(node)
    }

    /// Where the process can end while one store takes the other's place: before anything of the old one has gone, when
    /// its side file has, and when the new store is there without one.
    private enum InstallStep: CaseIterable { case prepared, withoutIdentity, renamed }

    private func crashWhileInstalling(_ effect: Effect, _ node: SimulatedNode, _ store: PeerStore) {
        let step = mayDoubt(node) ? InstallStep.allCases.randomElement(using: &random)! : .prepared
        let (before, prepared, held) = (node.disk.image(), node.disk.joining, held(node))
        let (acceptor, damagedLogs) = (votes.disk(node.id), node.damagedLogs)
        _ = store.perform(effect)
        store.store.turn()
        met(.crash, node.phases, node)
        tell("it crashes while it installs: \(step)")
        if step == .renamed {
            noteUntold(node)
            takeKept(node, isTold: false)
        }
        stop(node)
        if step != .renamed {
            node.disk.restore(before)
            node.disk.writeJoining(prepared)
            (node.heldWhileDown, node.damagedLogs) = (held, damagedLogs)
            votes.undo(node.id, acceptor)
        }
        if step != .prepared { node.disk.removeIdentity() }
        schedule(.start(node: node.index), after: .random(in: 100...8000, using: &random))
    }
}
