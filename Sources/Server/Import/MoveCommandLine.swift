import Import

/// What `edge import` shall do.
package struct ImportRequest: Equatable, Sendable {
    package let format: ImportFormat
    /// `-`: standard input.
    package let file: String
    package let server: Authority
    package let keyFile: String?
    package let isDryRun: Bool
    /// Rows that begin in earlier lines are passed over.
    package let firstLine: Int
    /// Where rows are named that make no link; nil: on standard error.
    package let rejectedFile: String?
}

/// What `edge export` shall do.
package struct ExportCommandRequest: Equatable, Sendable {
    package let format: String
    package let owner: String?
    /// The code behind which it begins.
    package let after: String?
    package let server: Authority
    package let keyFile: String?
}

extension Command {
    static func parseImport(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
        var reader = ArgumentReader(command: .import, rest: arguments)
        let usage = { (problem: String) in UsageError(command: .import, problem: problem) }
        var (operands, options, isDryRun) = ([String](), [String: String](), false)
        while let argument = reader.next() {
            switch argument {
            case .option("help", _): return .help(.import)
            case .option("dry-run", nil):
                guard !isDryRun else { throw usage("--dry-run is given twice") }
                isDryRun = true
            case .option(let name, let value):
                guard ["from", "rejected", "server", "key-file"].contains(name) else { throw reader.unknown(name) }
                guard options[name] == nil else { throw usage("--\(name) is given twice") }
                options[name] = try reader.value(of: name, value)
            case .operand(let text): operands.append(text)
            }
        }
        let formats = ImportFormat.allCases.map(\.rawValue).joined(separator: ", ")
        guard let name = operands.first else { throw usage("a format is wanted: \(formats)") }
        guard let format = ImportFormat(rawValue: name) else {
            throw usage("unknown format \(quoted(name)); there are \(formats)")
        }
        guard operands.count > 1, !operands[1].isEmpty else { throw usage("a file is wanted, or - for standard input") }
        if operands.count > 2 { throw usage("one file at a time; \(quoted(operands[2])) is a second one") }
        var firstLine = 1
        if let given = options["from"] {
            guard let line = Int(given), line > 0 else { throw usage("--from takes a number of a line, from 1 on") }
            firstLine = line
        }
        return .import(
            ImportRequest(
                format: format, file: operands[1],
                server: try reader.server(options["server"] ?? "http://127.0.0.1:8080"), keyFile: options["key-file"],
                isDryRun: isDryRun, firstLine: firstLine, rejectedFile: options["rejected"]))
    }

    static func parseExport(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
        var reader = ArgumentReader(command: .export, rest: arguments)
        let usage = { (problem: String) in UsageError(command: .export, problem: problem) }
        var options: [String: String] = [:]
        while let argument = reader.next() {
            switch argument {
            case .option("help", _): return .help(.export)
            case .option(let name, let value):
                guard ["format", "owner", "after", "server", "key-file"].contains(name) else {
                    throw reader.unknown(name)
                }
                guard options[name] == nil else { throw usage("--\(name) is given twice") }
                options[name] = try reader.value(of: name, value)
            case .operand(let text): throw usage("\(quoted(text)) is no flag")
            }
        }
        let format = options["format"] ?? ExportRequest.Format.ndjson.rawValue
        guard ExportRequest.Format(rawValue: format) != nil else {
            let formats = ExportRequest.Format.allCases.map(\.rawValue).joined(separator: " or ")
            throw usage("--format takes \(formats)")
        }
        return .export(
            ExportCommandRequest(
                format: format, owner: options["owner"], after: options["after"],
                server: try reader.server(options["server"] ?? "http://127.0.0.1:8080"), keyFile: options["key-file"]))
    }
}
