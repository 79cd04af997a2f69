/// What `edge switch` asks a running node's admin port for.
package struct SwitchCommand: Equatable, Sendable {
    package enum Action: Equatable, Sendable {
        case show
        /// Nil: as configured.
        case turn(Switch, isOn: Bool?)
    }

    package let action: Action
    package let server: Authority
    /// File that holds an API key; nil: the environment says, or there is none.
    package let keyFile: String?
}

extension Command {
    static func parseSwitch(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
        var reader = ArgumentReader(command: .switch, rest: arguments)
        let usage = { (problem: String) in UsageError(command: .switch, problem: problem) }
        var (operands, options) = ([String](), [String: String]())
        while let argument = reader.next() {
            switch argument {
            case .option("help", _): return .help(.switch)
            case .option(let name, let value):
                guard ["server", "key-file"].contains(name) else { throw reader.unknown(name) }
                guard options[name] == nil else { throw usage("--\(name) is given twice") }
                options[name] = try reader.value(of: name, value)
            case .operand(let text): operands.append(text)
            }
        }
        let server = try reader.server(options["server"] ?? "http://127.0.0.1:9180")
        return .switch(SwitchCommand(action: try action(operands), server: server, keyFile: options["key-file"]))
    }

    private static func action(_ operands: [String]) throws(UsageError) -> SwitchCommand.Action {
        guard let first = operands.first else { return .show }
        guard let name = Switch(rawValue: first) else {
            let names = Switch.allCases.map(\.rawValue).joined(separator: ", ")
            throw UsageError(command: .switch, problem: "unknown switch \(quoted(first)); there are \(names)")
        }
        switch operands.dropFirst() {
        case ["on"]: return .turn(name, isOn: true)
        case ["off"]: return .turn(name, isOn: false)
        case ["default"]: return .turn(name, isOn: nil)
        default: throw UsageError(command: .switch, problem: "on, off or default is wanted behind \(first)")
        }
    }
}

/// `edge switch`: turns a switch of a running node, or shows them all. Returns the exit status.
package func runSwitch(_ command: SwitchCommand) -> Int32 {
    do {
        let client = CommandClient(server: command.server, key: try HeldKey.read(file: command.keyFile))
        let answer: CommandAnswer
        switch command.action {
        case .show: answer = try client.send("GET", "/switches")
        case .turn(let name, let isOn?):
            answer = try client.send("PUT", "/switches/\(name.rawValue)", json: Array(#"{"on":\#(isOn)}"#.utf8))
        case .turn(let name, nil): answer = try client.send("DELETE", "/switches/\(name.rawValue)")
        }
        if answer.status == 200, let list = AdminJSON.decode(answer.body, as: SwitchList.self) {
            return StandardStream.output.write(list.table) ? ExitStatus.done : ExitStatus.failed
        }
        StandardStream.error.write("edge switch: http://\(command.server): \(answer.refusal)\n")
    } catch {
        StandardStream.error.write("edge switch: http://\(command.server): \(error)\n")
    }
    return ExitStatus.failed
}
