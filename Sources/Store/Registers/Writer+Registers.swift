import Links
import Primitives
import Replication

/// What becomes of an acceptor's table.
enum RegisterChange: Sendable {
    case write(RegisterWrite)
    case forgetAll
}

extension Writer {
    /// Whether it was put into the transaction.
    func keep(
        _ change: RegisterChange, _ transaction: borrowing WriteTransaction, takesLinks: Bool
    ) throws(LMDBError) -> Bool {
        let table = catalogue.registers!
        switch change {
        case .forgetAll: try transaction.empty(table)
        case .write(let write):
            guard takesLinks || write.rows.isEmpty else { return false }
            for row in write.rows {
                try transaction.put(table, RegisterRows.rowKey(row.key), RegisterRows.sealed(row))
            }
            for key in write.forgotten { _ = try transaction.deleteIfThere(table, RegisterRows.rowKey(key)) }
            if let standing = write.standing { try keep(standing, transaction) }
        }
        return true
    }

    /// Only another life of the acceptor ends the doubt.
    private func keep(_ standing: Standing, _ transaction: borrowing WriteTransaction) throws(LMDBError) {
        let before = try transaction.acceptor(catalogue)
        let isLost = before.map { $0.isLost && $0.standing.life == standing.life } ?? false
        let state = AcceptorState(standing: standing, isLost: isLost)
        try transaction.put(catalogue.registers!, RegisterRows.standingKey, RegisterRows.sealed(state))
    }
}

extension WriteTransaction {
    /// Nil: there is none that can be read.
    func acceptor(_ tables: Catalogue) throws(LMDBError) -> AcceptorState? {
        guard let value = try get(tables.registers!, RegisterRows.standingKey) else { return nil }
        return RegisterRows.standingKey.withUnsafeBytes { RegisterRows.state($0, value) }
    }

    /// The store begins a new incarnation, for it may be an earlier day's: then so is the acceptor.
    func doubtAcceptor(_ tables: Catalogue) throws(LMDBError) {
        guard var state = try acceptor(tables) else { return }
        state.isLost = true
        try put(tables.registers!, RegisterRows.standingKey, RegisterRows.sealed(state))
    }
}
