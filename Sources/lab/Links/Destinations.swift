import Glibc
import Primitives

/// Where the links of a built store lead: told by a link's place, so that no list is kept. The same seed gives the same.
package struct Destinations: Sendable {
    private enum Source {
        /// A line of a file for each link, drawn anew for each.
        case lines([UInt8], ends: [Int])
        case generated
    }

    /// Lengths in bytes, of which each is as frequent as the others: what 20 000 URLs of the public web show, whose mean
    /// is 57.6.
    package static let lengths = [
        21, 26, 31, 34, 37, 39, 41, 42, 43, 44, 45, 46, 46, 47, 48, 50, 52, 52, 52, 54, 56, 59, 62, 66, 71, 76, 81, 87,
        93, 99, 109, 129,
    ]

    private let source: Source
    private let seed: UInt64

    package init(seed: UInt64) { (source, self.seed) = (.generated, seed) }

    /// `file` has one URL a line.
    package init(file: String, seed: UInt64) throws {
        var bytes = Array(try readTextFile(file).utf8)
        if let last = bytes.last, last != UInt8(ascii: "\n") { bytes.append(UInt8(ascii: "\n")) }
        let ends = bytes.indices.filter { bytes[$0] == UInt8(ascii: "\n") }
        guard !ends.isEmpty else { throw LabError("\(file) is empty") }
        for (start, end) in zip([0] + ends.map { $0 + 1 }, ends) where !(8...2048).contains(end - start) {
            throw LabError("\(file) has a line of \(end - start) bytes, which is no URL")
        }
        (source, self.seed) = (.lines(bytes, ends: ends), seed)
    }

    /// That of the link which was made after `place` others.
    package subscript(place: Int) -> [UInt8] {
        let hash = SipHash.hash13(UInt64(place), key0: seed, key1: 0)
        switch source {
        case .lines(let bytes, let ends):
            let line = Int(hash.multipliedFullWidth(by: UInt64(ends.count)).high)
            return Array(bytes[(line == 0 ? 0 : ends[line - 1] + 1)..<ends[line]])
        case .generated: return generated(hash)
        }
    }

    private static let start = Array("https://".utf8)
    private static let domain = Array(".org/".utf8)
    /// Letters by their frequency in English, roughly, and what stands between words of a path.
    private static let letters = Array("eeeeeetttaaaooiiinnnssshhrrrddllccuummwwffggyyppbbvkjxqz0123/-/-".utf8)

    private func generated(_ hash: UInt64) -> [UInt8] {
        var random = SplitMix(state: hash)
        let length = Self.lengths[Int(truncatingIfNeeded: random.next() % UInt64(Self.lengths.count))]
        var url = Self.start
        url.reserveCapacity(length)
        let host = 4 + Int(truncatingIfNeeded: random.next() % 6)
        while url.count < length {
            var word = random.next()
            for _ in 0..<min(10, length - url.count) {
                let place = url.count - Self.start.count
                let letter = Self.letters[Int(truncatingIfNeeded: word & 63)]
                // A name of letters, `.org/`, then anything.
                switch place - host {
                case ..<0: url.append(letter < UInt8(ascii: "a") ? UInt8(ascii: "e") : letter)
                case 0...4: url.append(Self.domain[place - host])
                default: url.append(letter)
                }
                word >>= 6
            }
        }
        return url
    }
}

/// splitmix64 of Steele, Lea and Flood: cheap to begin, for a generator a link.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
