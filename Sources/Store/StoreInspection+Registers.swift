import Links
import Primitives
import Replication

extension StoreInspection {
    /// Each row of the acceptor's can be read, stands under its own key, and in order.
    mutating func inspectRegisters(_ image: StoreImage, _ transaction: ReadTransaction) throws(LMDBError) {
        guard let table = image.catalogue.registers else { return }
        let cursor = try transaction.cursor(table)
        var (previous, rowCount): ([UInt8], Int) = ([], 0)
        var row = try cursor.move(.first)
        while let (key, value) = row {
            rowCount += 1
            if RegisterRows.row(key, value) == nil, RegisterRows.state(key, value) == nil {
                note("registers: the row of key \(key.map { hex(UInt64($0), 2) }.joined()) is damaged")
            }
            if !previous.isEmpty, !previous.lexicographicallyPrecedes(key) {
                note("registers: row \(rowCount) is out of order")
            }
            previous = Array(key)
            row = try cursor.move(.next)
        }
        let present = try transaction.entryCount(table)
        if present != rowCount { note("registers: \(present) rows by its header, \(rowCount) in order") }
    }
}
