/// Why a string is no destination. Offsets count bytes of UTF-8 from its start; a fault of the host as a whole is where
/// the host begins. The cases' names are stable.
package enum DestinationError: Error, Equatable, Sendable {
    case empty
    /// Of what came in, or of the URL that would go out.
    case tooLong(sizeBytes: Int)
    case notUTF8
    case surroundingSpace(at: Int)
    case controlCharacter(at: Int)
    /// One that reorders text or has no width.
    case invisibleCharacter(at: Int)
    /// Begins with no scheme.
    case notAbsolute
    /// Another than http and https.
    case scheme
    case missingHost(at: Int)
    /// Before the path, where browsers take it for a slash and other programs do not.
    case backslash(at: Int)
    case userinfo(at: Int)
    case port(at: Int)
    /// A character that no host may hold, also after percent-decoding and mapping.
    case hostCharacter(at: Int)
    /// An empty or too long label, or too long a name.
    case hostLength(at: Int)
    /// Not valid under UTS 46, or a malformed punycode label.
    case internationalName(at: Int)
    /// Ends in a number, so that browsers read it as IPv4, and is no IPv4 address.
    case ipv4Address(at: Int)
    case ipv6Address(at: Int)
    /// Letters of scripts that do not go together, or that pass for others.
    case mixedScripts(at: Int)
    case privateAddress(at: Int)
    case privateName(at: Int)
    /// One of this service's own names: the link would lead to itself.
    case ownHost(at: Int)
    /// A block list has it. Which one, and which entry, is not told: nobody shall read a list by asking.
    case blockListed

    /// Whether the string is no URL at all, or a URL that is not let through.
    package enum Kind: Sendable { case malformed, refused }

    package var kind: Kind {
        switch self {
        case .empty, .notUTF8, .surroundingSpace, .controlCharacter, .notAbsolute, .missingHost, .backslash, .port,
            .hostCharacter, .hostLength, .internationalName, .ipv4Address, .ipv6Address:
            .malformed
        case .tooLong, .invisibleCharacter, .scheme, .userinfo, .mixedScripts, .privateAddress, .privateName, .ownHost,
            .blockListed:
            .refused
        }
    }

    /// Byte offset in the string that was given; nil where it is about all of it.
    package var offset: Int? {
        switch self {
        case .empty, .tooLong, .notUTF8, .notAbsolute, .scheme, .blockListed: nil
        case .surroundingSpace(let offset), .controlCharacter(let offset), .invisibleCharacter(let offset),
            .missingHost(let offset), .backslash(let offset), .userinfo(let offset), .port(let offset),
            .hostCharacter(let offset), .hostLength(let offset), .internationalName(let offset),
            .ipv4Address(let offset), .ipv6Address(let offset), .mixedScripts(let offset),
            .privateAddress(let offset), .privateName(let offset), .ownHost(let offset):
            offset
        }
    }
}

extension DestinationError: CustomStringConvertible {
    /// One sentence for the user: what is wrong and what would be right. Nothing of the input is in it.
    package var description: String {
        guard let offset else { return sentence + "." }
        return "\(sentence) (at byte \(offset))."
    }

    private var sentence: String {
        switch self {
        case .empty: "The URL is empty; it must be an absolute http or https URL"
        case .tooLong(let size): "The URL has \(size) bytes in ASCII or UTF-8; at most \(Destination.maxSizeBytes) fit"
        case .notUTF8: "The URL is not UTF-8; percent-encode bytes that are not text"
        case .surroundingSpace: "The URL begins or ends with a space; leave it out"
        case .controlCharacter: "The URL has a control character; percent-encode it or leave it out"
        case .invisibleCharacter:
            "The URL has an invisible character that can disguise it; percent-encode it or leave it out"
        case .notAbsolute: "The URL must be absolute and begin with http:// or https://"
        case .scheme: "Only http:// and https:// URLs can be shortened"
        case .missingHost: "The URL has no host; it must begin like https://example.com/"
        case .backslash: "The URL has a backslash before its path; use slashes"
        case .userinfo: "The URL has a user name or password before its host; leave it out"
        case .port: "The port must be a number from 0 to 65535 in digits"
        case .hostCharacter: "The host has a character that no host may have; letters, digits, - and . are right"
        case .hostLength: "The parts of a host name have 1 to 63 bytes each, and together at most 253"
        case .internationalName: "The host is not a valid internationalised name (UTS 46)"
        case .ipv4Address: "A host that ends in a number must be an IPv4 address, like 192.0.2.1"
        case .ipv6Address: "The host must be an IPv6 address in brackets, like [2001:db8::1], without a zone"
        case .mixedScripts: "The host mixes or imitates letters of different scripts, as look-alike names do"
        case .privateAddress: "The host is an address of a private or special network; it must be public"
        case .privateName: "The host is a name of a private network; it must be a public name like example.com"
        case .ownHost: "The URL leads back to this service; give the destination itself"
        case .blockListed: "The URL leads to a place that this service leads nobody to"
        }
    }
}
