import Store

/// What a store's file consists of, as a table.
enum StoreFigureTables {
    static func sizes(of directory: String, links: Int, destinationBytes: Int) throws -> String {
        let sizes = try StoreSizes(directory: directory)
        let destination = Double(destinationBytes) / Double(links)
        var table = Table(
            "bytes a link (its destination alone: \(Figure.number(destination)) B)",
            ["", "rows", "bytes", "bytes a link", "of destination", "of file"])
        func add(_ name: String, rows: Int?, _ bytes: Int) {
            let each = Double(bytes) / Double(links)
            table.add([
                name, rows.map(Figure.grouped) ?? "", Figure.bytes(Double(bytes)), Figure.number(each),
                Figure.ratio(each / destination), Figure.percent(Double(bytes) / Double(sizes.usedBytes)),
            ])
        }
        var (records, log) = ((rows: 0, bytes: 0), (rows: 0, bytes: 0))
        for table in sizes.tables {
            if table.name.hasPrefix("links/") || ["snowflakes", "aliases"].contains(table.name) {
                records = (records.rows + table.rowCount, records.bytes + table.sizeBytes)
            } else if table.name == "log" {
                log = (table.rowCount, table.sizeBytes)
            }
        }
        add("records", rows: records.rows, records.bytes)
        add("log", rows: log.rows, log.bytes)
        add("digests and all other tables", rows: nil, sizes.usedBytes - sizes.freeBytes - records.bytes - log.bytes)
        add("free pages", rows: nil, sizes.freeBytes)
        add("whole file, used", rows: nil, sizes.usedBytes)
        return table.text + "\n"
    }
}
