import Primitives

/// The MAC of tokens, under a key that all nodes of a cluster have and nobody else.
package struct TokenKey: Sendable {
    let mac: @Sendable ([UInt8]) -> UInt64

    package init(mac: @escaping @Sendable ([UInt8]) -> UInt64) { self.mac = mac }
}

/// What a client has written, or seen: whoever holds all of these places of logs answers it with at least that.
///
///     version    8 bits            1
///     positions  74 bits each      1 to 4: LifeTag (26), sequence (48); no life twice
///     zero       to a whole byte
///     mac        8 bytes           HMAC-SHA256 of all before it, its first 8 bytes
///
/// As text it is base64url: 26, 38, 50 or 62 characters.
package struct Token: Equatable, Sendable {
    package static let mostPositions = 4
    static let version: UInt8 = 1
    private static let macBytes = 8
    private static let positionBits = LifeTag.bits + 48
    /// Of texts.
    package static let lengths = 26...62

    /// The latest taken in stands first.
    package private(set) var positions: [LogPosition]

    package init(_ position: LogPosition) { positions = [position] }

    /// Takes positions in: of each life the greater one stays. If there are more than four then, those go that were taken
    /// in longest ago.
    package mutating func merge(_ others: [LogPosition]) {
        for position in others.reversed() {
            let known = positions.firstIndex { $0.life == position.life }
            let greater = known.map { max(positions[$0].sequence, position.sequence) } ?? position.sequence
            if let known { positions.remove(at: known) }
            positions.insert(LogPosition(position.life, greater), at: 0)
        }
        if positions.count > Self.mostPositions { positions.removeLast(positions.count - Self.mostPositions) }
    }

    /// Takes positions of other lives in, as oldest, as far as there is room.
    package mutating func fill(with others: [LogPosition]) {
        for position in others where positions.count < Self.mostPositions {
            if !positions.contains(where: { $0.life == position.life }) { positions.append(position) }
        }
    }

    /// Each position as far as `head` says that its life's log goes, if that is further.
    package func raised(to head: (LifeTag) -> UInt64) -> Token {
        var raised = self
        raised.positions = positions.map { LogPosition($0.life, max($0.sequence, head($0.life))) }
        return raised
    }

    /// Nil if nothing is left.
    package func dropping(_ isNeedless: (LogPosition) -> Bool) -> Token? {
        var rest = self
        rest.positions.removeAll(where: isNeedless)
        return rest.positions.isEmpty ? nil : rest
    }

    // MARK: Text

    package func text(_ key: TokenKey) -> [UInt8] {
        var bytes = payload
        bytes.append(bigEndian: key.mac(bytes))
        var text: [UInt8] = []
        text.reserveCapacity(Self.lengths.upperBound)
        Base64URL.encode(bytes, into: &text)
        return text
    }

    private var payload: [UInt8] {
        var bytes = [Self.version]
        var (bits, count): (UInt128, UInt64) = (0, 0)
        for position in positions {
            bits = bits << 26 | UInt128(position.life.rawValue)
            bits = bits << 48 | UInt128(position.sequence)
            count += Self.positionBits
            while count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt128(count)))
            }
            bits &= 1 << UInt128(count) - 1
        }
        if count > 0 { bytes.append(UInt8(truncatingIfNeeded: bits << UInt128(8 - count))) }
        return bytes
    }

    /// Nil for whatever was not written with this key.
    package init?(_ text: RawSpan, _ key: TokenKey) {
        guard Self.lengths.contains(text.byteCount), let bytes = Base64URL.decode(text), bytes.count > Self.macBytes
        else { return nil }
        let payload = Array(bytes.dropLast(Self.macBytes))
        // Compared as one word, so the time tells nothing of where they differ.
        guard bytes.suffix(Self.macBytes).reduce(0, { $0 << 8 | UInt64($1) }) == key.mac(payload) else { return nil }
        self.init(payload: payload)
    }

    /// What `payload` writes; nil for anything else.
    init?(payload bytes: [UInt8]) {
        guard let version = bytes.first, version == Self.version else { return nil }
        let number = UInt64(bytes.count - 1) * 8 / Self.positionBits
        guard (1...UInt64(Self.mostPositions)).contains(number),
            bytes.count - 1 == Int((number * Self.positionBits + 7) / 8)
        else { return nil }
        positions = []
        var (bits, count): (UInt128, UInt64) = (0, 0)
        for byte in bytes.dropFirst() {
            bits = bits << 8 | UInt128(byte)
            count += 8
            guard count >= Self.positionBits else { continue }
            count -= Self.positionBits
            let word = bits >> UInt128(count)
            bits &= 1 << UInt128(count) - 1
            let sequence = UInt64(truncatingIfNeeded: word) & (1 << 48 - 1)
            guard let life = LifeTag(rawValue: UInt32(truncatingIfNeeded: word >> 48)), sequence > 0,
                !positions.contains(where: { $0.life == life })
            else { return nil }
            positions.append(LogPosition(life, sequence))
        }
        guard bits == 0 else { return nil }
    }
}
