import Links
import Primitives
import Replication

/// Whose a name is that looks like a generated code, as imports bring them.
package enum NameDecider: Equatable, Sendable {
    /// Nobody generates it: it is decided as other aliases are.
    case anyone
    /// The one node that could hand the code out.
    case node(NodeID)
}

extension Store {
    /// Who decides whose `name` is: of a name that is a number's code, the number's node if it is a member, so that one
    /// writer both gives the name away and hands the number out; else the acceptor of its region, which a node to come
    /// will have heard before it hands out numbers.
    package func decider(ofName name: RawSpan) throws(StoreError) -> NameDecider {
        let node: NodeID
        switch codeSpace.decode(name) {
        case nil: return .anyone
        case .generated(let region, let number, _)?, .snowflake(let region, let number, _)?:
            node = NodeID(region: region.byte, node: number)
        }
        var isUncertain = false
        let (members, state) = try reading { (view, transaction) throws(LMDBError) in
            (
                try Self.members(transaction.cursor(view.catalogue.members!)) { _ in isUncertain = true },
                try transaction.get(view.catalogue.registers!, RegisterRows.standingKey).flatMap { value in
                    RegisterRows.standingKey.withUnsafeBytes { RegisterRows.state($0, value) }
                }
            )
        }
        if members.contains(where: { $0.id == node && !$0.isRetired }) { return .node(node) }
        // Of two who decide each would believe that it is the only one.
        if isUncertain, !members.contains(where: { $0.id == node }) {
            throw .damaged(path: directory.storePath, reason: "a member cannot be read")
        }
        return .node(state?.standing.epoch.acceptors.first { $0.region == node.region } ?? node)
    }
}

extension Writer {
    /// What stands under the number that `name` is the code of: an alias must not take a link's place.
    func findGenerated(
        _ name: [UInt8], _ transaction: borrowing WriteTransaction
    ) throws(LMDBError) -> StoredRow {
        guard let key = codeSpace.decode(name.span.bytes).map({ LinkKey($0) }),
            let table = catalogue.handle(key.table)
        else { return .absent }
        return try transaction.cursor(table).search(key.table, key.rowKey)
    }
}
