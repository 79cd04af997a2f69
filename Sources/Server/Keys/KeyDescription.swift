import FoundationEssentials
import Links
import Primitives
import Store

/// A key as operators see it, never its secret; or the revocation of tokens.
struct KeyDescription: Codable, Equatable {
    var id: String
    /// `key`, or `jti` or `sub`: what revokes the tokens that have its name there.
    var kind: String
    var name: String
    var scopes: [String]
    var owner: String
    var createdAt: String
    var expiresAt: String?
    /// `active`, `inactive`, `expired` or `revoked`.
    var state: String

    init(_ key: StoredKey, now: Instant) {
        id = key.id.description
        kind = key.body.revokes.map { "\($0)" } ?? "key"
        name = key.body.label
        scopes = key.body.scopes
        owner = String(decoding: key.body.principal, as: UTF8.self)
        createdAt = CalendarTime(key.createdAt).rfc3339
        expiresAt = key.body.expiresAt.map { CalendarTime($0).rfc3339 }
        state = key.body.state(at: now).rawValue
    }
}

/// The answer to `GET /keys`.
struct KeyList: Codable {
    var keys: [KeyDescription]
    /// Rows that cannot be read; such a key opens nothing.
    var damaged: Int

    /// Oldest first.
    init(_ found: (keys: [StoredKey], damagedCount: Int), now: Instant) {
        keys = found.keys.sorted { ($0.createdAt, $0.id.rawValue) < ($1.createdAt, $1.id.rawValue) }
            .map { KeyDescription($0, now: now) }
        damaged = found.damagedCount
    }

    /// For people: a line a key, the name last because it may have spaces.
    var table: String {
        var rows = [["ID", "STATE", "KIND", "SCOPES", "OWNER", "CREATED", "EXPIRES", "NAME"]]
        for key in keys {
            rows.append([
                key.id, key.state, key.kind, key.scopes.isEmpty ? "-" : key.scopes.joined(separator: ","),
                key.owner.isEmpty ? "-" : key.owner, key.createdAt, key.expiresAt ?? "never",
                legible(key.name, scalars: 255),
            ])
        }
        let widths = rows[0].indices.dropLast().map { column in rows.map { $0[column].count }.max()! }
        return rows.map { row in
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count + 2) }.joined() + row.last! + "\n"
        }.joined()
    }
}

/// The answer to `POST /keys`: the one time that the key itself is told.
struct MadeKey: Codable {
    var key: String
    var description: KeyDescription
}

/// The JSON of admin answers: names with underscores.
enum AdminJSON {
    static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else {
            preconditionFailure("strings and finite numbers always encode")
        }
        return Array(data)
    }

    static func decode<Value: Decodable>(_ json: [UInt8], as type: Value.Type) -> Value? {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try? decoder.decode(type, from: Data(json))
    }
}
