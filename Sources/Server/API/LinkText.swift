import HTTP
import Links
import Primitives
import Store

/// A link as clients see it.
struct LinkText {
    let code: [UInt8]
    let isAlias: Bool
    let stamp: Stamp
    let origin: Origin
    let body: LinkBody
    let isBlocked: Bool
    let publicURL: String
    /// The name of the region that the link was made in.
    let region: String

    var shortURL: String { publicURL + "/" + String(decoding: code, as: UTF8.self) }

    /// Changes with every write of the link, wherever it is made (RFC 9110 8.8.3).
    var entityTag: String { Self.entityTag(stamp, origin) }

    static func entityTag(_ stamp: Stamp, _ origin: Origin) -> String {
        "\"\(String(stamp.rawValue, radix: 16))-\(String(origin.incarnation, radix: 16))\""
    }

    var json: [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.reserveCapacity(512)
        json.append(jsonKey: "short_code", utf8: code)
        json.append(jsonKey: "short_url", string: shortURL)
        json.append(jsonKey: "long_url", utf8: body.destination)
        json.append(jsonKey: "created_at", string: CalendarTime(body.createdAt(writtenAt: stamp)).rfc3339)
        json.append(jsonKey: "updated_at", string: CalendarTime(stamp.instant).rfc3339)
        json.append(jsonKey: "expires_at", string: body.expiresAt.map { CalendarTime($0).rfc3339 })
        json.append(jsonKey: "is_active", bool: !body.flags.contains(.inactive))
        if isBlocked { json.append(jsonKey: "is_blocked", bool: true) }
        json.append(jsonKey: "custom_alias", string: isAlias ? String(decoding: code, as: UTF8.self) : nil)
        json.append(jsonKey: "title", string: body.title)
        json.append(jsonKey: "tags", strings: body.tags)
        json.append(jsonKey: "forward_query", bool: body.flags.contains(.forwardsQuery))
        json.append(jsonKey: "region", string: region)
        json.append(jsonKey: "owner", string: body.owner.map { String(decoding: $0, as: UTF8.self) })
        json.append(UInt8(ascii: "}"))
        return json
    }
}
