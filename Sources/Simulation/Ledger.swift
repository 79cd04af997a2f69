import Links
import Primitives
import Replication
import Store

/// What clients asked for and were told.
struct Ledger {
    struct Attempt {
        enum Kind { case create, importAlias, claim, update, delete }
        var kind: Kind
        /// Unknown for a generated code until it was seen.
        var key: LinkKey?
        var node: Int
    }

    struct Write {
        var key: LinkKey
        var rank: WriteRank
        /// Of the entry in its origin's log.
        var sequence: UInt64
        var body: LinkBody
        var operation: UInt64
        var node: Int
        /// Every disk that held it is gone.
        var isLost = false
    }

    private(set) var attempts: [UInt64: Attempt] = [:]
    var acknowledged: [Write] = []
    /// Who made what is under a key, as it was first seen.
    var creations: [LinkKey: Creation] = [:]
    /// By which faulty programs claimed codes that others had made.
    private(set) var falseCreations: [Creation] = []
    /// In the order in which they were first seen.
    private(set) var keys: [LinkKey] = []
    private(set) var operations: UInt64 = 0

    mutating func begin(_ attempt: Attempt) -> UInt64 {
        operations += 1
        attempts[operations] = attempt
        return operations
    }

    mutating func saw(_ key: LinkKey) { if creations[key] == nil { keys.append(key) } }

    mutating func saw(_ key: LinkKey, by operation: UInt64) { attempts[operation]?.key = key }

    mutating func claim(_ creation: Creation) { falseCreations.append(creation) }

    static func destination(_ operation: UInt64, paddingBytes: Int = 0) -> [UInt8] {
        Array("https://sim.example/\(String(repeating: "x", count: paddingBytes))/\(operation)".utf8)
    }

    static func operation(_ destination: [UInt8]) -> UInt64? {
        let slash = destination.lastIndex(of: UInt8(ascii: "/")) ?? -1
        return UInt64(String(decoding: destination[(slash + 1)...], as: UTF8.self))
    }
}

/// A link as a node shows it.
struct ShownLink {
    var rank: WriteRank
    var creation: Creation
    var body: LinkBody

    var destination: [UInt8] { body.flags.isDisjoint(with: [.deleted, .reduced]) ? body.destination : [] }

    /// Whether this says what was written by `write` as far as it is of that.
    func keeps(_ write: Ledger.Write, at now: Instant) -> Bool {
        let isSame = (rank.stamp, rank.origin) == (write.rank.stamp, write.rank.origin)
        if body.flags.contains(.reduced) {
            return !isSame || rank.isDeleted || write.body.expiresAt.map { $0 <= now } ?? false
        }
        // A node that had to log it again says who made it.
        guard isSame || !destination.isEmpty && destination == write.body.destination else { return true }
        var (mine, theirs) = (body, write.body)
        (mine.creation, theirs.creation) = (nil, nil)
        return mine == theirs
    }
}

extension Simulation {
    enum Shown { case absent, impossible, damaged, failed, link(ShownLink) }

    /// What a node shows under a key, by the way that redirects go.
    func show(_ node: SimulatedNode, _ key: LinkKey) -> Shown {
        guard let reader = node.reader, let store = node.store?.store else { return .absent }
        guard (try? reader.begin()) != nil else { return .failed }
        defer { reader.end() }
        let code = Array(store.codeSpace.text(of: key).utf8)
        switch reader.find(code.span.bytes) {
        case .absent: return .absent
        case .impossible: return .impossible
        case .damaged: return .damaged
        case .link(let link):
            guard let record = link.record, let author = reader.origin(at: record.originIndex) else { return .failed }
            return .link(
                ShownLink(
                    rank: WriteRank(
                        isDeleted: record.body.flags.contains(.deleted),
                        isClaimed: record.body.claimID != nil && record.body.creation == nil, stamp: record.stamp,
                        origin: author),
                    creation: record.body.creation ?? Creation(stamp: record.stamp, origin: author),
                    body: record.body))
        }
    }

    /// Looks a key up as a visitor would, and compares with what can be.
    func visit(_ node: SimulatedNode, _ key: LinkKey) {
        guard node.isUp else { return }
        setClock(node)
        let shown = show(node, key)
        checkCache(node, key, shown)
        switch shown {
        case .absent, .impossible:
            if node.shown.contains(key) { violated(.keepsAnswering, "\(key) at \(node.id)") }
        case .failed: violated(.keepsAnswering, "\(node.id) cannot read")
        case .damaged:
            // Beside a damaged row nobody can tell whether there is another.
            if !node.wasDamaged { violated(.soundStore, "\(key) at \(node.id) is damaged") }
            var bytes: [UInt8] = []
            key.encode(into: &bytes)
            schedule(.event(node: node.index, life: node.life, .damagedRecord(key: bytes)), after: 1)
        case .link(let link): judge(link, at: key, node)
        }
    }

