import FoundationEssentials
import Links
import Primitives
import Store

/// The JSON body of a create, as it comes.
struct CreateRequest: Decodable {
    let longURL: String
    let customAlias: String?
    let expiresIn: Int64?
    let expiresAt: String?
    let title: String?
    let tags: [String]?

    /// Either form of creating has its own members, and no other is taken: a misspelt one is an error, not ignored.
    enum Form {
        /// `POST /api/v1/urls`
        case full
        /// `POST /shorten`
        case short

        var members: Set<String> {
            switch self {
            case .full: ["long_url", "custom_alias", "expires_in", "expires_at", "title", "tags"]
            case .short: ["long_url", "custom_alias", "expiry"]
            }
        }
    }

    static let formKey = CodingUserInfoKey(rawValue: "form")!

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    struct UnknownMember: Error { let name: String }

    init(from decoder: any Decoder) throws {
        let form = decoder.userInfo[Self.formKey] as? Form ?? .full
        let members = try decoder.container(keyedBy: Key.self)
        if let unknown = members.allKeys.first(where: { !form.members.contains($0.stringValue) }) {
            throw UnknownMember(name: unknown.stringValue)
        }
        longURL = try members.decode(String.self, forKey: Key("long_url"))
        customAlias = try members.decodeIfPresent(String.self, forKey: Key("custom_alias"))
        title = try members.decodeIfPresent(String.self, forKey: Key("title"))
        tags = try members.decodeIfPresent([String].self, forKey: Key("tags"))
        switch form {
        case .full:
            expiresIn = try members.decodeIfPresent(Int64.self, forKey: Key("expires_in"))
            expiresAt = try members.decodeIfPresent(String.self, forKey: Key("expires_at"))
        case .short:
            // Seconds from now, or an instant.
            expiresIn = try? members.decodeIfPresent(Int64.self, forKey: Key("expiry"))
            expiresAt = expiresIn == nil ? try members.decodeIfPresent(String.self, forKey: Key("expiry")) : nil
        }
    }

    /// Throws a `Problem` that says what is wrong with the body.
    static func parse(_ body: [UInt8], _ form: Form) throws(RefusedRequest) -> CreateRequest {
        let decoder = JSONDecoder()
        decoder.userInfo[formKey] = form
        do {
            return try decoder.decode(CreateRequest.self, from: Data(body))
        } catch let unknown as UnknownMember {
            let name = String(unknown.name.prefix(64))
            throw RefusedRequest(.invalidJSON("\"\(name)\" is no member of this body; \(known(form)) are."))
        } catch DecodingError.keyNotFound(let key, _) {
            throw RefusedRequest(.invalidJSON("The member \"\(key.stringValue)\" is missing."))
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw RefusedRequest(
                .invalidJSON(path.isEmpty ? "A JSON object is wanted." : "\"\(path)\" has another type."))
        } catch {
            throw RefusedRequest(.invalidJSON("The body is not valid JSON."))
        }
    }

    private static func known(_ form: Form) -> String { form.members.sorted().joined(separator: ", ") }
}

/// A request that gets a problem for an answer.
struct RefusedRequest: Error {
    let problem: Problem
    init(_ problem: Problem) { self.problem = problem }
}

/// Bounds of what a user may say of a link.
enum LinkLimits {
    static let titleBytes = 512
    static let tags = 16
    static let tagBytes = 64
    /// A hundred years.
    static let expiresInSeconds: Int64 = 3_155_760_000
}

extension CreateRequest {
    /// The link to make, judged by the rules for destinations, aliases and the rest.
    func link(_ policy: DestinationPolicy, _ space: CodeSpace, now: Instant) throws(RefusedRequest) -> NewLink {
        var body = LinkBody()
        do throws(DestinationError) { body.destination = try Destination(longURL, policy: policy).bytes } catch {
            throw RefusedRequest(Problem(error))
        }
        body.expiresAt = try expiry(now)
        if let title {
            guard title.utf8.count <= LinkLimits.titleBytes, Self.isPlain(title) else {
                throw RefusedRequest(
                    .invalid(
                        "invalid-title", "The title is not accepted",
                        "At most \(LinkLimits.titleBytes) bytes without control characters are taken."))
            }
            body.title = title
        }
        body.tags = try checkedTags()
        return NewLink(alias: try alias(space), body: body)
    }

    private func alias(_ space: CodeSpace) throws(RefusedRequest) -> Alias? {
        guard let customAlias else { return nil }
        do throws(AliasError) { return try Alias(Array(customAlias.utf8).span.bytes, in: space) } catch {
            throw RefusedRequest(Problem(error))
        }
    }

    private func expiry(_ now: Instant) throws(RefusedRequest) -> Instant? {
        func refused(_ detail: String) -> RefusedRequest {
            RefusedRequest(.invalid("invalid-expiry", "The expiry is not accepted", detail))
        }
        if expiresIn != nil, expiresAt != nil { throw refused("Give expires_in or expires_at, not both.") }
        if let expiresIn {
            guard (1...LinkLimits.expiresInSeconds).contains(expiresIn) else {
                throw refused("It is a number of seconds from 1 to \(LinkLimits.expiresInSeconds).")
            }
            return now.advanced(byMilliseconds: expiresIn * 1000)
        }
        guard let expiresAt else { return nil }
        guard let instant = Instant(rfc3339: expiresAt) else {
            throw refused("It is no time as RFC 3339 has it, like 2030-01-31T12:00:00Z.")
        }
        guard instant > now else { throw refused("It is in the past.") }
        guard instant.millisecondsSince(now) <= LinkLimits.expiresInSeconds * 1000 else {
            throw refused("It is more than a hundred years away.")
        }
        return instant
    }

    private func checkedTags() throws(RefusedRequest) -> [String] {
        let tags = tags ?? []
        let areFine = tags.allSatisfy { (1...LinkLimits.tagBytes).contains($0.utf8.count) && Self.isPlain($0) }
        guard tags.count <= LinkLimits.tags, areFine, Set(tags).count == tags.count else {
            throw RefusedRequest(
                .invalid(
                    "invalid-tags", "The tags are not accepted",
                    "At most \(LinkLimits.tags) different ones of 1 to \(LinkLimits.tagBytes) bytes without control "
                        + "characters are taken."))
        }
        return tags
    }

    private static func isPlain(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }
}
