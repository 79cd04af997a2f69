/// What a proxy may say first on a connection: the PROXY protocol, versions 1 and 2 (HAProxy, "The PROXY protocol",
/// 2020-03-05). Only looked for where the peer is trusted. No HTTP request can begin with either: a method of that name
/// is followed by a path, and no line of a request is a NUL.
package enum ProxyHeader {
    package enum Outcome: Equatable, Sendable {
        /// The connection begins with something else.
        case absent
        /// It may become a header; more must come.
        case incomplete
        /// So many bytes, and the client's address; nil if the proxy speaks for itself or for no IP client.
        case complete(byteCount: Int, client: IPAddress?)
        case malformed
    }

    /// Of a header, in bytes; a longer one of version 2 is malformed, though it could be 64 KiB long.
    package static let longest = 2048
    private static let longestLine = 107
    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]
    private static let words = ["PROXY TCP4 ", "PROXY TCP6 ", "PROXY UNKNOWN"].map { Array($0.utf8) }

    package static func read(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        if bytes.isEmpty { return .incomplete }
        if bytes.starts(with: signature) { return binary(bytes) }
        if words.contains(where: { bytes.starts(with: $0) }) { return line(bytes) }
        let canBecome = ([signature] + words).contains { $0.starts(with: bytes) }
        return canBecome ? .incomplete : .absent
    }

    /// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 CR LF`
    private static func line(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        guard let end = bytes.prefix(longestLine).firstIndex(of: 0x0A) else {
            return bytes.count < longestLine ? .incomplete : .malformed
        }
        guard end > 0, bytes[end - 1] == 0x0D else { return .malformed }
        let parts = bytes[..<(end - 1)].split(separator: 0x20, omittingEmptySubsequences: false)
        // Whatever stands behind UNKNOWN is to be ignored.
        if parts[1].elementsEqual("UNKNOWN".utf8) { return .complete(byteCount: end + 1, client: nil) }
        let isIPv6 = parts[1].elementsEqual("TCP6".utf8)
        guard parts.count == 6, let client = IPAddress(parts[2]), IPAddress(parts[3]) != nil,
            isIPv6 == parts[2].contains(UInt8(ascii: ":")), isIPv6 == parts[3].contains(UInt8(ascii: ":")),
            isPort(parts[4]), isPort(parts[5])
        else { return .malformed }
        return .complete(byteCount: end + 1, client: client)
    }

    private static func isPort(_ text: Slice<UnsafeRawBufferPointer>) -> Bool {
        guard (1...5).contains(text.count), text.allSatisfy(\.isDigit) else { return false }
        return text.reduce(0) { $0 * 10 + Int($1 & 0x0f) } <= 65_535
    }

    /// Signature, version and command, family and transport, length; then the addresses, the client's first.
    private static func binary(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        guard bytes.count >= 16 else { return .incomplete }
        let length = Int(bytes[14]) << 8 | Int(bytes[15])
        let (version, command, family) = (bytes[12] >> 4, bytes[12] & 0x0f, bytes[13] >> 4)
        guard version == 2, command <= 1, 16 + length <= longest else { return .malformed }
        let addresses = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(16))
        var client: IPAddress?
        // Command 0: the proxy asks for itself, and no address counts.
        if command == 1 {
            let needed = [0, 12, 36, 216]
            guard family < needed.count, bytes[13] & 0x0f <= 2, length >= needed[Int(family)] else { return .malformed }
            guard bytes.count >= 16 + length else { return .incomplete }
            switch family {
            case 1: client = IPAddress(ipv4: UInt32(bigEndian: addresses.loadUnaligned(as: UInt32.self)))
            case 2: client = IPAddress(ipv6: UnsafeRawBufferPointer(rebasing: addresses[..<16]))
            default: break
            }
        }
        return bytes.count >= 16 + length ? .complete(byteCount: 16 + length, client: client) : .incomplete
    }
}
