import Primitives

/// The addresses in `X-Forwarded-For` and in `Forwarded` (RFC 7239), nearest hop first; nil where none stands.
enum ForwardedHops {
    /// Nodes with commas between: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`. At most as many as are
    /// ever followed.
    static func ofXForwardedFor(_ value: UnsafeRawBufferPointer) -> [IPAddress?] {
        var hops: [IPAddress?] = []
        var end = value.count
        while hops.count < TrustedProxies.hops {
            let comma = value[..<end].lastIndex(of: UInt8(ascii: ","))
            hops.append(address(trimmed(value[(comma.map { $0 + 1 } ?? 0)..<end]), isBareIPv6Fine: true))
            guard let comma else { break }
            end = comma
        }
        return hops
    }

    /// The `for` parameters: `for=192.0.2.1`, `For="[2001:db8::1]:80"`. None at all if the field is malformed: quotes
    /// decide where its elements end, so nothing of it can be told for sure.
    static func ofForwarded(_ value: UnsafeRawBufferPointer) -> [IPAddress?] {
        var reader = ForwardedReader(value)
        var hops: [IPAddress?] = []
        while let element = reader.nextElement() {
            hops.append(element.node.flatMap { address($0[...], isBareIPv6Fine: false) })
        }
        return reader.isMalformed ? [] : hops.reversed()
    }

    /// A node with or without its port, which may be a name (RFC 7239 6.2). An IPv6 address stands in brackets, but for
    /// X-Forwarded-For, where it mostly does not.
    private static func address(_ node: some BidirectionalCollection<UInt8>, isBareIPv6Fine: Bool) -> IPAddress? {
        let colon = UInt8(ascii: ":")
        if node.first == UInt8(ascii: "[") {
            guard let close = node.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            let inner = node[node.index(after: node.startIndex)..<close]
            guard inner.contains(colon), isPort(node[node.index(after: close)...]) else { return nil }
            return IPAddress(inner)
        }
        guard let first = node.firstIndex(of: colon) else { return IPAddress(node) }
        if node[node.index(after: first)...].contains(colon) { return isBareIPv6Fine ? IPAddress(node) : nil }
        return isPort(node[first...]) ? IPAddress(node[..<first]) : nil
    }

    /// Nothing, or a colon and one to five digits, or a colon and an obfuscated port: `_` and letters, digits, `.`, `_`,
    /// `-`.
    private static func isPort(_ text: some Collection<UInt8>) -> Bool {
        if text.isEmpty { return true }
        let port = text.dropFirst()
        guard text.first == UInt8(ascii: ":"), let start = port.first else { return false }
        if start != UInt8(ascii: "_") { return port.count <= 5 && port.allSatisfy(\.isDigit) }
        return port.count > 1 && port.allSatisfy { $0.isLetterOrDigit || ".-_".utf8.contains($0) }
    }

    private static func trimmed(_ text: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
        var text = text
        while let byte = text.first, byte == 0x20 || byte == 0x09 { text = text.dropFirst() }
        while let byte = text.last, byte == 0x20 || byte == 0x09 { text = text.dropLast() }
        return text
    }
}

/// Reads the elements of a Forwarded field (RFC 7239 4) in order:
///
///     element = [ pair ] *( ";" [ pair ] )      pair = token "=" ( token / quoted-string )
private struct ForwardedReader {
    private let value: UnsafeRawBufferPointer
    private var offset = 0
    private(set) var isMalformed = false

    init(_ value: UnsafeRawBufferPointer) { self.value = value }

    struct Element {
        /// The value of `for`, unquoted; nil if there is none.
        var node: [UInt8]?
    }

    /// Nil at the end, and where the field is malformed.
    mutating func nextElement() -> Element? {
        guard offset < value.count, !isMalformed else { return nil }
        var element = Element()
        var seen: Set<[UInt8]> = []
        while true {
            skipBlanks()
            if let byte = peek, byte != UInt8(ascii: ";"), byte != UInt8(ascii: ",") {
                guard let (name, text) = pair(), seen.insert(name).inserted else { return fail() }
                if name == Array("for".utf8) { element.node = text }
            }
            skipBlanks()
            switch peek {
            case nil: return element
            case UInt8(ascii: ";"): offset += 1
            case UInt8(ascii: ","):
                offset += 1
                return element
            default: return fail()
            }
        }
    }

    private mutating func fail() -> Element? {
        isMalformed = true
        return nil
    }

    private var peek: UInt8? { offset < value.count ? value[offset] : nil }

    private mutating func skipBlanks() { while peek == 0x20 || peek == 0x09 { offset += 1 } }

    /// The name in small letters.
    private mutating func pair() -> (name: [UInt8], value: [UInt8])? {
        let name = token().map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        guard !name.isEmpty, peek == UInt8(ascii: "=") else { return nil }
        offset += 1
        if peek == UInt8(ascii: "\"") { return quotedString().map { (name, $0) } }
        let text = token()
        return text.isEmpty ? nil : (name, text)
    }

    private mutating func token() -> [UInt8] {
        let start = offset
        while let byte = peek, byte.isLetterOrDigit || "!#$%&'*+-.^_`|~".utf8.contains(byte) { offset += 1 }
        return Array(value[start..<offset])
    }

    /// What stands between the quotes at which it begins; nil without the second one.
    private mutating func quotedString() -> [UInt8]? {
        var text: [UInt8] = []
        offset += 1
        while let byte = peek {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""): return text
            case UInt8(ascii: "\\"):
                guard let escaped = peek else { return nil }
                offset += 1
                text.append(escaped)
            default: text.append(byte)
            }
        }
        return nil
    }
}

/// Reads `bytes` as each field: what is found was written there, and trusting nobody finds the peer.
package func fuzzForwarded(_ bytes: RawSpan) {
    bytes.withUnsafeBytes { bytes in
        let peer = IPAddress(ipv4: 0x0a00_0001)
        let everyone = ["0.0.0.0/0", "::/0"].map { try! AddressPrefix($0) }
        for (first, second) in [(bytes, nil), (nil, bytes), (bytes, bytes)] as [(UnsafeRawBufferPointer?, _)] {
            precondition(
                TrustedProxies([]).client(behind: peer, xForwardedFor: first, forwarded: second) == peer,
                "a peer that is not trusted is the client")
            let client = TrustedProxies(everyone).client(behind: peer, xForwardedFor: first, forwarded: second)
            let text = Array(client.description.utf8)
            precondition(IPAddress(text) == client, "an address must read as it is written")
        }
        let hops = ForwardedHops.ofXForwardedFor(bytes)
        precondition(hops.count <= TrustedProxies.hops && hops.count <= bytes.count + 1)
        if case .complete(let count, _) = ProxyHeader.read(bytes) {
            precondition(count <= bytes.count && count <= ProxyHeader.longest)
            for shorter in 0..<count {
                guard case .incomplete = ProxyHeader.read(UnsafeRawBufferPointer(rebasing: bytes[..<shorter])) else {
                    preconditionFailure("a header's part is neither a header nor wrong")
                }
            }
        }
    }
}
