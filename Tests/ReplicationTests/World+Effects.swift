import Links
import Primitives

@testable import Replication

/// The shell of each machine.
extension World {
    mutating func perform(_ effect: Effect, _ index: Int) {
        switch effect {
        case .connect(let address): connect(index, address)
        case .send(let id, let bytes): transmit(End(node: index, connection: id), bytes)
        case .close(let id, _): hangUp(End(node: index, connection: id))
        case .setDeadline(let at):
            nodes[index].deadline = at
            schedule(.deadline(node: index, life: nodes[index].life, at), after: max(0, at - time))
        case .readiness(let ready): nodes[index].isReady = ready
        case .localChanges(let allowed): nodes[index].mayChange = allowed
        case .continuityProven: nodes[index].isProven = true
        case .alarm(let alarm): nodes[index].alarms.append(alarm)
        case .cleared(let alarm): nodes[index].cleared.append(alarm)
        case .authenticated, .admitted, .writableFormat, .acknowledged, .issuing, .registers, .forked: break
        case .logMember(let member):
            write(
                index, [member.id.region, member.id.node], [member.isRetired ? 1 : 0, UInt8(member.logFormat)], kind: 2)
            later(index, .membersChanged(nodes[index].live.members))
        default: performOnStore(effect, index)
        }
    }

    private mutating func connect(_ index: Int, _ address: String) {
        let other = nodes.firstIndex { Self.address($0.id) == address }!
        guard nodes[other].machine != nil, !isCut(index, other) else {
            return later(index, .connectFailed(address: address))
        }
        let (here, there) = (
            End(node: index, connection: ConnectionID(rawValue: connections + 1)),
            End(node: other, connection: ConnectionID(rawValue: connections + 2))
        )
        connections += 2
        (wires[here], wires[there]) = (there, here)
        let nonces = (UInt128(random.next()), UInt128(random.next()))
        let delay = Int64.random(in: 1...50, using: &random)
        arrivals[there] = time + delay
        schedule(
            .event(
                node: other, life: nodes[other].life,
                .opened(there.connection, address: nil, nonce: nonces.0, certified: nil)), after: delay)
        schedule(
            .event(
                node: index, life: nodes[index].life,
                .opened(here.connection, address: address, nonce: nonces.1, certified: nil)), after: delay)
        arrivals[here] = time + delay
    }

    /// Streams keep their order; but ENTRIES and PULL, whose rules must stand alone, get lost, repeated and late.
    private mutating func transmit(_ end: End, _ bytes: [UInt8]) {
        guard let other = wires[end] else { return }
        if isCut(end.node, other.node) { broken.formUnion([end, other]) }
        guard !broken.contains(end) else { return }
        let type = FrameType(rawValue: bytes[1])!
        let isStream = type == .entries || type == .pull
        if type == .entries { sentEntries += 1 }
        if isFaulty, chance(1, of: 300) { return hangUp(end) }
        if isFaulty, isStream, chance(1, of: 12) { return }
        let at = max(arrivals[other] ?? 0, time + .random(in: 1...60, using: &random))
        arrivals[other] = at
        schedule(.arrive(other, end.node == liar ? lie(bytes) : bytes), after: at - time)
        guard isFaulty, isStream else { return }
        if chance(1, of: 12) {
            schedule(.arrive(other, bytes), after: at - time + .random(in: 0...200, using: &random))
        }
    }

    private mutating func later(_ index: Int, _ event: Event) {
        schedule(.event(node: index, life: nodes[index].life, event), after: .random(in: 0...5, using: &random))
    }

    private mutating func afterSync(_ index: Int, _ event: Event?) {
        schedule(.sync(node: index, life: nodes[index].life, event), after: syncDelay())
    }