    private func judge(_ link: ShownLink, at key: LinkKey, _ node: SimulatedNode) {
        var name: String { "\(key) at \(node.id)" }
        if ledger.falseCreations.contains(link.creation) {
            // Who has not seen the first creation yet cannot know.
            if node.shown.contains(key), !node.wasDamaged {
                violated(.oneLinkForever, "\(name) is of who claimed it later")
            }
            return
        }
        if Self.isClaimed(key) {
            let bytes = key.encoded
            claims.showed(
                bytes, of: link.rank.isDeleted ? nil : link.body.claimID ?? 0, at: "\(node.id)",
                chosen: votes.chosen[bytes] ?? [])
            takeFindings()
        } else if let first = ledger.creations[key], first != link.creation {
            violated(.oneLinkForever, "\(name) is of \(link.creation), was of \(first)")
        }
        ledger.saw(key)
        ledger.creations[key] = link.creation
        node.shown.insert(key)
        if link.rank.isDeleted {
            node.shownDeleted.insert(key)
        } else if node.shownDeleted.contains(key) {
            violated(.deleteIsFinal, name)
        }
        guard !link.rank.isDeleted, !link.destination.isEmpty else { return }
        guard let operation = Ledger.operation(link.destination), let attempt = ledger.attempts[operation] else {
            return violated(.rightDestination, "\(name) leads to \(String(decoding: link.destination, as: UTF8.self))")
        }
        if let meant = attempt.key, meant != key { violated(.rightDestination, "\(name) leads where \(meant) should") }
        ledger.saw(key, by: operation)
    }

    func isClaimedFalsely(_ node: SimulatedNode, _ key: LinkKey) -> Bool {
        guard case .link(let link) = show(node, key) else { return false }
        return ledger.falseCreations.contains(link.creation)
    }

    // MARK: What is where

    /// The writes that a node's disk holds.
    func held(_ node: SimulatedNode) -> [LinkKey: WriteRank] {
        guard node.isUp else { return node.heldWhileDown }
        var held: [LinkKey: WriteRank] = [:]
        for key in ledger.keys { if case .link(let link) = show(node, key) { held[key] = link.rank } }
        return held
    }

    /// What only this node's disk held is lost from now on: the disk goes, or goes back.
    func forget(_ node: SimulatedNode) {
        let others = nodes.filter { $0.index != node.index && !$0.isRetired }
        let held = others.map(held)
        for index in ledger.acknowledged.indices where !ledger.acknowledged[index].isLost {
            let write = ledger.acknowledged[index]
            let isElsewhere = held.contains { $0[write.key]?.covers(write.rank) ?? false }
            guard !isElsewhere else { continue }
            ledger.acknowledged[index].isLost = true
            let had = others.first { $0.onDisk[write.rank.origin] ?? 0 >= write.sequence }
            if let had, !mayFork.contains(write.rank.origin), !nodes.contains(where: { $0.damaged[write.key] != nil }) {
                violated(.acknowledgedSurvives, "\(had.id) has lost \(write.key), which its log had")
            }
        }
        (node.shownDeleted, node.shown, anyDiskIsLost) = ([], [], true)
        forgetKeys(others)
    }

    /// Writes that the crash kept from being answered are on the disk all the same.
    func noteUntold(_ node: SimulatedNode) {
        for (operation, result) in node.machine.answers {
            guard case .success(let link) = result, !isOfClaim(link) else { continue }
            ledger.saw(link.key, by: operation)
            noteCreation(link, operation)
        }
        (node.machine.answers, node.machine.keyAnswers, node.machine.blockAnswers) = ([], [], [])
    }

    /// Clients hear what became of their operations.
    func takeAnswers(_ node: SimulatedNode, _ received: UInt64) {
        takeKeyAnswers(node)
        for case .success(let written) in node.machine.blockAnswers {
            guard let block = written.block, !blockedKeys.contains(block.key) else { continue }
            blockedKeys.append(block.key)
        }
        node.machine.blockAnswers = []
        let answers = node.machine.answers
        node.machine.answers = []
        for (operation, result) in answers {
            guard case .success(let link) = result, !isOfClaim(link) else { continue }
            if link.stamp.rawValue <= received {
                violated(.causalStamps, "\(link.key) at \(node.id) is stamped before what had come")
            }
            noteCreation(link, operation)
            ledger.saw(link.key, by: operation)
            let isDeleted = link.body.flags.contains(.deleted)
            ledger.acknowledged.append(
                Ledger.Write(
                    key: link.key,
                    rank: WriteRank(
                        isDeleted: isDeleted, isClaimed: false, stamp: link.stamp.rawValue, origin: link.origin),
                    sequence: link.sequence, body: link.body, operation: operation, node: node.index))
        }
    }

    /// Such a change goes with the claim.
    private func isOfClaim(_ link: CreatedLink) -> Bool {
        link.body.creation.map(ledger.falseCreations.contains) ?? false
    }

    private func noteCreation(_ link: CreatedLink, _ operation: UInt64) {
        let creation = link.body.creation ?? Creation(stamp: link.stamp.rawValue, origin: link.origin)
        // Of a claimed one several nodes may log the creation.
        if !Self.isClaimed(link.key), let first = ledger.creations[link.key], first != creation {
            violated(.numberOnce, "\(link.key) by \(creation), first by \(first)")
        }
        ledger.saw(link.key)
        ledger.creations[link.key] = creation
    }
}
