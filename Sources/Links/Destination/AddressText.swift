/// The IPv4 parser of the WHATWG URL Standard, which reads what `inet_aton` reads: one to four numbers, decimal, octal
/// (0…) or hexadecimal (0x…), the last of which fills the bytes that are left. Nil if `text` is no address.
func parseIPv4(_ text: [UInt8]) -> UInt32? {
    let parts = text.split(separator: ASCII.dot, omittingEmptySubsequences: false)
    guard 1...4 ~= parts.count else { return nil }
    var address: UInt64 = 0
    for (position, part) in parts.enumerated() {
        guard let number = parseIPv4Number(part) else { return nil }
        let isLast = position == parts.count - 1
        let bits = isLast ? UInt64(8 * (5 - parts.count)) : 8
        guard number < 1 << bits else { return nil }
        address = address << bits | number
    }
    return UInt32(address)
}

/// Saturates far above any part of an address.
private func parseIPv4Number(_ text: ArraySlice<UInt8>) -> UInt64? {
    guard let first = text.first else { return nil }
    var digits = text
    var radix: UInt64 = 10
    if text.count > 1 && first == ASCII.zero {
        let isHexadecimal = text[text.startIndex + 1] | 0x20 == UInt8(ascii: "x")
        radix = isHexadecimal ? 16 : 8
        digits = text.dropFirst(isHexadecimal ? 2 : 1)
    }
    var number: UInt64 = 0
    for byte in digits {
        guard let digit = ASCII.hexValue(byte), digit < radix else { return nil }
        number = min(number * radix + UInt64(digit), 1 << 40)
    }
    return number
}

/// The IPv6 parser of the WHATWG URL Standard, which is RFC 4291 2.2 without zones. `text` is what is between the
/// brackets; nil if it is no address.
func parseIPv6(_ text: [UInt8]) -> UInt128? {
    var pieces: [UInt16] = []
    var compressAt: Int?
    var index = 0
    func byte(_ index: Int) -> UInt8? { index < text.count ? text[index] : nil }
    if byte(0) == ASCII.colon {
        guard byte(1) == ASCII.colon else { return nil }
        index = 2
        compressAt = 0
    }
    while index < text.count {
        guard pieces.count < 8 else { return nil }
        if byte(index) == ASCII.colon {
            guard compressAt == nil else { return nil }
            index += 1
            compressAt = pieces.count
            continue
        }
        let start = index
        var value: UInt16 = 0
        while index < start + 4, let next = byte(index), let digit = ASCII.hexValue(next) {
            value = value << 4 | UInt16(digit)
            index += 1
        }
        if byte(index) == ASCII.dot {
            guard index > start, pieces.count <= 6, let tail = parseDottedQuad(text[start...]) else { return nil }
            pieces += [UInt16(tail >> 16), UInt16(truncatingIfNeeded: tail)]
            break
        }
        if byte(index) == ASCII.colon {
            index += 1
            guard index < text.count else { return nil }
        } else if index < text.count {
            return nil
        }
        pieces.append(value)
    }
    if let compressAt {
        guard pieces.count < 8 else { return nil }
        pieces.insert(contentsOf: repeatElement(0, count: 8 - pieces.count), at: compressAt)
    }
    guard pieces.count == 8 else { return nil }
    return pieces.reduce(0) { $0 << 16 | UInt128($1) }
}

/// Four decimal numbers without leading zeros: how IPv6 writes the IPv4 address at its end.
private func parseDottedQuad(_ text: ArraySlice<UInt8>) -> UInt32? {
    let parts = text.split(separator: ASCII.dot, omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var address: UInt32 = 0
    for part in parts {
        guard 1...3 ~= part.count, part.allSatisfy(ASCII.isDigit), part.count == 1 || part.first != ASCII.zero else {
            return nil
        }
        let number = part.reduce(UInt32(0)) { $0 * 10 + UInt32($1 - ASCII.zero) }
        guard number <= 255 else { return nil }
        address = address << 8 | number
    }
    return address
}
