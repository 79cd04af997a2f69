/// Reads an import as it comes, in pieces of any size, and gives its rows. It holds no more of it than one row.
///
/// To resume, the input is read from its beginning: what stands before the place (a header, the beginning of a
/// statement) says how to read what stands behind it.
package struct ImportReader: Sendable {
    /// Columns of a table that no part of a link is read from, once the header was read. To be told to the user.
    package private(set) var ignoredColumns: [String] = []

    /// In use while a piece is read: what reads bytes is a variable then, which nothing else holds.
    private enum Machine {
        case csv(CSVReader)
        case yourls(YOURLSReader)
        case lines(LineReader)
        case inUse
    }
    private var machine: Machine
    private var output = RowOutput()
    private let resumption: Int

    /// - resumingBehind: the end of the last row that is done with; no row up to there is given.
    package init(_ format: ImportFormat, resumingBehind resumption: Int = 0) {
        self.resumption = resumption
        machine =
            switch format {
            case .csv: .csv(CSVReader())
            case .yourls: .yourls(YOURLSReader())
            case .golink: .lines(LineReader(.golink))
            case .ndjson: .lines(LineReader(.ndjson))
            }
    }

    /// The rows that end in `bytes`, in order. Throws if nothing can be read; then no more may be.
    package mutating func read(_ bytes: [UInt8]) throws(ImportError) -> [ImportRow] {
        try advance(bytes, isLast: false)
    }

    /// The row that the input ends with, if the end of its line is missing. Nothing is read afterwards.
    package mutating func finish() throws(ImportError) -> [ImportRow] { try advance([], isLast: true) }

    private mutating func advance(_ bytes: [UInt8], isLast: Bool) throws(ImportError) -> [ImportRow] {
        let current = machine
        machine = .inUse
        switch consume current {
        case .csv(var reader):
            for byte in bytes {
                output.advance(over: byte)
                try reader.take(byte, &output)
            }
            if isLast { try reader.finish(&output) }
            ignoredColumns = reader.ignoredColumns
            machine = .csv(reader)
        case .yourls(var reader):
            for byte in bytes {
                output.advance(over: byte)
                reader.take(byte, &output)
            }
            if isLast { reader.finish(&output) }
            machine = .yourls(reader)
        case .lines(var reader):
            for byte in bytes {
                output.advance(over: byte)
                reader.take(byte, &output)
            }
            if isLast { reader.finish(&output) }
            machine = .lines(reader)
        case .inUse: preconditionFailure("nothing is read behind an error")
        }
        return output.takeRows(behind: resumption)
    }
}

/// Where a machine puts its rows, and how far it has come.
struct RowOutput: Sendable {
    /// Bytes read, with the one that is being looked at.
    private(set) var offset = 0
    /// The line of the byte that is being looked at, from 1.
    private(set) var line = 1
    private var isAtLineEnd = false
    private var rows: [ImportRow] = []

    mutating func advance(over byte: UInt8) {
        if isAtLineEnd { line += 1 }
        isAtLineEnd = byte == ASCII.lineFeed
        offset += 1
    }

    mutating func append(line: Int, _ read: () throws(ImportRefusal) -> ImportedLink) {
        let result: Result<ImportedLink, ImportRefusal>
        do throws(ImportRefusal) { result = .success(try read().checked()) } catch { result = .failure(error) }
        rows.append(ImportRow(line: line, end: offset, result: result))
    }

    fileprivate mutating func takeRows(behind end: Int) -> [ImportRow] {
        defer { rows.removeAll() }
        return rows.filter { $0.end > end }
    }
}

enum ASCII {
    static let tab = UInt8(ascii: "\t")
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let space = UInt8(ascii: " ")
    static let quote = UInt8(ascii: "\"")
    static let apostrophe = UInt8(ascii: "'")
    static let backslash = UInt8(ascii: "\\")
    static let zero = UInt8(ascii: "0")
}

/// UTF-8's encoding of U+FEFF, which some programs put before a text.
let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

func text(_ bytes: some Sequence<UInt8>) throws(ImportRefusal) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUTF8 }
    return text
}
