import Primitives

/// Names a key: in the log, in lists, and as its owner where none is given. No secret.
package struct KeyID: Hashable, Sendable {
    package let rawValue: UInt128

    package init(_ rawValue: UInt128) { self.rawValue = rawValue }

    /// 16, big-endian.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: rawValue)
        return bytes
    }

    /// Takes the whole of `bytes`.
    package init(decoding bytes: RawSpan) throws(MalformedBytes) {
        var bytes = bytes
        rawValue = UInt128(try bytes.takeUInt64()) << 64 | UInt128(try bytes.takeUInt64())
        guard bytes.byteCount == 0 else { throw MalformedBytes() }
    }

    /// Nil if `text` is not what `description` gives.
    package init?(_ text: some StringProtocol) {
        guard let value = UInt128(base62: Array(text.utf8)[...]) else { return nil }
        rawValue = value
    }
}

extension KeyID: CustomStringConvertible {
    /// 22 characters of base62.
    package var description: String {
        var text: [UInt8] = []
        text.append(base62: rawValue)
        return String(decoding: text, as: UTF8.self)
    }
}

/// An API key as its holder has it: 78 characters, which one look tells to be a key of this program.
///
///     edge_  id (22)  _  secret (2 × 22)  checksum (6)
///
/// All in base62. The secret is 256 random bits. The checksum is CRC-32C of all before it, so that a mistyped key, and
/// what only looks like one to a scanner for leaked secrets, is told from a real one without asking anybody:
/// `edge_[0-9A-Za-z]{22}_[0-9A-Za-z]{50}`.
///
/// It has no description on purpose: nothing prints it by accident.
package struct KeyText: Sendable {
    package let id: KeyID
    /// 32 bytes.
    package let secret: [UInt8]

    package static let sizeBytes = 78
    private static let prefix = Array("edge_".utf8)
    private static let checksumWidth = 6

    package init(id: KeyID, secret: (UInt128, UInt128)) {
        self.id = id
        var bytes: [UInt8] = []
        bytes.append(bigEndian: secret.0)
        bytes.append(bigEndian: secret.1)
        self.secret = bytes
    }

    /// Nil if `text` is no key, or was changed on its way.
    package init?(_ text: [UInt8]) {
        guard text.count == Self.sizeBytes, text.starts(with: Self.prefix), text[27] == UInt8(ascii: "_"),
            let id = UInt128(base62: text[5..<27]), let high = UInt128(base62: text[28..<50]),
            let low = UInt128(base62: text[50..<72]), Self.checksum(text[..<72]).elementsEqual(text[72...])
        else { return nil }
        self.init(id: KeyID(id), secret: (high, low))
    }

    package var text: String {
        var text = Self.prefix
        text.append(base62: id.rawValue)
        text.append(UInt8(ascii: "_"))
        var halves = unsafe secret.span.bytes
        for _ in 0..<2 {
            let (high, low) = (try? halves.takeUInt64(), try? halves.takeUInt64())
            text.append(base62: UInt128(high!) << 64 | UInt128(low!))
        }
        return String(decoding: text + Self.checksum(text[...]), as: UTF8.self)
    }

    private static func checksum(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var crc = CRC32C()
        for byte in text { crc.append(byte) }
        var digits: [UInt8] = []
        digits.append(base62: UInt64(crc.value), width: checksumWidth)
        return digits
    }
}

extension UInt128 {
    /// 22 digits; nil if there are more or fewer, or the number does not fit.
    fileprivate init?(base62 digits: ArraySlice<UInt8>) {
        guard digits.count == [UInt8].base62Width else { return nil }
        var value: UInt128 = 0
        for byte in digits {
            let digit = Base62.digit(of: byte)
            let (product, tooLarge) = value.multipliedReportingOverflow(by: 62)
            let (sum, carry) = product.addingReportingOverflow(UInt128(digit))
            guard digit < 62, !tooLarge, !carry else { return nil }
            value = sum
        }
        self = value
    }
}

extension [UInt8] {
    /// 62^21 < 2^128 < 62^22.
    fileprivate static let base62Width = 22

    /// 22 digits.
    fileprivate mutating func append(base62 value: UInt128) {
        let digits = (0..<Self.base62Width).reduce(into: (rest: value, text: [UInt8]())) { state, _ in
            state.text.append(Base62.character(UInt8(state.rest % 62)))
            state.rest /= 62
        }
        self += digits.text.reversed()
    }
}
