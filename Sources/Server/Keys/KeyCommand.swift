import Glibc
import Links
import Primitives
import Store

/// `edge key`: makes, lists or revokes API keys. Returns the exit status.
package func runKey(_ command: KeyCommand) -> Int32 {
    do {
        switch command.place {
        case .server(let server):
            let client = CommandClient(server: server, key: try HeldKey.read(file: command.keyFile))
            return try KeyClient(client: client, server: server).perform(command.action)
        case .data(let directory): return try KeyDirectory(path: directory).perform(command.action)
        }
    } catch {
        StandardStream.error.write("edge key: \(error)\n")
        return ExitStatus.failed
    }
}

/// Why a command about keys did nothing.
private struct KeyCommandError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Standard output has the key alone, so that it can be piped into a file; the rest is for people.
private func print(_ key: String, _ description: KeyDescription) -> Int32 {
    guard StandardStream.output.write(key + "\n") else {
        StandardStream.error.write(
            "edge key: the key \(description.id) was made and could not be printed; revoke it and make another\n")
        return ExitStatus.failed
    }
    StandardStream.error.write(
        "The key \(description.id) for \(description.scopes.joined(separator: ", ")) is shown this once: keep it safe.\n"
    )
    return ExitStatus.done
}

private func print(_ list: KeyList) -> Int32 {
    guard StandardStream.output.write(list.table) else { return ExitStatus.failed }
    if list.damaged == 0 { return ExitStatus.done }
    StandardStream.error.write("edge key: \(list.damaged) records are damaged and left out; their keys open nothing\n")
    return ExitStatus.failed
}

private func printRevoked(_ revocation: TokenRevocation) -> Int32 {
    let tokens = revocation.claim == .jti ? "The token with the jti" : "The tokens issued up to now with the sub"
    StandardStream.error.write(
        "\(tokens) \(quoted(revocation.text)) \(revocation.claim == .jti ? "is" : "are") revoked.\n")
    return ExitStatus.done
}

private func printRevoked(_ id: KeyID) -> Int32 {
    StandardStream.error.write("The key \(id) is revoked.\n")
    return ExitStatus.done
}

/// A running node, asked through its admin port.
private struct KeyClient {
    let client: CommandClient
    let server: Authority

    func perform(_ action: KeyCommand.Action) throws -> Int32 {
        switch action {
        case .create(let request):
            let answer = try askForKeys("POST", json: request.json)
            guard answer.status == 201, let made = AdminJSON.decode(answer.body, as: MadeKey.self) else {
                throw refused(answer)
            }
            return print(made.key, made.description)
        case .list:
            let answer = try askForKeys("GET")
            guard answer.status == 200, let list = AdminJSON.decode(answer.body, as: KeyList.self) else {
                throw refused(answer)
            }
            return print(list)
        case .revoke(let id):
            let answer = try ask("DELETE", "/keys/\(id)")
            guard answer.status == 204 else { throw refused(answer) }
            return printRevoked(id)
        case .revokeTokens(let revocation):
            let answer = try ask("POST", "/keys/revocations", json: revocation.json)
            guard answer.status == 204 else { throw refused(answer) }
            return printRevoked(revocation)
        }
    }

    private func askForKeys(_ method: String, json: [UInt8]? = nil) throws -> CommandAnswer {
        let answer = try ask(method, "/keys", json: json)
        guard answer.status != 404 else { throw KeyCommandError("http://\(server) is no admin port") }
        return answer
    }

    private func ask(_ method: String, _ path: String, json: [UInt8]? = nil) throws -> CommandAnswer {
        do throws(CommandClientError) { return try client.send(method, path, json: json) } catch {
            let hint = if case .unreachable = error { "; for a node that does not run give --data" } else { "" }
            throw KeyCommandError("http://\(server): \(error)\(hint)")
        }
    }

    private func refused(_ answer: CommandAnswer) -> KeyCommandError {
        (200..<300).contains(answer.status)
            ? KeyCommandError("http://\(server) answered what no admin port does")
            : KeyCommandError("http://\(server): \(answer.refusal)")
    }
}

/// The data directory of a node that does not run.
private struct KeyDirectory {
    let path: String

    func perform(_ action: KeyCommand.Action) throws -> Int32 {
        let now = Instant(milliseconds: System.wallMilliseconds())
        switch action {
        case .list: return print(KeyList(try readKeys(directory: path), now: now))
        case .create(let request):
            let new: (key: KeyText, body: KeyBody)
            do throws(RefusedRequest) { new = try request.newKey(now: now) } catch {
                throw KeyCommandError(error.problem.detail)
            }
            guard
                let stored = try write({
                    $0.createKey(
                        new.key.id, new.body, audit: .creation(of: new, by: AuditBody.operator), completion: $1)
                })
            else {
                preconditionFailure("a key that was made is there")
            }
            return print(new.key.text, KeyDescription(stored, now: now))
        case .revoke(let id):
            guard
                try write({
                    $0.revokeKey(
                        id, audit: AuditBody("revoke-key", on: "\(id)", by: AuditBody.operator), completion: $1)
                }) != nil
            else {
                throw KeyCommandError(Problem.noSuchKey.detail)
            }
            return printRevoked(id)
        case .revokeTokens(let revocation):
            _ = try write { (store, completion) throws(RefusedRequest) in
                try revocation.perform(
                    on: store, audit: revocation.act(by: AuditBody.operator), completion: completion)
            }
            return printRevoked(revocation)
        }
    }

    /// Opens the store as its node would, writes and closes it.
    private func write(
        _ operation: (Store, @escaping Store.KeyCompletion) throws(RefusedRequest) -> Void
    ) throws -> StoredKey? {
        try checkUser()
        let settings = try StoreSettings(
            of: path, now: { Instant(milliseconds: System.wallMilliseconds()) },
            mustEnd: { reason in
                StandardStream.error.write("edge key: \(reason)\n")
                exit(ExitStatus.failed)
            })
        let store: Store
        do throws(StoreError) { store = try Store(settings) } catch {
            guard case .inUse = error else { throw error }
            throw KeyCommandError("a node runs on \(path); ask it through its admin port: --server http://ADDRESS")
        }
        defer { store.close() }
        let answers = WaitingQueue<Result<StoredKey?, WriteError>>(capacity: 1)
        do throws(RefusedRequest) { try operation(store) { _ = answers.push($0) } } catch {
            throw KeyCommandError(error.problem.detail)
        }
        while true {
            guard let answer = answers.take(atMost: 1, timeoutMilliseconds: 1000)?.first else { continue }
            do throws(WriteError) { return try answer.get() } catch {
                throw KeyCommandError(Problem(error).detail)
            }
        }
    }

    /// Files that another user writes there could not be read by the node any more.
    private func checkUser() throws(KeyCommandError) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_uid != geteuid() else { return }
        throw KeyCommandError("\(path) belongs to another user; run this as the user that the node runs as")
    }
}
