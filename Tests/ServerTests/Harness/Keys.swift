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
        return try read(to: "GET", target)
    }

    func create(key: String, target: String = "/api/v1/urls") throws -> Answer {
        try send(Self.creation("https://example.com/", target, "Authorization: Bearer \(key)\r\n"))
        return try read(to: "POST", target)
    }
}

extension Client {
    /// Sends a PATCH with `json`, or without it a DELETE.
    func sendChange(_ code: String, _ json: String?, key: String?, _ fields: String = "") throws {
        let target = "/api/v1/urls/" + code
        let fields = fields + (key.map { "Authorization: Bearer \($0)\r\n" } ?? "")
        guard let json else { return try send(Self.request("DELETE", target, fields)) }
        let type = "Content-Type: application/json\r\nContent-Length: \(json.utf8.count)\r\n"
        try send(Self.request("PATCH", target, fields + type) + json)
    }

    func change(_ code: String, _ json: String?, key: String?, _ fields: String = "") throws -> Answer {
        try sendChange(code, json, key: key, fields)
        return try read(to: json == nil ? "DELETE" : "PATCH", "/api/v1/urls/" + code)
    }

    /// The code of a new link of the key's owner.
    func create(_ url: String, key: String, alias: String? = nil) throws -> String {
        let body = #"{"long_url":"\#(url)"\#(alias.map { #","custom_alias":"\#($0)""# } ?? "")}"#
        let type = "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
        try send(Self.request("POST", "/api/v1/urls", "Authorization: Bearer \(key)\r\n" + type) + body)
        let answer = try read()
        guard answer.status == 201 else { throw HarnessError(answer.text) }
        return try answer.string("short_code")
    }
}
