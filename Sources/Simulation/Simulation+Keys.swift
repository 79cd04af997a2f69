import Links
import Primitives
import Replication
import Store

/// API keys and blocks, which travel as links do and are shown in other ways.
extension Simulation {
    struct KeyWrite {
        var id: KeyID
        var isRevoked: Bool
        var node: Int
        /// Every disk that held it is gone.
        var isLost = false
    }

    /// A key is made, or one that somebody made is revoked.
    func operateKeys(_ node: SimulatedNode) {
        guard let store = node.store?.store else { return }
        setClock(node)
        report.operations += 1
        let machine = node.machine
        if let known = keyWrites.randomElement(using: &random), chance(1, of: 3) {
            store.revokeKey(known.id) { machine.keyAnswers.append((known.id, true, $0)) }
        } else {
            let id = KeyID(UInt128(random.next()) << 64 | UInt128(random.next()))
            var body = KeyBody()
            body.secretHash = (0..<32).map { _ in .random(in: 0 ... .max, using: &random) }
            body.principal = Array("owner-\(keyWrites.count % 7)".utf8)
            store.createKey(id, body) { machine.keyAnswers.append((id, false, $0)) }
        }
    }

    /// Operators hear what became of their keys.
    func takeKeyAnswers(_ node: SimulatedNode) {
        for (id, isRevoked, result) in node.machine.keyAnswers {
            guard case .success(.some) = result else { continue }
            keyWrites.append(KeyWrite(id: id, isRevoked: isRevoked, node: node.index))
        }
        node.machine.keyAnswers = []
    }

    /// Of each key on a node's disk, whether it is revoked.
    private func heldKeys(_ node: SimulatedNode) -> [KeyID: Bool] {
        let found = try? node.store?.store.allKeys() ?? readKeys(directory: node.disk.path)
        return Dictionary(
            (found?.keys ?? []).map { ($0.id, $0.body.flags.contains(.deleted)) }, uniquingKeysWith: { one, _ in one })
    }

    /// What only one node's disk held is lost from now on; `others` have theirs.
    func forgetKeys(_ others: [SimulatedNode]) {
        guard !keyWrites.isEmpty else { return }
        let held = others.map(heldKeys)
        for index in keyWrites.indices where !keyWrites[index].isLost {
            let write = keyWrites[index]
            keyWrites[index].isLost = !held.contains { keys in keys[write.id].map { $0 || !write.isRevoked } ?? false }
        }
    }

    func checkKeys(_ living: [SimulatedNode]) {
        for node in living {
            let held = heldKeys(node)
            for write in keyWrites where !write.isLost {
                guard let isRevoked = held[write.id] else {
                    violated(.acknowledgedSurvives, "\(node.id) lacks a key made at \(nodes[write.node].id)")
                    continue
                }
                if write.isRevoked, !isRevoked { violated(.deleteIsFinal, "a key at \(node.id)") }
            }
        }
        for key in blockedKeys {
            let found = living.map { try? $0.store!.store.findBlock(key) }
            for (node, block) in zip(living, found) where block != found[0] {
                violated(.contentKept, "\(node.id) and \(living[0].id) have different blocks of \(key)")
            }
            if !anyDiskIsLost, found.contains(where: { $0 == .absent }) {
                violated(.acknowledgedSurvives, "a block of \(key) is nowhere")
            }
        }
    }
}
