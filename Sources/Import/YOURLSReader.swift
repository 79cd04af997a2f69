import Primitives

/// Reads links from a dump of YOURLS' database, row by row of the statements that fill the table of links:
///
///     INSERT INTO `yourls_url` [(`keyword`, `url`, …)] VALUES ('abc','https://example.com/','A title',…),(…);
///
/// The table's name is `url` behind a prefix that each installation chooses (YOURLS_DB_PREFIX). Its columns are those
/// of `yourls_create_sql_tables` in github.com/YOURLS/YOURLS, `includes/functions-install.php`. A statement without a
/// list of columns has all of them, in their order; one with a list in which `keyword` and `url` are not is of another
/// table. Times are UTC: mysqldump and phpMyAdmin both set that zone for what they dump.
struct YOURLSReader: Sendable {
    private static let columns = ["keyword", "url", "title", "timestamp", "ip", "clicks"].map { Array($0.utf8) }

    /// Where in a statement the next token stands.
    private enum State: Sendable {
        case statement
        /// Behind INSERT or REPLACE: the last part of the table's name so far; empty before it.
        case table([UInt8])
        case columns([[UInt8]])
        /// Behind the list of columns.
        case keyword
        /// Before a row.
        case values
        /// In the row at hand.
        case row
        /// Behind a row.
        case separator
        /// In a statement that is passed over.
        case skipping
    }

    private var lexer = SQLLexer()
    private var state = State.statement
    /// Of the statement's rows, in their order, in lower case.
    private var names = columns
    private var row = SQLRow(line: 1, start: 0)

    mutating func take(_ byte: UInt8, _ output: inout RowOutput) {
        if case .row = state, output.offset - row.start > ImportLimits.rowBytes {
            row.refuse(.tooLong)
            lexer.keepsContent = false
        }
        while true {
            let (token, isTaken) = lexer.take(byte)
            if let token { take(token, &output) }
            if isTaken { return }
        }
    }

    mutating func finish(_ output: inout RowOutput) {
        if let token = lexer.finish() { take(token, &output) }
        if case .row = state {
            row.refuse(.truncated)
            endRow(&output)
        }
    }

    private mutating func take(_ token: SQLToken, _ output: inout RowOutput) {
        state = next(token, &output)
        lexer.keepsContent =
            switch state {
            case .skipping: false
            case .row: row.refusal == nil
            case .statement, .table, .columns, .keyword, .values, .separator: true
            }
    }

    private mutating func next(_ token: SQLToken, _ output: inout RowOutput) -> State {
        switch state {
        case .statement:
            if token == .sign(UInt8(ascii: ";")) { return .statement }
            return token.isKeyword("INSERT", "REPLACE") ? .table([]) : .skipping
        case .table(let name): return next(token, afterTable: name, &output)
        case .columns(let columns): return next(token, afterColumns: columns, &output)
        case .keyword: return token.isKeyword("VALUES", "VALUE") ? .values : malformed(token, &output)
        case .values:
            guard token == .sign(UInt8(ascii: "(")) else { return malformed(token, &output) }
            row = SQLRow(line: output.line, start: output.offset)
            return .row
        case .row:
            guard row.take(token) else { return .row }
            endRow(&output)
            return .separator
        case .separator:
            switch token {
            case .sign(UInt8(ascii: ",")): return .values
            case .sign(UInt8(ascii: ";")): return .statement
            // What is to be done with rows that are there already.
            case .word: return .skipping
            case .sign, .name, .string: return malformed(token, &output)
            }
        case .skipping: return token == .sign(UInt8(ascii: ";")) ? .statement : .skipping
        }
    }

    private mutating func next(_ token: SQLToken, afterTable name: [UInt8], _ output: inout RowOutput) -> State {
        guard !name.isEmpty else {
            if token.isKeyword("INTO", "IGNORE", "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED") { return .table([]) }
            guard case .word(let word) = token else { return token.identifier.map(State.table) ?? .skipping }
            return .table(Self.lastPart(word))
        }
        if case .word(let word) = token, word.first == UInt8(ascii: ".") { return .table(Self.lastPart(word)) }
        guard name.suffix(3).elementsEqual("url".utf8) else {
            return token == .sign(UInt8(ascii: ";")) ? .statement : .skipping
        }
        names = Self.columns
        if token == .sign(UInt8(ascii: "(")) { return .columns([]) }
        return token.isKeyword("VALUES", "VALUE") ? .values : malformed(token, &output)
    }

    /// What stands behind the last dot, in lower case: the table of `database.table`.
    private static func lastPart(_ name: [UInt8]) -> [UInt8] {
        let part = name.lastIndex(of: UInt8(ascii: ".")).map { name[($0 + 1)...] } ?? name[...]
        return SQLToken.name(Array(part)).identifier ?? []
    }

    private mutating func next(
        _ token: SQLToken, afterColumns columns: [[UInt8]], _ output: inout RowOutput
    ) -> State {
        if token == .sign(UInt8(ascii: ",")) { return .columns(columns) }
        if token == .sign(UInt8(ascii: ")")) {
            names = columns
            let isOurs = Self.columns[..<2].allSatisfy(columns.contains)
            return isOurs ? .keyword : .skipping
        }
        guard let name = token.identifier, columns.count < ImportLimits.columns else {
            return malformed(token, &output)
        }
        return .columns(columns + [name])
    }

    private mutating func malformed(_ token: SQLToken, _ output: inout RowOutput) -> State {
        output.append(line: output.line) { () throws(ImportRefusal) in throw .malformedStatement }
        return token == .sign(UInt8(ascii: ";")) ? .statement : .skipping
    }

    private mutating func endRow(_ output: inout RowOutput) {
        output.append(line: row.line) { () throws(ImportRefusal) in
            if let refusal = row.refusal { throw refusal }
            guard row.values.count == names.count else { throw .columns(row.values.count, header: names.count) }
            func value(_ index: Int) throws(ImportRefusal) -> String? {
                guard let column = names.firstIndex(of: Self.columns[index]), let bytes = row.values[column] else {
                    return nil
                }
                return try text(bytes)
            }
            var link = ImportedLink(longURL: try value(1) ?? "")
            link.code = try value(0)
            link.title = try value(2)
            link.createdAt = try .imported(try value(3), "timestamp")
            return link
        }
    }
}

extension SQLToken {
    /// As a name, in lower case; nil if it cannot be one.
    fileprivate var identifier: [UInt8]? {
        switch self {
        case .word(let bytes), .name(let bytes), .string(let bytes):
            bytes.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
        case .sign: nil
        }
    }

    /// Whether it is one of these words, in any case.
    fileprivate func isKeyword(_ keywords: StaticString...) -> Bool {
        guard case .word(let word) = self else { return false }
        return keywords.contains { "\($0)".utf8.elementsEqual(word.map { $0 &- 0x61 < 26 ? $0 & 0xDF : $0 }) }
    }
}
