import Links

/// What `edge key` shall do, and where.
package struct KeyCommand: Equatable, Sendable {
    package enum Action: Equatable, Sendable {
        case create(KeyRequest)
        case list
        case revoke(KeyID)
        case revokeTokens(TokenRevocation)
    }

    package enum Place: Equatable, Sendable {
        /// The admin port of a running node.
        case server(Authority)
        /// The data directory of one that does not run.
        case data(String)
    }

    package let action: Action
    package let place: Place
    /// File that holds an API key; nil: the environment says, or there is none.
    package let keyFile: String?
}

extension Command {
    static func parseKey(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
        var reader = ArgumentReader(command: .key, rest: arguments)
        let usage = { (problem: String) in UsageError(command: .key, problem: problem) }
        var (operands, options) = ([String](), [String: String]())
        while let argument = reader.next() {
            switch argument {
            case .option("help", _): return .help(.key)
            case .option(let name, let value):
                guard
                    ["name", "scopes", "owner", "expires-in", "jti", "sub", "server", "data", "key-file"].contains(name)
                else {
                    throw reader.unknown(name)
                }
                guard options[name] == nil else { throw usage("--\(name) is given twice") }
                options[name] = try reader.value(of: name, value)
            case .operand(let text): operands.append(text)
            }
        }
        guard let verb = operands.first else { throw usage("create, list or revoke is wanted") }
        let creates = verb == "create"
        if !creates, let name = ["name", "scopes", "owner", "expires-in"].first(where: { options[$0] != nil }) {
            throw usage("--\(name) is for create")
        }
        if verb != "revoke", let name = ["jti", "sub"].first(where: { options[$0] != nil }) {
            throw usage("--\(name) is for revoke")
        }
        let place: KeyCommand.Place
        if let data = options["data"] {
            if let name = ["server", "key-file"].first(where: { options[$0] != nil }) {
                throw usage("--data and --\(name) exclude each other")
            }
            guard !data.isEmpty else { throw usage("--data needs a value") }
            place = .data(data)
        } else {
            place = .server(try reader.server(options["server"] ?? "http://127.0.0.1:9180"))
        }
        let action = try keyAction(verb, operands.dropFirst(), options, reader)
        return .key(KeyCommand(action: action, place: place, keyFile: options["key-file"]))
    }

    private static func keyAction(
        _ verb: String, _ operands: ArraySlice<String>, _ options: [String: String], _ reader: ArgumentReader
    ) throws(UsageError) -> KeyCommand.Action {
        let usage = { (problem: String) in UsageError(command: .key, problem: problem) }
        switch verb {
        case "create", "list":
            if let more = operands.first { throw usage("\(quoted(more)) is no flag") }
            guard verb == "create" else { return .list }
            guard let name = options["name"], !name.isEmpty else { throw usage("--name NAME is needed") }
            let scopes = options["scopes"].map { list in
                list.split(separator: ",", omittingEmptySubsequences: false).map { String($0.trimmingBlanks()) }
            }
            return .create(
                KeyRequest(
                    name: name, scopes: scopes, owner: options["owner"],
                    expiresInSeconds: try reader.seconds(options["expires-in"])))
        case "revoke":
            switch (options["jti"], options["sub"], operands.first) {
            case (nil, nil, _): break
            case (let text?, nil, nil): return .revokeTokens(TokenRevocation(claim: .jti, text: text))
            case (nil, let text?, nil): return .revokeTokens(TokenRevocation(claim: .sub, text: text))
            default: throw usage("one of an id, --jti and --sub is wanted")
            }
            guard let text = operands.first else { throw usage("the id of a key is wanted; edge key list shows it") }
            if let more = operands.dropFirst().first {
                throw usage("one id at a time; \(quoted(more)) is a second one")
            }
            // Not quoted: it may be the key itself.
            guard let id = KeyID(text) else {
                throw usage("that is no id of a key, which has 22 letters and digits; edge key list shows it")
            }
            return .revoke(id)
        default: throw usage("unknown command \(quoted(verb)); create, list or revoke is wanted")
        }
    }
}
