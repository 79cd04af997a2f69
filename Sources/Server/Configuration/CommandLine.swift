/// The version of this program.
package let edgeVersion = "0.1.0"

/// How a process may end (sysexits.h for all but 1).
package enum ExitStatus {
    package static let done: Int32 = 0
    package static let failed: Int32 = 1
    package static let wrongUsage: Int32 = 64
    package static let wrongConfiguration: Int32 = 78
}

/// What one run of `edge` shall do.
package enum Command: Equatable, Sendable {
    case serve(ConfigurationSource)
    case check(ConfigurationSource)
    case systemdUnit(ConfigurationSource)
    case create(LinkRequest)
    case status(Authority)
    case key(KeyCommand)
    case `switch`(SwitchCommand)
    case verify(data: String)
    case dump(data: String)
    case backup(BackupRequest)
    case restore(backup: String, data: String)
    case `import`(ImportRequest)
    case export(ExportCommandRequest)
    case cluster(ClusterCommand)
    case peerOrder(PeerOrder, Authority)
    case version
    /// About one command, or about all.
    case help(CommandName?)
}

package enum CommandName: String, CaseIterable, Sendable {
    case serve, check, create, status, key, `switch`, verify, dump, backup, restore, `import`, export, cluster
    case systemdUnit = "systemd-unit"
    case help
}

/// Where a configuration comes from: a file, if any, and flags, not yet checked.
package struct ConfigurationSource: Equatable, Sendable {
    package struct Flag: Equatable, Sendable {
        package let key: String
        package let value: String
    }

    package fileprivate(set) var file: String?
    package fileprivate(set) var flags: [Flag] = []

    /// Reads the file and loads both.
    package func load() throws(ConfigurationErrors) -> Configuration {
        try Configuration.load(path: file, flags: flags.map { ($0.key, $0.value) })
    }
}

/// A link to make, and the server to ask for it.
package struct LinkRequest: Equatable, Sendable {
    package let url: String
    package let alias: String?
    package let expiresInSeconds: Int64?
    package let server: Authority
    /// File that holds an API key; nil: the environment says, or there is none.
    package let keyFile: String?
}

/// Arguments that make no command; exit status 64.
package struct UsageError: Error, Equatable, CustomStringConvertible {
    /// The command that was meant, if that is clear.
    package let command: CommandName?
    package let problem: String

    package var description: String {
        let name = command.map { " \($0)" } ?? ""
        return "edge\(name): \(problem)\n" + (command.map { "usage: \($0.synopsis)\n" } ?? "see edge help\n")
    }
}

extension Command {
    /// The command that `arguments` make, without the program's name.
    package static func parse(_ arguments: [String]) throws(UsageError) -> Command {
        guard let first = arguments.first else { throw UsageError(command: nil, problem: "no command; \(list)") }
        switch first {
        case "--version":
            guard arguments.count == 1 else { throw UsageError(command: nil, problem: "--version stands alone") }
            return .version
        case "--help", "-h": return try parseHelp(arguments.dropFirst())
        default: break
        }
        guard let name = CommandName(rawValue: first) else {
            let near = nearestName(to: first, among: CommandName.allCases.map(\.rawValue))
            throw UsageError(
                command: nil,
                problem: "unknown command \(quoted(first))" + (near.map { "; did you mean \($0)?" } ?? "; \(list)"))
        }
        let rest = arguments.dropFirst()
        switch name {
        case .help: return try parseHelp(rest)
        case .serve, .check, .systemdUnit: return try parseConfiguration(name, rest)
        case .create: return try parseCreate(rest)
        case .status: return try parseStatus(rest)
        case .key: return try parseKey(rest)
        case .switch: return try parseSwitch(rest)
        case .verify, .dump: return try parseStore(name, rest)
        case .backup: return try parseBackup(rest)
        case .restore: return try parseRestore(rest)
        case .import: return try parseImport(rest)
        case .export: return try parseExport(rest)
        case .cluster: return try parseCluster(rest)
        }
    }

    private static var list: String {
        "commands: " + CommandName.allCases.map(\.rawValue).joined(separator: ", ") + ", --version"
    }

    private static func parseHelp(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
        guard let topic = arguments.first else { return .help(nil) }
        guard arguments.count == 1 else { throw UsageError(command: .help, problem: "one command at a time") }
        if topic == "--help" || topic == "-h" { return .help(.help) }
        guard let name = CommandName(rawValue: topic) else {
            throw UsageError(command: .help, problem: "unknown command \(quoted(topic)); \(list)")
        }
        return .help(name)
    }

    private static func parseConfiguration(
        _ command: CommandName, _ arguments: ArraySlice<String>
    ) throws(UsageError) -> Command {
        var reader = ArgumentReader(command: command, rest: arguments)
        var source = ConfigurationSource()
        while let argument = reader.next() {
            switch argument {
            case .option("help", _): return .help(command)
            case .option("config", let value):
                guard source.file == nil else { throw UsageError(command: command, problem: "--config is given twice") }
                source.file = try reader.value(of: "config", value)
            case .option(let key, let value) where ConfigurationKey.named(key) != nil:
                source.flags.append(.init(key: key, value: try reader.value(of: key, value)))
            case .option(let key, let value):
                // An unknown key is wrong configuration; loading says so, together with all that is wrong beside it.
                source.flags.append(.init(key: key, value: value ?? reader.takeValue() ?? ""))
            case .operand(let text):
                throw UsageError(command: command, problem: "\(quoted(text)) is no flag; write --KEY VALUE")
            }
        }
        switch command {
        case .check: return .check(source)
        case .systemdUnit: return .systemdUnit(source)
        default: return .serve(source)
        }
    }

