import Primitives

extension ImportReader {
    /// Everything that `bytes` lead to if they come in pieces of the sizes that `nextSize` gives, at least 1.
    package static func readAll(
        _ format: ImportFormat, _ bytes: [UInt8], resumingBehind resumption: Int = 0, nextSize: () -> Int = { .max }
    ) -> Result<[ImportRow], ImportError> {
        var reader = ImportReader(format, resumingBehind: resumption)
        var rows: [ImportRow] = []
        var rest = bytes[...]
        do throws(ImportError) {
            while !rest.isEmpty {
                let piece = rest.prefix(nextSize())
                rows += try reader.read(Array(piece))
                rest = rest[piece.endIndex...]
            }
            rows += try reader.finish()
        } catch {
            return .failure(error)
        }
        return .success(rows)
    }
}

/// For a fuzzer: reads the input in every format, whole and in pieces of sizes that it chooses itself; traps if the two
/// differ, if rows stand where none can, or if a link does not come back from the table that is made of it.
package func fuzzImports(_ bytes: RawSpan) {
    let bytes = [UInt8](bytes)
    for format in ImportFormat.allCases {
        let whole = ImportReader.readAll(format, bytes)
        var random = SeededRandom(seed: bytes.reduce(0) { $0 &* 31 &+ UInt64($1) })
        for longest in [1, 7, 64] {
            let pieces = ImportReader.readAll(format, bytes) { Int.random(in: 1...longest, using: &random) }
            precondition(pieces == whole, "what is read depends on the pieces")
        }
        switch whole {
        case .success(let rows): checkInvariants(rows, format, bytes)
        case .failure(let error): precondition(!error.message.isEmpty)
        }
    }
}

private func checkInvariants(_ rows: [ImportRow], _ format: ImportFormat, _ bytes: [UInt8]) {
    let lineCount = bytes.count { $0 == ASCII.lineFeed } + 1
    var (end, line) = (0, 1)
    for row in rows {
        precondition(row.end >= end && row.end <= bytes.count && row.line >= line && row.line <= lineCount)
        (end, line) = (row.end, row.line)
        if case .failure(let refusal) = row.result { precondition(!refusal.message.isEmpty) }
    }
    if let middle = rows.dropFirst(rows.count / 2).first {
        let resumed = ImportReader.readAll(format, bytes, resumingBehind: middle.end)
        precondition(resumed == .success(rows.filter { $0.end > middle.end }))
    }
    let links = rows.compactMap { try? $0.result.get() }
    var table: [UInt8] = []
    table.appendCSVHeader()
    for link in links { table.append(csv: link) }
    guard case .success(let again) = ImportReader.readAll(.csv, table), again.count == links.count else {
        preconditionFailure("a table that was written is not read")
    }
    checkLines(links)
    for (link, row) in zip(links, again) {
        precondition(row.result == readAgain(link), "a link that was written is not read as it was")
    }
}

/// A short code is read as the short URL that it looks like; no code of the store's does.
private func readAgain(_ link: ImportedLink) -> Result<ImportedLink, ImportRefusal> {
    var link = link
    do throws(ImportRefusal) {
        if let code = link.code { link.code = try CSVCell.code(code) }
    } catch {
        return .failure(error)
    }
    return .success(link)
}

/// A link is read from the line that is made of it as it was, unless escapes make the line too long.
private func checkLines(_ links: [ImportedLink]) {
    for link in links {
        var line: [UInt8] = []
        line.append(ndjson: link)
        guard line.count <= ImportLimits.rowBytes else { continue }
        guard case .success(let rows) = ImportReader.readAll(.ndjson, line), rows.count == 1 else {
            preconditionFailure("a line that was written is not read")
        }
        precondition(rows[0].result == .success(link), "a link that was written is not read as it was")
    }
}
