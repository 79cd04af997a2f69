/// Reads links from a table whose first record names the columns. Records of nothing but separators are skipped.
struct CSVReader: Sendable {
    /// The header as it stands there, until its end, because only its names tell the separator.
    private var headerBytes: [UInt8] = []
    private var headerIsQuoted = false
    private var header: CSVHeader?
    private var record = CSVRecord(separator: CSVHeader.separators[0])
    private var start = 1

    var ignoredColumns: [String] { header?.ignoredColumns ?? [] }

    mutating func take(_ byte: UInt8, _ output: inout RowOutput) throws(ImportError) {
        guard header != nil else { return try takeHeader(byte) }
        if record.isFresh { start = output.line }
        if record.take(byte) { endRecord(&output) }
    }

    mutating func finish(_ output: inout RowOutput) throws(ImportError) {
        if header == nil { return try endHeader(isLast: true) }
        guard !record.isFresh else { return }
        record.finish()
        endRecord(&output)
    }

    private mutating func endRecord(_ output: inout RowOutput) {
        if let header, !record.isBlank {
            let record = record
            output.append(line: start) { () throws(ImportRefusal) in try header.link(of: record) }
        }
        record = CSVRecord(separator: header?.separator ?? CSVHeader.separators[0])
    }

    private mutating func takeHeader(_ byte: UInt8) throws(ImportError) {
        if byte == ASCII.lineFeed, !headerIsQuoted { return try endHeader(isLast: false) }
        if headerBytes.last == ASCII.carriageReturn, !headerIsQuoted { throw bareReturn }
        if byte == ASCII.quote { headerIsQuoted.toggle() }
        headerBytes.append(byte)
        guard headerBytes.count <= ImportLimits.rowBytes else { throw .malformedHeader(.tooLong) }
    }

    /// Where no line feed comes the whole table would be its header. What is no UTF-8 may be UTF-16, whose line feeds
    /// look otherwise.
    private var bareReturn: ImportError {
        do throws(ImportRefusal) { _ = try text(headerBytes) } catch { return .malformedHeader(error) }
        return .bareReturn
    }

    private mutating func endHeader(isLast: Bool) throws(ImportError) {
        if headerBytes.starts(with: byteOrderMark) { headerBytes.removeFirst(byteOrderMark.count) }
        // Empty lines may stand before it.
        if !isLast, headerBytes.allSatisfy({ $0 == ASCII.carriageReturn || $0 == ASCII.space }) {
            headerBytes = []
            return
        }
        let header = try CSVHeader(headerBytes)
        headerBytes = []
        self.header = header
        record = CSVRecord(separator: header.separator)
    }
}
