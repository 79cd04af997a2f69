import Links
import Primitives

/// Equal vectors must mean equal records. Now and then this node walks down the tree of sums together with a peer, to
/// the buckets that differ and were quiet, and takes over the records there that win over its own; the peer does the
/// same in its turn. One question is open at a time.
struct Comparison {
    enum Step: Equatable {
        case digests(DigestNode, request: UInt32)
        /// The peer's answer, while the store reads the own sums.
        case reading(Digests)
        case bucket(BucketRequest, request: UInt32)
        case record([UInt8], request: UInt32)
        /// Records are with the store; what to ask for after.
        case merging(BucketRequest?)
    }

    var peer: ConnectionID?
    /// Some origins' heads differ, and so may their records, without anything wrong.
    var leavesOut = false
    /// Whose records are asked for.
    var bucket: UInt64?
    var step: Step?
    var askedAt: Int64 = 0
    var nodes: [DigestNode] = []
    var buckets: [UInt64] = []
    /// Keys of records that are damaged here, and how many peers had no sound copy.
    var damaged: [(key: [UInt8], tries: Int)] = []

    mutating func closed(_ id: ConnectionID) {
        guard peer == id else { return }
        (peer, step, bucket, nodes, buckets) = (nil, nil, nil, [], [])
    }
}

extension Replicator {
    mutating func handleComparison(_ event: Event) {
        switch event {
        case .digestsRead(let id, let read, var digests):
            if !evenClock.isEven(for: ReplicationLimits.quietFor, at: now.ticks) { digests?.doubtQuiet() }
            if let request = read.request {
                guard sessions[id]?.isOpen == true, let digests else { return }
                send(id, .digests(digests), request: request)
            } else {
                compare(id, digests)
            }
        case .recordsRead(let id, let request, let records):
            if sessions[id]?.isOpen == true { send(id, .records(records), request: request) }
        case .merged(let id, let changed, let missed, let others):
            guard comparison.peer == id, case .merging(let next) = comparison.step else { return }
            counters.recordsRepaired += UInt64(changed)
            // Of a life that ended a snapshot may have brought what no log has.
            let isExplained = missed == 0 && (comparison.leavesOut || others.allSatisfy(hasEnded))
            if let bucket = comparison.bucket, !isExplained { raise(.diverged(bucket: bucket)) }
            comparison.step = nil
            if let next { ask(next) } else { continueComparison() }
        case .damagedRecord(let key):
            guard comparison.damaged.count < ReplicationLimits.damagedRecords,
                !comparison.damaged.contains(where: { $0.key == key })
            else { return }
            comparison.damaged.append((key, 0))
            continueComparison()
        default: preconditionFailure("not of a comparison")
        }
    }

    private enum Vectors { case equal, equalButForSome, unequal }

    /// Equal as far as this node knows, or both hold what either did a while ago: what was left alone for longer must be
    /// equal then, and where somebody always writes vectors hardly ever are. Left out are origins with two versions of their
    /// log or with an end that cannot be applied, and ended ones that differ for good: nothing streams there any more, so
    /// repairing records by the rule of the winner is what still makes the nodes equal. Who has just come may yet take what
    /// it lacks. Where there are such origins the own one is left out too, once nobody takes more of it: they may be unable to
    /// apply it, and this node would never have the others' records.
    private func vectors(_ session: PeerSession) -> Vectors {
        let theirs = peers[session.node]!
        let stuck = Set(intakes.filter { [.fork, .poison].contains($0.value.quarantine) }.keys)
        let mark = session.mark.flatMap { now.ticks - $0.at <= 2 * ReplicationLimits.markAge ? $0.heads : nil }
        var leavesOut = !stuck.isEmpty
        for origin in Set(rows.keys).union(theirs.rows.keys) where !stuck.contains(origin) {
            let (here, there) = (head(origin), theirs.head(origin))
            if here == there { continue }
            if let mark, min(here, there) >= mark[origin] ?? 0 { continue }
            let movedAt = max(self.movedAt[origin] ?? startedAt, session.openedAt)
            guard hasEnded(origin) || origin == own && !stuck.isEmpty, now.ticks - movedAt >= ReplicationLimits.quietFor
            else { return .unequal }
            leavesOut = true
        }
        return leavesOut ? .equalButForSome : .equal
    }

    private func hasEnded(_ origin: Origin) -> Bool {
        rows[origin]?.isSealed == true || members[NodeID(origin)]?.isRetired == true
    }

    mutating func compareIfDue() {
        if let step = comparison.step, now.ticks - comparison.askedAt >= ReplicationLimits.requestTimeout,
            !isWithStore(step)
        {
            comparison.closed(comparison.peer!)
        }
        if comparison.step == nil { continueComparison() }
        guard comparison.step == nil, now.ticks - comparedAt >= ReplicationLimits.digestInterval, !joining.isFrozen
        else { return }
        let equal = nearest.map { (id: $0.id, vectors: vectors($0)) }.filter { $0.vectors != .unequal }
        guard !equal.isEmpty else { return markVectors() }
        comparedAt = now.ticks
        counters.comparisons += 1
        let chosen = equal[Int(counters.comparisons) % equal.count]
        (comparison.peer, comparison.leavesOut) = (chosen.id, chosen.vectors == .equalButForSome)
        comparison.nodes = [.root]
        continueComparison()
    }

