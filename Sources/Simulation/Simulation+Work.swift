import Links
import Primitives
import Replication
import Store

/// What clients do.
extension Simulation {
    /// A burst at one node or some, and visits to others.
    func work() {
        guard !isQuiet else { return }
        let up = nodes.filter { $0.isUp && $0.frozenUntil <= time }
        if !up.isEmpty {
            for _ in 0..<Int.random(in: 1...2, using: &random) {
                let node = up[Int.random(in: 0..<up.count, using: &random)]
                for _ in 0..<Int.random(in: 4...24, using: &random) { operate(node) }
                turnSoon(node)
            }
            if settings.claims, chance(2, of: 3) { claimName() }
            if chance(1, of: 3), !ledger.keys.isEmpty { moderate(up) }
            if chance(1, of: 3) {
                let node = up[Int.random(in: 0..<up.count, using: &random)]
                operateKeys(node)
                turnSoon(node)
            }
            for _ in 0..<12 where !ledger.keys.isEmpty {
                visit(up[Int.random(in: 0..<up.count, using: &random)], anyKey())
            }
        }
        schedule(.work, after: .random(in: 1000...9000, using: &random))
    }

    func anyKey() -> LinkKey {
        // The newest are what others have not heard of yet.
        let count = ledger.keys.count
        return chance(1, of: 2)
            ? ledger.keys[count - 1 - Int.random(in: 0..<min(count, 30), using: &random)]
            : ledger.keys[Int.random(in: 0..<count, using: &random)]
    }

    /// A link is blocked, or is not any more; or both, by two who do not know of each other.
    private func moderate(_ up: [SimulatedNode]) {
        let key = anyKey()
        for _ in 0..<Int.random(in: 1...2, using: &random) {
            let node = up[Int.random(in: 0..<up.count, using: &random)]
            let source =
                chance(1, of: 2) ? BlockSource.decision : .list("list-\(Int.random(in: 0..<2, using: &random))")
            let write = BlockWrite(
                key: key, isBlocked: chance(2, of: 3), source: source, reason: "", by: Array("admin".utf8),
                destination: [UInt8.random(in: 1...2, using: &random)])
            setClock(node)
            let machine = node.machine
            node.store?.store.moderate(write) { machine.blockAnswers.append($0) }
            turnSoon(node)
        }
    }

    func operate(_ node: SimulatedNode) {
        guard let store = node.store?.store else { return }
        setClock(node)
        if node.writableFormat > StoreLimits.logFormat { checkFormat(node) }
        let (machine, dice) = (node.machine, Int.random(in: 0..<100, using: &random))
        report.operations += 1
        guard dice >= 50, !ledger.keys.isEmpty else {
            let isImport = dice < 8
            let operation = ledger.begin(
                Ledger.Attempt(kind: isImport ? .importAlias : .create, key: nil, node: node.index))
            var link = NewLink(body: body(operation))
            if isImport {
                link.alias = try? Alias(imported: Array("import-\(operation)".utf8).span.bytes)
                link.body.importedCreation = Instant(milliseconds: Self.wallAtZero - 1_000_000)
            }
            return store.create(link) { machine.answers.append((operation, $0)) }
        }
        let key = anyKey()
        let isDelete = dice >= 92
        if isDelete, Self.isClaimed(key) { claims.isDeleted(key.encoded) }
        let operation = ledger.begin(
            Ledger.Attempt(kind: isDelete ? .delete : .update, key: key, node: node.index))
        store.change(key, isDelete ? .delete : .update(body(operation))) { machine.answers.append((operation, $0)) }
    }

    func body(_ operation: UInt64) -> LinkBody {
        var body = LinkBody()
        body.destination = Ledger.destination(operation, paddingBytes: padding())
        if chance(1, of: 6) {
            body.expiresAt = Instant(milliseconds: Self.wallAtZero + time + .random(in: 1000...300_000, using: &random))
        }
        if chance(1, of: 5) { body.owner = Array("owner-\(operation % 7)".utf8) }
        if chance(1, of: 20) { body.flags.insert(.inactive) }
        return body
    }

    private func padding() -> Int {
        guard isBulky, bulkBytes < Self.mostBulkBytes, chance(1, of: 12) else { return 0 }
        let count = Int.random(in: 1000...50_000, using: &random)
        bulkBytes += count
        return count
    }

    /// More than a credit window, and than the log may take of the map.
    private static let mostBulkBytes = 5 << 20

    /// A creation of a code that is another's, as a faulty program would write it.
    func writeClaim(_ node: SimulatedNode, _ key: LinkKey, _ creation: Creation) {
        var body = LinkBody()
        body.destination = Ledger.destination(0)
        body.creation = creation
        var (keyBytes, value): ([UInt8], [UInt8]) = ([], [])
        key.encode(into: &keyBytes)
        body.encode(into: &value)
        node.store!.store.log(kind: LogEntry.Kind.link, key: keyBytes, value: value) { _ in }
        turnSoon(node)
    }

    /// An entry that no applier can handle, as a faulty program would write it.
    func writePoison(_ node: SimulatedNode) {
        var key: [UInt8] = []
        LinkKey.alias(Array("poison-\(node.index)".utf8)).encode(into: &key)
        node.store!.store.log(kind: LogEntry.Kind.link, key: key, value: [LinkBody.Flags.reserved.rawValue]) { _ in }
        turnSoon(node)
    }
}
