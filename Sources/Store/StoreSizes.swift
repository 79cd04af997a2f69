/// How much of a store's file its tables take. Reads only; the store may be in use.
package struct StoreSizes: Equatable {
    package struct Table: Equatable, Sendable {
        /// As in the file: `links/10`, `log`, `aliases` …
        package let name: String
        package let rowCount: Int
        /// Of all pages that hold rows, keys or long values.
        package let sizeBytes: Int
    }

    /// Tables without rows are left out.
    package let tables: [Table]
    /// Pages up to the highest that was ever used.
    package let usedBytes: Int
    /// Pages among them that hold nothing now.
    package let freeBytes: Int

    /// Looks at the store in `directory`. Throws if it cannot be opened or read.
    package init(directory: String) throws(StoreError) {
        let image = try openForReading(directory)
        let pageBytes = image.environment.size.pageSizeBytes
        do throws(LMDBError) {
            let transaction = image.snapshot
            var tables: [Table] = []
            func add(_ name: String, _ handle: TableHandle) throws(LMDBError) {
                let (rows, pages) = try transaction.size(handle)
                if rows > 0 { tables.append(Table(name: name, rowCount: rows, sizeBytes: pages * pageBytes)) }
            }
            let named: [TableID] = [
                .snowflakes, .aliases, .origins, .meta, .digests, .members, .keys, .blocks, .owners,
            ]
            for table in image.catalogue.linkTables + named {
                if let handle = image.catalogue.handle(table) { try add(table.name, handle) }
            }
            try add(TableID.logName, image.catalogue.log)
            freeBytes = try transaction.freePageCount() * pageBytes
            self.tables = tables
        } catch {
            throw .system(path: directory + "/" + StoreFile.name, reason: error.description)
        }
        usedBytes = image.environment.size.usedBytes
    }
}
