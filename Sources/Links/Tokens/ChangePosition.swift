import Primitives

/// How far the logs of all lives of all nodes were followed: a version vector as clients get it and give it back, at any
/// node of the cluster.
///
///     version    1        1
///     [origin    10
///      sequence  varint   of the last entry that was followed, from 1 on]   in ascending order of origin
///     crc32c     4        over all before it
///
/// As text it is base64url.
package struct ChangePosition: Equatable, Sendable {
    private struct Place: Equatable {
        let origin: Origin
        var sequence: UInt64
    }

    private static let version: UInt8 = 1
    private static let checksumBytes = 4

    private var places: [Place] = []

    /// Before the first entry of every log.
    package init() {}

    /// 0 for a life of which nothing was followed.
    package subscript(origin: Origin) -> UInt64 {
        get {
            let index = index(of: origin)
            return index < places.count && places[index].origin == origin ? places[index].sequence : 0
        }
        set {
            precondition(newValue >> 48 == 0)
            let index = index(of: origin)
            let isThere = index < places.count && places[index].origin == origin
            switch (isThere, newValue) {
            case (true, 0): places.remove(at: index)
            case (true, _): places[index].sequence = newValue
            case (false, 0): break
            case (false, _): places.insert(Place(origin: origin, sequence: newValue), at: index)
            }
        }
    }

    /// Where `origin` stands, or would.
    private func index(of origin: Origin) -> Int {
        var (low, high) = (0, places.count)
        while low < high {
            let middle = (low + high) / 2
            if places[middle].origin < origin { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Text

    package var text: String {
        var bytes = [Self.version]
        for place in places {
            place.origin.encode(into: &bytes)
            bytes.append(varint: place.sequence)
        }
        bytes.append(bigEndian: Self.checksum(bytes))
        var text: [UInt8] = []
        Base64URL.encode(bytes, into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for whatever `text` never is.
    package init?(text: RawSpan) {
        guard let bytes = Base64URL.decode(text), bytes.count > Self.checksumBytes else { return nil }
        let payload = Array(bytes.dropLast(Self.checksumBytes))
        let checksum = bytes.suffix(Self.checksumBytes).reduce(0) { $0 << 8 | UInt32($1) }
        guard checksum == Self.checksum(payload) else { return nil }
        self.init(payload: payload)
    }

    /// What stands before the checksum.
    init?(payload: [UInt8]) {
        var rest = unsafe payload.span.bytes
        guard let version = try? rest.takeByte(), version == Self.version else { return nil }
        while rest.byteCount > 0 {
            guard let origin = try? Origin(decoding: &rest), let sequence = try? rest.takeVarint(),
                (1..<1 << 48).contains(sequence), places.last.map({ $0.origin < origin }) ?? true
            else { return nil }
            places.append(Place(origin: origin, sequence: sequence))
        }
    }

    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var crc = CRC32C()
        unsafe crc.append(bytes.span.bytes)
        return crc.value
    }
}
