import Links
import Primitives

/// The tables `claims` and `batches`. A store that no program which knows them has opened to write lacks them.
extension StoreInspection {
    /// Each row can be read, stands in order, and is of a link that is here.
    mutating func inspectClaims(_ image: StoreImage, _ transaction: ReadTransaction) throws(LMDBError) {
        guard let table = image.catalogue.claims else { return }
        let cursor = try transaction.cursor(table)
        var (previous, rowCount): ([UInt8], Int) = ([], 0)
        var row = try cursor.move(.first)
        while let (key, value) = row {
            rowCount += 1
            if let claim = ClaimRow(key, value) {
                let links = image.catalogue.handle(claim.link.table)
                let record = try links.flatMap { (links) throws(LMDBError) in
                    try transaction.get(links, claim.link.rowKey)
                }
                if record == nil { note("claims: the link of claim \(hexadecimal(key)) has no record") }
            } else {
                note("claims: the row of key \(hexadecimal(key)) is damaged")
            }
            noteOrder(&previous, key, "claims: row \(rowCount)")
            row = try cursor.move(.next)
        }
        let present = try transaction.entryCount(table)
        if present != rowCount { note("claims: \(present) rows by its header, \(rowCount) in order") }
    }

    /// Each row can be read and stands in order, and a batch has all its entries. Entries without a batch wait for the sweep.
    mutating func inspectBatches(_ image: StoreImage, _ transaction: ReadTransaction) throws(LMDBError) {
        guard let table = image.catalogue.batches else { return }
        let cursor = try transaction.cursor(table)
        var (previous, rowCount): ([UInt8], Int) = ([], 0)
        var row = try cursor.move(.first)
        while let (key, value) = row {
            rowCount += 1
            if let head = BatchHead(key, value) {
                for index in 0..<head.count
                where try transaction.get(table, BatchEntry.rowKey(head.number, index)) == nil {
                    note("batches: entry \(index) of \(hexadecimal(key)) is missing")
                }
            } else if BatchEntry(key, value) == nil {
                note("batches: the row of key \(hexadecimal(key)) is damaged")
            }
            noteOrder(&previous, key, "batches: row \(rowCount)")
            row = try cursor.move(.next)
        }
        let present = try transaction.entryCount(table)
        if present != rowCount { note("batches: \(present) rows by its header, \(rowCount) in order") }
    }

    private mutating func noteOrder(_ previous: inout [UInt8], _ key: UnsafeRawBufferPointer, _ name: String) {
        if !previous.isEmpty, !previous.lexicographicallyPrecedes(key) { note("\(name) is out of order") }
        previous = Array(key)
    }

    private func hexadecimal(_ bytes: UnsafeRawBufferPointer) -> String {
        bytes.map { hex(UInt64($0), 2) }.joined()
    }
}
