/// Where a link leads: one ASCII URL that can stand in `Location` as it is.
///
/// A user's string becomes one only if it is an absolute http or https URL and leads where the policy lets it, judged
/// as a browser would read it (WHATWG URL Standard). A valid URI (RFC 3986) is kept byte for byte: case, dot segments,
/// default port, empty path and fragment too. Anything else that browsers understand is an IRI here and is written as
/// the URI that means the same: UTF-8, percent-encoded, its host in punycode.
package struct Destination: Hashable, Sendable {
    /// Of the string that comes in and of the URL that goes out.
    package static let maxSizeBytes = 2048

    /// Visible ASCII, at most `maxSizeBytes`; a valid URI, but that its fragment may hold a `#`.
    package let bytes: [UInt8]
    /// The host's name in ASCII, without a trailing dot; nil if the host is an address.
    package let hostName: String?

    package init(_ text: String, policy: DestinationPolicy) throws(DestinationError) {
        try self.init(Array(text.utf8), policy: policy)
    }

    /// `text` is UTF-8.
    package init(_ text: [UInt8], policy: DestinationPolicy) throws(DestinationError) {
        guard text.count <= Self.maxSizeBytes else { throw .tooLong(sizeBytes: text.count) }
        try refuseHiddenCharacters(in: text)
        let parts = try URLParts(of: text)
        let host = try Host(in: text, parts)
        try policy.admit(host, at: parts.host.lowerBound)
        hostName = if case .name(let name, _) = host { String(decoding: name, as: UTF8.self) } else { nil }

        let isHostASCII = !text[parts.host].contains { $0 >= 0x80 }
        let isURI = isHostASCII && needsNoEncoding(text, from: parts.authorityEnd)
        bytes = isURI ? text : try Self.encoded(text, parts, host)
        try policy.blockLists?.admit(bytes)
    }

    /// The host is written anew only where its own characters ask for it.
    private static func encoded(
        _ text: [UInt8], _ parts: URLParts, _ host: Host
    ) throws(DestinationError) -> [UInt8] {
        let isPlain = !text[parts.host].contains { $0 >= 0x80 || $0 == ASCII.percent }
        var result = Array(text[..<parts.host.lowerBound])
        result += isPlain ? Array(text[parts.host]) : host.ascii
        result += text[parts.host.upperBound..<parts.authorityEnd]
        appendPercentEncoded(text, from: parts.authorityEnd, to: &result)
        guard result.count <= maxSizeBytes else { throw .tooLong(sizeBytes: result.count) }
        return result
    }
}
