/// Hosts that are, or can become, internal to somebody's network: a redirect there would make a visitor's browser, or a
/// program that follows links, reach what strangers cannot (server-side request forgery).

/// IANA IPv4 Special-Purpose Address Registry, multicast and reserved space; the metadata services of clouds are in
/// these ranges (169.254.169.254, 100.100.100.200, 192.0.0.192) but for Azure's.
private let privateIPv4: [(prefix: UInt32, bits: UInt32)] = [
    (0x0000_0000, 8),  // 0/8, this network
    (0x0a00_0000, 8),  // 10/8, private
    (0x6440_0000, 10),  // 100.64/10, shared by carriers' address translators
    (0x7f00_0000, 8),  // 127/8, loopback
    (0xa83f_8110, 32),  // 168.63.129.16, Azure's host agent
    (0xa9fe_0000, 16),  // 169.254/16, link-local
    (0xac10_0000, 12),  // 172.16/12, private
    (0xc000_0000, 24),  // 192.0.0/24, protocol assignments
    (0xc000_0200, 24),  // 192.0.2/24, documentation
    (0xc0a8_0000, 16),  // 192.168/16, private
    (0xc612_0000, 15),  // 198.18/15, benchmarks
    (0xc633_6400, 24),  // 198.51.100/24, documentation
    (0xcb00_7100, 24),  // 203.0.113/24, documentation
    (0xe000_0000, 3),  // 224/4 multicast, 240/4 reserved, broadcast
]

/// IANA IPv6 Special-Purpose Address Registry, without the prefixes that hold an IPv4 address; fd00:ec2::254 is unique
/// local.
private let privateIPv6: [(prefix: UInt128, bits: UInt128)] = [
    (0, 128),  // unspecified
    (1, 128),  // loopback
    (0x0100 << 112, 64),  // discard
    (0x0100 << 112 | 1 << 64, 64),  // dummy prefix
    (0x2001_0002 << 96, 48),  // benchmarks
    (0x2001_0db8 << 96, 32),  // documentation
    (0x3fff << 112, 20),  // documentation
    (0x5f00 << 112, 16),  // segment routing
    (0xfc00 << 112, 7),  // unique local
    (0xfe80 << 112, 10),  // link-local
    (0xfec0 << 112, 10),  // site-local
    (0xff00 << 112, 8),  // multicast
]

func isPrivate(ipv4 address: UInt32) -> Bool {
    privateIPv4.contains { (address ^ $0.prefix) >> (32 - $0.bits) == 0 }
}

func isPrivate(ipv6 address: UInt128) -> Bool {
    privateIPv6.contains { (address ^ $0.prefix) >> (128 - $0.bits) == 0 }
        || embeddedIPv4(address).contains(where: isPrivate(ipv4:))
}

/// Every IPv4 address that `address` leads to, or may, through a translator or a tunnel.
private func embeddedIPv4(_ address: UInt128) -> [UInt32] {
    func bits(from first: UInt128) -> UInt32 { UInt32(truncatingIfNeeded: address >> (96 - first)) }
    let last = bits(from: 96)
    if address >> 32 == 0 { return [last] }  // ::/96, compatible
    if address >> 32 == 0xffff { return [last] }  // ::ffff:0:0/96, mapped
    if address >> 32 == 0xffff_0000 { return [last] }  // ::ffff:0:0:0/96, translated (RFC 2765)
    if address >> 32 == 0x0064_ff9b << 64 { return [last] }  // 64:ff9b::/96, NAT64 (RFC 6052)
    if address >> 80 == 0x0064_ff9b_0001 {
        // 64:ff9b:1::/48, local NAT64 (RFC 8215): the operator's prefix may be /48 to /96. Of those shorter than /96
        // only /64 does not leave zeros, a private address, in the last 32 bits.
        return address & 0xff_ffff == 0 ? [last, bits(from: 72)] : [last]
    }
    if address >> 112 == 0x2002 { return [bits(from: 16)] }  // 6to4
    if address >> 96 == 0x2001_0000 { return [bits(from: 32), ~last] }  // Teredo: server, client (RFC 4380)
    return []
}

/// Final labels that only private networks resolve (RFC 6761, RFC 6762, RFC 8375, ICANN's .internal), and those that
/// hosts files give to the loopback address.
private let privateSuffixes = [
    "local", "internal", "home.arpa", "localhost", "localdomain", "localhost4", "localdomain4", "localhost6",
    "localdomain6",
].map { Array($0.utf8) }

/// `name` is in lower case and has no trailing dot. A single label has no meaning but a private one.
func isPrivateName(_ name: [UInt8]) -> Bool {
    guard name.contains(ASCII.dot) else { return true }
    return privateSuffixes.contains { suffix in
        let start = name.count - suffix.count
        guard start >= 0, name.last == suffix.last, start == 0 || name[start - 1] == ASCII.dot else { return false }
        return name[start...].elementsEqual(suffix)
    }
}
