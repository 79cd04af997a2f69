import Testing

extension RunningNode {
    /// With an admin port on loopback, where keys can be made.
    static let withAdmin = ["--admin_listen", "127.0.0.1:0"]

    var adminURL: String { "http://127.0.0.1:\(adminPort)" }

    /// A new key, as `edge key create` prints it.
    func makeKey(_ flags: String..., name: String = "test") throws -> String {
        let made = try Finished(["key", "create", "--name", name, "--server", adminURL] + flags)
        guard made.ending == .exited(0) else { throw HarnessError(made.error) }
        return String(made.output.dropLast())
    }

    func revoke(_ key: String) throws {
        let revoked = try Finished(["key", "revoke", keyID(key), "--server", adminURL])
        guard revoked.ending == .exited(0), revoked.output.isEmpty else { throw HarnessError(revoked.error) }
    }
}

/// The id in a key.
func keyID(_ key: String) -> String { String(key.dropFirst(5).prefix(22)) }

extension Client {
    func get(_ target: String, key: String) throws -> Answer {
        try send(Self.request("GET", target, "Authorization: Bearer \(key)\r\n"))
        return try read()
    }

    func create(key: String, target: String = "/api/v1/urls") throws -> Answer {
        try send(Self.creation("https://example.com/", target, "Authorization: Bearer \(key)\r\n"))
        return try read()
    }
}
