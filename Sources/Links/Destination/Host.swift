/// A host as a browser reads it (WHATWG URL Standard, "host parsing"), whatever its spelling.
enum Host: Sendable {
    /// ASCII in lower case, at least one label, without the trailing dot; `hasTrailingDot` says whether it had one.
    case name([UInt8], hasTrailingDot: Bool)
    case ipv4(UInt32)
    case ipv6(UInt128)

    static let maxLabelSizeBytes = 63
    static let maxNameSizeBytes = 253

    init(in text: [UInt8], _ parts: URLParts) throws(DestinationError) {
        if parts.isBracketed {
            let inside = parts.host.dropFirst().dropLast()
            guard let address = parseIPv6(Array(text[inside])) else { throw .ipv6Address(at: parts.host.lowerBound) }
            self = .ipv6(address)
        } else {
            try self.init(name: text, parts.host)
        }
    }

    private init(name text: [UInt8], _ range: Range<Int>) throws(DestinationError) {
        let allowed = ASCIISet.hostName
        var name: [UInt8] = []
        name.reserveCapacity(range.count)
        var isPlain = true
        for index in range {
            let byte = text[index]
            if !allowed.contains(byte) {
                guard byte >= 0x80 || byte == ASCII.percent else { throw .hostCharacter(at: index) }
                isPlain = false
            }
            name.append(ASCII.lowercased(byte))
        }
        if !isPlain { name = try asciiName(percentDecodedHost(text, range), at: range.lowerBound) }
        try self.init(ascii: name, at: range.lowerBound)
    }

    /// `name` may hold anything that UTS 46 maps to: all is checked here, so that what was typed in Unicode is judged
    /// like its ASCII form.
    private init(ascii name: [UInt8], at offset: Int) throws(DestinationError) {
        var name = name
        let hasTrailingDot = name.count > 1 && name.last == ASCII.dot
        if hasTrailingDot { name.removeLast() }
        guard name.count <= Self.maxNameSizeBytes else { throw .hostLength(at: offset) }
        var labelStart = 0
        var hasPunycode = false
        for index in 0...name.count {
            guard index == name.count || name[index] == ASCII.dot else {
                guard ASCIISet.hostName.contains(name[index]) else { throw .hostCharacter(at: offset) }
                continue
            }
            guard 1...Self.maxLabelSizeBytes ~= index - labelStart else { throw .hostLength(at: offset) }
            if isPunycode(name[labelStart..<index]) { hasPunycode = true }
            if index < name.count { labelStart = index + 1 }
        }
        if isNumber(name[labelStart...]) {
            guard let address = parseIPv4(name) else { throw .ipv4Address(at: offset) }
            self = .ipv4(address)
            return
        }
        if hasPunycode { try checkInternationalName(name, at: offset) }
        self = .name(name, hasTrailingDot: hasTrailingDot)
    }

    /// As it stands in a URL.
    var ascii: [UInt8] {
        switch self {
        case .name(let name, let hasTrailingDot): hasTrailingDot ? name + [ASCII.dot] : name
        case .ipv4(let address):
            Array((0..<4).map { String(address >> (24 - 8 * $0) & 0xff) }.joined(separator: ".").utf8)
        case .ipv6: preconditionFailure("an IPv6 address is ASCII as it comes")
        }
    }

    /// An IPv4 address written as IPv6 is that IPv4 address; and a trailing dot says nothing about which host it is.
    var unmapped: Host {
        switch self {
        case .ipv6(let address) where address >> 32 == 0xffff: .ipv4(UInt32(truncatingIfNeeded: address))
        case .name(let name, _): .name(name, hasTrailingDot: false)
        case .ipv4, .ipv6: self
        }
    }
}

extension Host: Equatable {}

/// "Ends-in-a-number checker" of the WHATWG URL Standard, for the last label.
private func isNumber(_ label: ArraySlice<UInt8>) -> Bool {
    guard let first = label.first, ASCII.isDigit(first) else { return false }
    if label.allSatisfy(ASCII.isDigit) { return true }
    return first == ASCII.zero && label.dropFirst().first == UInt8(ascii: "x")
        && label.dropFirst(2).allSatisfy { ASCII.hexValue($0) != nil }
}

/// The bytes that the host stands for: decoded once, as browsers do.
private func percentDecodedHost(_ text: [UInt8], _ range: Range<Int>) throws(DestinationError) -> [UInt8] {
    var decoded: [UInt8] = []
    var index = range.lowerBound
    while index < range.upperBound {
        if text[index] == ASCII.percent {
            guard index + 2 < range.upperBound, let byte = percentDecoded(text, at: index) else {
                throw .hostCharacter(at: index)
            }
            decoded.append(byte)
            index += 3
        } else {
            decoded.append(text[index])
            index += 1
        }
    }
    return decoded
}
