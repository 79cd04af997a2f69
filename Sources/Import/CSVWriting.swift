import Primitives

/// Links as a table (RFC 4180): a header, then a record for each, with commas between cells and CRLF behind records.
/// `ImportFormat.csv` reads it back exactly.
///
/// A cell that a program for spreadsheets could take for a formula gets an apostrophe before it, which reading takes
/// away again: titles and tags come from users, and the file is made for whoever opens it.
extension [UInt8] {
    /// The header, with the end of its line.
    package mutating func appendCSVHeader() {
        append(csv: CSVHeader.Part.allCases.map { Array($0.rawValue.utf8) })
    }

    /// One record, with the end of its line.
    package mutating func append(csv link: ImportedLink) {
        append(
            csv: CSVHeader.Part.allCases.map { part in
                switch part {
                case .longURL: Array(link.longURL.utf8)
                case .code: Array((link.code ?? "").utf8)
                case .title: Array((link.title ?? "").utf8)
                case .tags: CSVCell.cell(link.tags)
                case .createdAt: Self.cell(link.createdAt)
                case .expiresAt: Self.cell(link.expiresAt)
                case .owner: Array((link.owner ?? "").utf8)
                case .forwardsQuery: Array(String(link.forwardsQuery).utf8)
                case .isActive: Array(String(link.isActive).utf8)
                }
            })
    }

    private static func cell(_ instant: Instant?) -> [UInt8] {
        instant.map { Array(CalendarTime($0).rfc3339.utf8) } ?? []
    }

    private mutating func append(csv values: [[UInt8]]) {
        for (index, value) in values.enumerated() {
            if index > 0 { append(CSVHeader.separators[0]) }
            let cell = CSVCell.protected(value)
            guard cell.contains(where: Self.isQuoted) else {
                self += cell
                continue
            }
            append(ASCII.quote)
            for byte in cell {
                if byte == ASCII.quote { append(byte) }
                append(byte)
            }
            append(ASCII.quote)
        }
        self += [ASCII.carriageReturn, ASCII.lineFeed]
    }

    /// Also the separators that others may read a table with.
    private static func isQuoted(_ byte: UInt8) -> Bool {
        byte == ASCII.quote || byte == ASCII.carriageReturn || byte == ASCII.lineFeed
            || CSVHeader.separators.contains(byte)
    }
}