    private static func parseCreate(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
        var reader = ArgumentReader(command: .create, rest: arguments)
        let usage = { (problem: String) in UsageError(command: .create, problem: problem) }
        var (url, options) = (String?.none, [String: String]())
        while let argument = reader.next() {
            switch argument {
            case .option("help", _): return .help(.create)
            case .option(let name, let value):
                guard ["alias", "expires-in", "server", "key-file"].contains(name) else { throw reader.unknown(name) }
                guard options[name] == nil else { throw usage("--\(name) is given twice") }
                options[name] = try reader.value(of: name, value)
            case .operand(let text):
                guard url == nil else { throw usage("one URL at a time; \(quoted(text)) is a second one") }
                url = text
            }
        }
        guard let url, !url.isEmpty else { throw usage("no URL") }
        return .create(
            LinkRequest(
                url: url, alias: options["alias"], expiresInSeconds: try reader.seconds(options["expires-in"]),
                server: try reader.server(options["server"] ?? "http://127.0.0.1:8080"), keyFile: options["key-file"]))
    }

    private static func parseStatus(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
        var reader = ArgumentReader(command: .status, rest: arguments)
        var server: String?
        while let argument = reader.next() {
            switch argument {
            case .option("help", _): return .help(.status)
            case .option("server", let value):
                guard server == nil else { throw UsageError(command: .status, problem: "--server is given twice") }
                server = try reader.value(of: "server", value)
            case .option(let name, _): throw reader.unknown(name)
            case .operand(let text): throw UsageError(command: .status, problem: "\(quoted(text)) is no flag")
            }
        }
        return .status(try reader.server(server ?? "http://127.0.0.1:9180"))
    }

    private static func parseStore(
        _ command: CommandName, _ arguments: ArraySlice<String>
    ) throws(UsageError) -> Command {
        var reader = ArgumentReader(command: command, rest: arguments)
        var data: String?
        while let argument = reader.next() {
            switch argument {
            case .option("help", _): return .help(command)
            case .option("data", let value):
                guard data == nil else { throw UsageError(command: command, problem: "--data is given twice") }
                data = try reader.value(of: "data", value)
            case .option(let name, _): throw reader.unknown(name)
            case .operand(let text): throw UsageError(command: command, problem: "\(quoted(text)) is no flag")
            }
        }
        guard let data, !data.isEmpty else { throw UsageError(command: command, problem: "--data DIR is needed") }
        return command == .verify ? .verify(data: data) : .dump(data: data)
    }
}

extension Authority {
    /// `http://HOST[:PORT]`, with or without a slash at the end. This client speaks no TLS.
    init?(server text: String) {
        guard text.hasPrefix("http://") else { return nil }
        self.init(text.dropFirst(7).dropLast(text.hasSuffix("/") ? 1 : 0))
        guard port != 0 else { return nil }
    }
}

/// Arguments one by one: `--name value`, `--name=value`, operands; after `--` operands alone.
struct ArgumentReader {
    enum Argument {
        case option(String, value: String?)
        case operand(String)
    }

    let command: CommandName
    private var rest: ArraySlice<String>
    private var hasOptionsEnded = false

    init(command: CommandName, rest: ArraySlice<String>) {
        self.command = command
        self.rest = rest
    }

    mutating func next() -> Argument? {
        guard let argument = rest.popFirst() else { return nil }
        if hasOptionsEnded { return .operand(argument) }
        if argument == "--" {
            hasOptionsEnded = true
            return next()
        }
        if argument == "-h" { return .option("help", value: nil) }
        guard argument.hasPrefix("--") else { return .operand(argument) }
        let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return .option(String(parts[0]), value: parts.count == 2 ? String(parts[1]) : nil)
    }

    /// The argument after an option, unless that is an option too. A value with two dashes needs the `=` form.
    mutating func takeValue() -> String? {
        guard let value = rest.first, !value.hasPrefix("--") else { return nil }
        return rest.popFirst()
    }

    mutating func value(of name: String, _ given: String?) throws(UsageError) -> String {
        guard let value = given ?? takeValue() else {
            throw UsageError(command: command, problem: "--\(name) needs a value")
        }
        return value
    }

    /// What `--expires-in` was given.
    func seconds(_ given: String?) throws(UsageError) -> Int64? {
        guard let given else { return nil }
        guard let seconds = Int64(given), seconds > 0 else {
            throw UsageError(command: command, problem: "--expires-in takes a number of seconds from 1 on")
        }
        return seconds
    }

    /// What `--server` was given.
    func server(_ given: String) throws(UsageError) -> Authority {
        guard let server = Authority(server: given) else {
            throw UsageError(command: command, problem: "--server takes http://HOST or http://HOST:PORT")
        }
        return server
    }

    func unknown(_ name: String) -> UsageError {
        UsageError(command: command, problem: "unknown flag --\(legible(name))")
    }
}
