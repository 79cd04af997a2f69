extension Command {
    static func parseBackup(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
        var reader = ArgumentReader(command: .backup, rest: arguments)
        guard let (directory, options) = try reader.read(operand: "DIRECTORY", options: ["server", "rate", "key-file"])
        else {
            return .help(.backup)
        }
        guard let server = Authority(server: options["server"] ?? "http://127.0.0.1:9180") else {
            throw UsageError(command: .backup, problem: "--server takes http://HOST or http://HOST:PORT")
        }
        let rate = options["rate"].map { sizeBytes($0) ?? 0 } ?? BackupRequest.defaultBytesPerSecond
        guard rate > 0 else {
            throw UsageError(command: .backup, problem: "--rate takes the bytes of a second, such as 64MiB")
        }
        return .backup(
            BackupRequest(directory: directory, server: server, keyFile: options["key-file"], bytesPerSecond: rate))
    }

    static func parseRestore(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
        var reader = ArgumentReader(command: .restore, rest: arguments)
        guard let (directory, options) = try reader.read(operand: "DIRECTORY", options: ["data"]) else {
            return .help(.restore)
        }
        guard let data = options["data"], !data.isEmpty else {
            throw UsageError(command: .restore, problem: "--data DIR is needed")
        }
        return .restore(backup: directory, data: data)
    }
}

extension ArgumentReader {
    /// One operand and options with a value, each at most once. Nil if help is asked for.
    mutating func read(
        operand name: String, options known: Set<String>
    ) throws(UsageError) -> (operand: String, options: [String: String])? {
        var (operand, options) = (String?.none, [String: String]())
        while let argument = next() {
            switch argument {
            case .option("help", _): return nil
            case .option(let option, let value):
                guard known.contains(option) else { throw unknown(option) }
                guard options[option] == nil else {
                    throw UsageError(command: command, problem: "--\(option) is given twice")
                }
                options[option] = try self.value(of: option, value)
            case .operand(let text):
                guard operand == nil else {
                    throw UsageError(command: command, problem: "one \(name); \(quoted(text)) is a second one")
                }
                operand = text
            }
        }
        guard let operand, !operand.isEmpty else { throw UsageError(command: command, problem: "no \(name)") }
        return (operand, options)
    }
}
