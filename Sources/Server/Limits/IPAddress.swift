import Glibc

/// An IPv4 or IPv6 address in 16 bytes; an IPv4 address as IPv6 maps it, `::ffff:a.b.c.d` (RFC 4291 2.5.5.2).
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// In the order of the network: the first byte is the highest.
    let high, low: UInt64

    init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    package init(ipv4: UInt32) { self.init(high: 0, low: 0xffff_0000_0000 | UInt64(ipv4)) }

    /// Nil if the socket's peer has no IP address.
    init?(_ peer: borrowing sockaddr_storage) {
        switch Int32(peer.ss_family) {
        case AF_INET:
            let address = withUnsafeBytes(of: peer) { $0.loadUnaligned(as: sockaddr_in.self) }
            self.init(ipv4: UInt32(bigEndian: address.sin_addr.s_addr))
        case AF_INET6:
            let address = withUnsafeBytes(of: peer) { $0.loadUnaligned(as: sockaddr_in6.self) }
            self = withUnsafeBytes(of: address.sin6_addr) { Self(ipv6: $0) }
        default: return nil
        }
    }

    /// The 16 bytes of an IPv6 address.
    init(ipv6 bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == 16)
        self.init(
            high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
            low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }

    /// An address as people write it, without brackets, port and zone; nil for anything else.
    package init?(_ text: some Sequence<UInt8>) {
        var characters: [CChar] = []
        for byte in text {
            // Longer than any address, or nothing that C would read to its end.
            guard characters.count < Int(INET6_ADDRSTRLEN), byte != 0 else { return nil }
            characters.append(CChar(bitPattern: byte))
        }
        let isIPv6 = characters.contains(CChar(UInt8(ascii: ":")))
        characters.append(0)
        var address = in6_addr()
        let bytes = withUnsafeMutableBytes(of: &address) { memory -> IPAddress? in
            guard inet_pton(isIPv6 ? AF_INET6 : AF_INET, characters, memory.baseAddress) == 1 else { return nil }
            return isIPv6
                ? IPAddress(ipv6: UnsafeRawBufferPointer(memory))
                : IPAddress(ipv4: UInt32(bigEndian: memory.load(as: UInt32.self)))
        }
        guard let bytes else { return nil }
        self = bytes
    }

    package var isIPv4: Bool { high == 0 && low >> 32 == 0xffff }

    package var description: String {
        var address = in6_addr()
        withUnsafeMutableBytes(of: &address) { memory in
            if isIPv4 {
                memory.storeBytes(of: UInt32(truncatingIfNeeded: low).bigEndian, as: UInt32.self)
            } else {
                memory.storeBytes(of: high.bigEndian, as: UInt64.self)
                memory.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
        }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            let text = inet_ntop(isIPv4 ? AF_INET : AF_INET6, &address, buffer.baseAddress, socklen_t(buffer.count))
            precondition(text != nil, "an address always has a text")
            return String(cString: buffer.baseAddress!)
        }
    }

    /// The network that a client is known by, in one word: an IPv4 address whole, of an IPv6 address the first 64 bits,
    /// as one user has all of them. Both fit because IPv4's words would lie in 0000::/8, which is nobody's (RFC 4291 2.4).
    package var network: UInt64 { isIPv4 ? low : high }
}
