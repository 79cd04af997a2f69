import Links
import Primitives
import Store

enum BatchLimits {
    static let entries = StoreLimits.batchEntries
    /// Of the request's body.
    static let bodyBytes = 1 << 20
    /// Of all entries' JSON: each with every member and as many tags as there may be.
    static let jsonValues = 1 + entries * 26
    /// Entries that are made at a time, so that others' requests find the writer free.
    static let entriesAtOnce = 16
    /// Batches that are not done, of one client and in all.
    static let unfinishedOfOne = 4
    static let unfinished = 64
    /// After what does not last has kept an entry from being made.
    static let retryMilliseconds: Int64 = 1000
}

/// What a batch's entry is to be: a link by the rules for links, with a host name that is still to be looked up.
///
///     host name  varint, bytes   empty: none
///     alias      varint, bytes   empty: none
///     body       the rest        LinkBody
struct BatchLink {
    let link: NewLink
    let hostName: String?

    init(_ link: NewLink, hostName: String?) { (self.link, self.hostName) = (link, hostName) }

    var content: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(lengthPrefixed: Array((hostName ?? "").utf8))
        bytes.append(lengthPrefixed: link.alias?.bytes ?? [])
        link.body.encode(into: &bytes)
        return bytes
    }

    /// Nil for what no program wrote.
    init?(_ content: [UInt8]) {
        var bytes = content.span.bytes
        guard let name = try? bytes.takeLengthPrefixed(), let aliasBytes = try? bytes.takeLengthPrefixed(),
            let body = try? LinkBody(decoding: bytes)
        else { return nil }
        var alias: Alias?
        if !aliasBytes.isEmpty {
            guard let given = try? Alias(imported: aliasBytes.span.bytes) else { return nil }
            alias = given
        }
        self.init(
            NewLink(alias: alias, body: body), hostName: name.isEmpty ? nil : String(decoding: name, as: UTF8.self))
    }
}

/// How clients know a batch: the character of the region and the number of the node that took it, in hexadecimal, then 32
/// hexadecimal digits.
struct BatchID: Equatable {
    let region: UInt8
    let node: UInt8
    let number: UInt128

    init(region: UInt8, node: UInt8, number: UInt128) {
        (self.region, self.node, self.number) = (region, node, number)
    }

    var text: String { "\(Character(UnicodeScalar(region)))\(String(node, radix: 16))\(number.claimText)" }

    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 34, RegionCharacter(bytes[0]) != nil,
            let node = UInt8(String(UnicodeScalar(bytes[1])), radix: 16),
            let number = UInt128(claimID: String(decoding: bytes[2...], as: UTF8.self))
        else { return nil }
        self.init(region: bytes[0], node: node, number: number)
        guard self.text == text else { return nil }
    }
}

/// What became of an entry, as clients are told.
enum BatchResult {
    /// `problem`: what is not yet as it is to be, of a link that stays.
    static func made(_ link: LinkText, _ problem: Problem? = nil) -> [UInt8] {
        var members: [(name: StaticString, value: [UInt8])] = [("link", link.json)]
        if let problem { members.append(("problem", problem.json)) }
        return json(201, members)
    }

    static func refused(_ problem: Problem) -> [UInt8] { json(problem.status, [("problem", problem.json)]) }

    private static func json(_ status: Int, _ members: [(name: StaticString, value: [UInt8])]) -> [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: "status")
        json += Array(String(status).utf8)
        for (name, value) in members {
            json.append(jsonKey: name)
            json += value
        }
        json.append(UInt8(ascii: "}"))
        return json
    }
}
