/// The addresses that begin with the same bits: `10.0.0.0/8`, `2001:db8::/32`, or one address alone.
package struct AddressPrefix: Hashable, Sendable, CustomStringConvertible {
    /// Of all addresses, the first.
    let first: IPAddress
    /// Of the address as it is written: up to 32 for IPv4, up to 128 for IPv6.
    let bits: Int

    /// The addresses that begin as `address` does.
    private init(_ address: IPAddress, bits: Int) {
        precondition((0...Self.length(address)).contains(bits))
        (first, self.bits) = (Self.cut(address, bits), bits)
    }

    package func contains(_ address: IPAddress) -> Bool {
        address.isIPv4 == first.isIPv4 && Self.cut(address, bits) == first
    }

    package var description: String { bits == Self.length(first) ? "\(first)" : "\(first)/\(bits)" }

    private static func length(_ address: IPAddress) -> Int { address.isIPv4 ? 32 : 128 }

    /// Without the bits behind the prefix.
    private static func cut(_ address: IPAddress, _ bits: Int) -> IPAddress {
        let ones = address.isIPv4 ? bits + 96 : bits
        return IPAddress(
            high: address.high & (ones >= 64 ? .max : ~(.max >> UInt64(ones))),
            low: address.low & (ones <= 64 ? 0 : ~(.max >> UInt64(ones - 64))))
    }

    /// Reads what `description` writes; throws with what is wrong.
    init(_ text: Substring) throws(BadValue) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(parts[0].utf8) else {
            throw BadValue(
                problem: "\(quoted(parts[0])) is not an IP address",
                remedy: "write none, or addresses and prefixes with commas between, such as 10.0.0.0/8, ::1")
        }
        var bits = Self.length(address)
        if parts.count == 2 {
            guard let number = try? ValueSyntax.integer(0...bits).read(String(parts[1])) else {
                throw BadValue(
                    problem: "\(quoted(parts[1])) is not how many bits of \(address) count",
                    remedy: "write a number from 0 to \(bits)")
            }
            bits = number
        }
        self.init(address, bits: bits)
        guard first == address else {
            throw BadValue(
                problem: "\(address)/\(bits) has bits behind its prefix",
                remedy: "write \(first)/\(bits), or \(address)")
        }
    }
}