    private mutating func performOnStore(_ effect: Effect, _ index: Int) {
        switch effect {
        case .apply(let batch):
            let before = nodes[index].live.members
            let result = nodes[index].live.apply(batch, ticks: time)
            afterSync(index, .applied(result))
            if nodes[index].live.members != before { afterSync(index, .membersChanged(nodes[index].live.members)) }
        case .readLog(let read): later(index, .logRead(read, nodes[index].live.read(read)))
        case .truncate(let order): truncate(order, index)
        case .seal(let origin, let seal):
            nodes[index].live.rows[origin, default: Image.Row(state: OriginState(origin: origin))].state.seal = seal
            afterSync(index, nil)
        case .ceiling(let origin, let ceiling, let stamp):
            nodes[index].live.rows[origin, default: Image.Row(state: OriginState(origin: origin))].state.ceiling =
                ceiling
            afterSync(index, .ceilingKept(origin, ceiling, at: stamp))
        case .beginIncarnation:
            nodes[index].live.own.incarnation = random.next() | 1
            let own = nodes[index].live.own
            nodes[index].live.rows[own] = Image.Row(state: OriginState(origin: own))
            afterSync(index, .incarnationBegan(nodes[index].live.holdings))
        case .readDigests(let id, let read):
            later(index, .digestsRead(id, read, nodes[index].disk.digests(read.node, ticks: time)))
        case .readBucket(let id, let request, let bucket):
            let all = nodes[index].disk.records(after: bucket.after, atMost: .max).filter {
                Image.bucket($0.key) == bucket.bucket
            }
            let part = Array(all.prefix(2))
            let next = all.count > 2 ? part.last!.key : []
            later(index, .recordsRead(id, request: request, Records(next: next, bytes: Image.encode(part))))
        case .readRecord(let id, let request, let record):
            let found = nodes[index].disk.records.filter { $0.key == record.key }.map { (key: $0.key, value: $0.value) }
            later(index, .recordsRead(id, request: request, Records(next: [], bytes: Image.encode(found))))
        case .merge(let id, let bytes, _):
            var changed = 0
            for (key, record) in Image.decode(bytes) {
                if nodes[index].live.merge(key, record, ticks: time) { changed += 1 }
            }
            afterSync(index, .merged(id, changed: changed))
        default: performOnSnapshot(effect, index)
        }
    }

    /// Ages are left out: whatever every member has may go, and now and then more than that.
    private mutating func truncate(_ order: Truncation, _ index: Int) {
        guard nodes[index].truncates else { return }
        let cap = alwaysCaps || isFaulty && chance(1, of: 2)
        for row in order.rows {
            let floor = min(cap ? row.pinned : min(row.acknowledged, row.pinned), nodes[index].disk.head(row.origin))
            nodes[index].live.truncate(row.origin, through: floor)
        }
        let floors = nodes[index].live.states.map { Floor(origin: $0.origin, floor: $0.floor) }
        afterSync(index, .truncated(floors))
    }

    private mutating func performOnSnapshot(_ effect: Effect, _ index: Int) {
        switch effect {
        case .openSnapshot(let id, let after):
            nodes[index].snapshots[id] = (after, 0, 0)
            later(index, .snapshotOpened(id, rows: nodes[index].disk.states))
        case .readSnapshot(let id):
            guard let (next, count, sum) = nodes[index].snapshots[id] else { return }
            let part = nodes[index].disk.records(after: next, atMost: 5)
            guard let last = part.last else {
                return later(index, .snapshotRan(id, SnapshotEnd(.complete, records: count, sum: sum)))
            }
            let added = part.reduce(UInt128(0)) { $0 &+ Image.digest($1.key, $1.value) }
            nodes[index].snapshots[id] = (last.key, count + UInt64(part.count), sum &+ added)
            later(index, .snapshotRead(id, chunk: Image.encode(part)))
        case .closeSnapshot(let id): nodes[index].snapshots[id] = nil
        case .beginInstall(let resumes):
            if !resumes { nodes[index].installing = Image(own: nodes[index].live.own) }
            if resumes { resumptions += 1 }
            nodes[index].installed = (0, 0)
        case .installChunk(let bytes):
            let records = Image.decode(bytes)
            for (key, record) in records {
                if nodes[index].installing!.records.updateValue(record, forKey: key) != nil {
                    violations.append("a record came twice")
                }
                nodes[index].installed.count += 1
                nodes[index].installed.sum &+= Image.digest(key, record)
            }
            later(index, .chunkInstalled(position: records.last!.key))
        case .abandonInstall: nodes[index].installing = nil
        case .finishInstall(let offer, let end): finishInstall(offer.rows, end, index)
        default: violations.append("an effect that no store knows: \(effect)")
        }
    }

    private mutating func finishInstall(_ rows: [OriginState], _ end: SnapshotEnd, _ index: Int) {
        var image = nodes[index].installing!
        nodes[index].installing = nil
        let installed = nodes[index].installed
        guard installed.count == end.records, installed.sum == end.sum else {
            violations.append("a snapshot that is not what was sent")
            return later(index, .installFailed)
        }
        image.rows = [:]
        for row in rows {
            image.rows[row.origin] = Image.Row(state: row, floorChain: row.chain)
            image.rows[row.origin]!.state.floor = row.head
        }
        image.own.incarnation = random.next() | 1
        image.rows[image.own] = Image.Row(state: OriginState(origin: image.own))
        image.logAgain(nodes[index].live, beyond: rows, ticks: time)
        nodes[index].live = image
        afterSync(index, .installed(image.holdings))
    }
}