    private mutating func markVectors() {
        for session in nearest where now.ticks - (session.mark?.at ?? .min / 2) >= ReplicationLimits.markAge {
            let heads = rows.mapValues(\.head).merging(
                peers[session.node]!.rows.mapValues(\.head), uniquingKeysWith: max)
            sessions[session.id]!.mark = (now.ticks, heads)
        }
    }

    private func isWithStore(_ step: Comparison.Step) -> Bool {
        switch step {
        case .reading, .merging: true
        case .digests, .bucket, .record: false
        }
    }

    /// The next question: damaged records first, which people wait for.
    private mutating func continueComparison() {
        guard comparison.step == nil, !joining.isFrozen else { return }
        if !comparison.damaged.isEmpty, !nearest.isEmpty {
            let (key, tries) = comparison.damaged.removeFirst()
            guard tries < nearest.count else { return continueComparison() }
            let peer = nearest[tries].id
            if comparison.peer != peer { (comparison.nodes, comparison.buckets) = ([], []) }
            (comparison.peer, comparison.bucket) = (peer, nil)
            begin(peer, .record(key, request: nextRequest()))
            comparison.damaged.append((key, tries + 1))
            send(peer, .recordRequest(RecordRequest(key: key)), request: lastRequest)
            return
        }
        guard let peer = comparison.peer else { return }
        if let bucket = comparison.buckets.popLast() {
            ask(BucketRequest(bucket: bucket, after: []))
        } else if let node = comparison.nodes.popLast() {
            begin(peer, .digests(node, request: nextRequest()))
            send(peer, .digestsRequest(node), request: lastRequest)
        } else {
            comparison.peer = nil
        }
    }

    private mutating func begin(_ peer: ConnectionID, _ step: Comparison.Step) {
        comparison.step = step
        comparison.askedAt = now.ticks
    }

    private mutating func ask(_ bucket: BucketRequest) {
        guard let peer = comparison.peer else { return }
        comparison.bucket = bucket.bucket
        begin(peer, .bucket(bucket, request: nextRequest()))
        send(peer, .bucketRequest(bucket), request: lastRequest)
    }

    mutating func received(_ digests: Digests, _ request: UInt32, _ id: ConnectionID) {
        guard comparison.peer == id, case .digests(digests.node, request) = comparison.step else { return }
        comparison.step = .reading(digests)
        effects.append(.readDigests(id, DigestRead(node: digests.node, request: nil)))
    }

    private mutating func compare(_ id: ConnectionID, _ own: Digests?) {
        guard comparison.peer == id, case .reading(let theirs) = comparison.step else { return }
        comparison.step = nil
        guard let own else { return continueComparison() }
        precondition(own.node == theirs.node)
        let node = own.node
        let mine = Dictionary(uniqueKeysWithValues: own.children.map { ($0.byte, $0) })
        let their = Dictionary(uniqueKeysWithValues: theirs.children.map { ($0.byte, $0) })
        for byte in Set(mine.keys).union(their.keys).sorted() where mine[byte]?.sum ?? 0 != their[byte]?.sum ?? 0 {
            guard node.childrenAreBuckets else {
                if comparison.nodes.count < ReplicationLimits.digestQueue {
                    comparison.nodes.append(DigestNode(level: node.level + 1, prefix: node.childPrefix(byte)))
                }
                continue
            }
            // Something on its way touches a bucket at different times here and there; and what had come when the walk
            // began says nothing after so long.
            guard mine[byte]?.isQuiet ?? true, their[byte]?.isQuiet ?? true,
                now.ticks - comparedAt <= ReplicationLimits.quietFor - 2 * ReplicationLimits.markAge
            else { continue }
            counters.bucketsRepaired += 1
            comparison.buckets.append(node.childPrefix(byte))
        }
        continueComparison()
    }

    mutating func received(_ records: Records, _ request: UInt32, _ id: ConnectionID) {
        guard comparison.peer == id else { return }
        switch comparison.step {
        case .bucket(let asked, request):
            let next = records.next.isEmpty ? nil : BucketRequest(bucket: asked.bucket, after: records.next)
            // Keys ascend, or an answer would be asked for without end.
            guard next.map({ asked.after.lexicographicallyPrecedes($0.after) }) ?? true else {
                return close(id, .violation)
            }
            comparison.step = .merging(next)
        case .record(let key, request):
            guard !records.bytes.isEmpty else {
                comparison.step = nil
                return continueComparison()
            }
            comparison.damaged.removeAll { $0.key == key }
            comparison.step = .merging(nil)
        default: return
        }
        effects.append(.merge(id, records.bytes, reference: reference))
    }
}

extension Digests {
    /// Where a clock was set, what changed a moment ago looks old: then no bucket counts as quiet.
    fileprivate mutating func doubtQuiet() {
        for index in children.indices { children[index].isQuiet = false }
    }
}
