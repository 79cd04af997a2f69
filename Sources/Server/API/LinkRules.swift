import Links
import Primitives

/// Bounds of what a user may say of a link.
enum LinkLimits {
    static let titleBytes = 512
    static let tags = 16
    static let tagBytes = 64
    /// A hundred years.
    static let expiresInSeconds: Int64 = 3_155_760_000
}

/// What a user may say of a link, when it is made and when it is changed.
enum LinkRules {
    static func destination(_ url: String, _ policy: DestinationPolicy) throws(RefusedRequest) -> Destination {
        do throws(DestinationError) { return try Destination(url, policy: policy) } catch {
            throw RefusedRequest(Problem(error))
        }
    }

    static func title(_ title: String?) throws(RefusedRequest) -> String? {
        guard let title else { return nil }
        guard title.utf8.count <= LinkLimits.titleBytes, isPlain(title) else {
            throw RefusedRequest(
                Problem(
                    .invalidTitle, "At most \(LinkLimits.titleBytes) bytes without control characters are taken."))
        }
        return title
    }

    static func tags(_ tags: [String]) throws(RefusedRequest) -> [String] {
        let areFine = tags.allSatisfy { (1...LinkLimits.tagBytes).contains($0.utf8.count) && isPlain($0) }
        guard tags.count <= LinkLimits.tags, areFine, Set(tags).count == tags.count else {
            throw RefusedRequest(
                Problem(
                    .invalidTags,
                    "At most \(LinkLimits.tags) different ones of 1 to \(LinkLimits.tagBytes) bytes without control "
                        + "characters are taken."))
        }
        return tags
    }

    /// Nil if neither is given: seconds from now, or an instant as text.
    static func expiry(in seconds: Int64?, at text: String?, now: Instant) throws(RefusedRequest) -> Instant? {
        func refused(_ detail: String) -> RefusedRequest {
            RefusedRequest(Problem(.invalidExpiry, detail))
        }
        if seconds != nil, text != nil { throw refused("Give expires_in or expires_at, not both.") }
        if let seconds {
            guard (1...LinkLimits.expiresInSeconds).contains(seconds) else {
                throw refused("It is a number of seconds from 1 to \(LinkLimits.expiresInSeconds).")
            }
            return now.advanced(byMilliseconds: seconds * 1000)
        }
        guard let text else { return nil }
        guard let instant = Instant(rfc3339: text) else {
            throw refused("It is no time as RFC 3339 has it, like 2030-01-31T12:00:00Z.")
        }
        guard instant > now else { throw refused("It is in the past.") }
        guard instant.millisecondsSince(now) <= LinkLimits.expiresInSeconds * 1000 else {
            throw refused("It is more than a hundred years away.")
        }
        return instant
    }
}

/// Whether `text` may be kept and shown: it has no control characters.
func isPlain(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
}
