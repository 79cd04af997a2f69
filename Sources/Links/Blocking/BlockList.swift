import Primitives

/// Bounds of block lists.
package enum BlockListLimits {
    /// Files at once: their number has four bits of an entry.
    package static let lists = 16
    package static let lineBytes = 4096
    /// Of a URL prefix, as it is normalised.
    static let prefixBytes = Destination.maxSizeBytes
    /// Of all lists together: 1.4 GiB of domains, or 2.9 GiB of prefixes with a host each.
    package static let entries = 1 << 26
    /// Wrong lines of one file that are told.
    package static let toldLines = 10
    /// Bytes of a place in the table, of which three quarters are taken.
    static let slotBytes = 16
}

/// The entry that a URL falls under.
package struct BlockMatch: Equatable, Sendable {
    /// Of the list.
    package let list: String
    /// In its file, from 1; nil beyond the lines that are told apart.
    package let line: Int?
}

/// Domains, hosts and prefixes of URLs that no link may lead to: for each a hash of 96 bits with a key of its own, in a table
/// with open addressing. No text is kept. Of ten million entries and thirty look-ups for a URL, one of 10²⁰ URLs is taken
/// for one that is listed; and nobody outside knows which, because nobody knows the key.
///
///     place     16 bytes   hash (12), and 32 bits:  31…29 kind   28…25 list   24…0 line
///
/// A value does not change, so that threads may share it.
package struct BlockList: Sendable {
    /// Of the entries that have one hash.
    struct Kind: OptionSet {
        let rawValue: UInt32
        /// The name itself, or all URLs that begin so.
        static let covers = Kind(rawValue: 1 << 29)
        /// The name and all names below it.
        static let coversBelow = Kind(rawValue: 1 << 30)
        /// There are prefixes of URLs with this host, or with this host and path and a query behind.
        static let hasPrefixes = Kind(rawValue: 1 << 31)

        static let blocking: Kind = [.covers, .coversBelow]
    }

    struct Slot {
        var high: UInt64 = 0
        var low: UInt32 = 0
        /// 0: the place is free.
        var value: UInt32 = 0

        var kind: Kind { Kind(rawValue: value & 0b111 << 29) }
    }

    static let lineMask: UInt32 = 1 << 25 - 1

    /// In the order of their hashes, but for what had to move on. One at least is free.
    private var slots: [Slot]
    private let key: (UInt64, UInt64)
    private var used = 0
    /// Of URL prefixes, one bit for each that there is.
    private var prefixLengths = [UInt64](repeating: 0, count: BlockListLimits.prefixBytes / 64 + 1)
    package internal(set) var lists: [Figures] = []
    /// Of what is in the lists, whatever the order and the comments; lists of other names or entries have another.
    package private(set) var fingerprint = UInt128(0)

    /// What was read of one list.
    package struct Figures: Equatable, Sendable {
        package let name: String
        package internal(set) var entries = 0
        /// Those that say something, and of them those that could not be read.
        package internal(set) var lines = 0
        package internal(set) var wrongLines = 0
        /// The first of them.
        package internal(set) var told: [WrongLine] = []
    }

    package init() {
        slots = [Slot](repeating: Slot(), count: 64)
        key = (.random(in: 0 ... .max), .random(in: 0 ... .max))
    }

    package var isEmpty: Bool { used == 0 }
    package var entryCount: Int { lists.reduce(0) { $0 + $1.entries } }
    package var sizeBytes: Int { slots.capacity * MemoryLayout<Slot>.stride }

    // MARK: Looking up

    /// Nil if nothing is listed that covers the URL. Of several lists the first one's entry, of a name the widest.
    ///
    /// - forwardsQuery: the visitor's query may come behind it. Where it has none, prefixes with any cover it then.
    package func find(_ url: NormalisedURL, forwardsQuery: Bool = false) -> BlockMatch? {
        if used == 0 || url.hostEnd == 0 { return nil }
        let bytes = url.bytes
        let own = slot(bytes, 0..<url.hostEnd)
        if let own, !own.kind.isDisjoint(with: .blocking) { return match(own) }
        if url.isName {
            for index in 1..<url.hostEnd where bytes[index - 1] == ASCII.dot {
                if let above = slot(bytes, index..<url.hostEnd), above.kind.contains(.coversBelow) {
                    return match(above)
                }
            }
        }
        let pathEnd = bytes.firstIndex(of: ASCII.question) ?? bytes.count
        let path = forwardsQuery || pathEnd < bytes.count ? slot(bytes, 0..<pathEnd) : nil
        let hasQueries = path?.kind.contains(.hasPrefixes) == true
        if hasQueries || own?.kind.contains(.hasPrefixes) == true,
            let found = findPrefix(of: bytes, hostEnd: url.hostEnd)
        {
            return found
        }
        guard let path, hasQueries, forwardsQuery, pathEnd + 1 >= bytes.count else { return nil }
        return match(path)
    }

    private func findPrefix(of bytes: [UInt8], hostEnd: Int) -> BlockMatch? {
        for (index, word) in prefixLengths.enumerated() {
            var rest = word
            while rest != 0 {
                let length = index * 64 + rest.trailingZeroBitCount
                rest &= rest - 1
                guard length <= bytes.count else { return nil }
                guard length > hostEnd, let found = slot(bytes, 0..<length), found.kind.contains(.covers) else {
                    continue
                }
                return match(found)
            }
        }
        return nil
    }

    private func match(_ slot: Slot) -> BlockMatch {
        let line = slot.value & Self.lineMask
        return BlockMatch(
            list: lists[Int(slot.value >> 25 & 15)].name, line: line == Self.lineMask ? nil : Int(line))
    }

    private func slot(_ bytes: [UInt8], _ range: Range<Int>) -> Slot? {
        let (high, low) = hash(bytes, range)
        let found = slots[place(high, low)]
        return found.value == 0 ? nil : found
    }

    private func hash(_ bytes: [UInt8], _ range: Range<Int>) -> (UInt64, UInt32) {
        let hash = unsafe SipHash.hash24x128(bytes.span.bytes.extracting(range), key0: key.0, key1: key.1)
        return (UInt64(truncatingIfNeeded: hash), UInt32(truncatingIfNeeded: hash >> 64))
    }

    /// Where the hash stands, or would.
    private func place(_ high: UInt64, _ low: UInt32) -> Int {
        var place = Int(high.multipliedFullWidth(by: UInt64(slots.count)).high)
        while slots[place].value != 0, slots[place].high != high || slots[place].low != low {
            place += 1
            if place == slots.count { place = 0 }
        }
        return place
    }

    // MARK: Adding

    enum Entry { case domain, host, prefix }

    /// An entry of the last list. Where the same is listed already the earlier list keeps it, but that a domain covers more
    /// than a host.
    mutating func add(_ entry: Entry, _ url: NormalisedURL, line: Int) {
        let end = entry == .prefix ? url.bytes.count : url.hostEnd
        let value = UInt32(lists.count - 1) << 25 | min(Self.lineMask, UInt32(clamping: line))
        if entry == .prefix {
            precondition(end <= BlockListLimits.prefixBytes)
            prefixLengths[end / 64] |= 1 << UInt64(end % 64)
            // What begins with a query has the path before it, so that this takes no more room than the host would.
            put(url.bytes, 0..<(url.bytes.firstIndex(of: ASCII.question) ?? url.hostEnd), .hasPrefixes, value)
        }
        put(url.bytes, 0..<end, entry == .domain ? .blocking : .covers, value)
        lists[lists.count - 1].entries += 1
        note(entry, Array(url.bytes[..<end]))
    }

    private mutating func put(_ bytes: [UInt8], _ range: Range<Int>, _ kind: Kind, _ value: UInt32) {
        let (high, low) = hash(bytes, range)
        let place = place(high, low)
        let old = slots[place].kind
        if old.isEmpty {
            slots[place] = Slot(high: high, low: low, value: kind.rawValue | value)
            used += 1
            if used * 4 > slots.count * 3 { resize(slots.count + slots.count / 2 + 1) }
        } else {
            // Who blocks first, and then who blocks most, is named.
            let isWider = !kind.isDisjoint(with: .blocking) && !old.contains(.coversBelow)
            let isNamed = isWider && (old.isDisjoint(with: .blocking) || kind.contains(.coversBelow))
            let source = isNamed ? value : slots[place].value & ~(0b111 << 29)
            slots[place].value = old.union(kind).rawValue | source
        }
    }

    /// Nothing more is added: the table needs no room to grow.
    mutating func compact() { resize(used + used / 3 + 1) }

    private mutating func resize(_ count: Int) {
        precondition(count > used)
        var old = [Slot](repeating: Slot(), count: count)
        swap(&old, &slots)
        for slot in old where slot.value != 0 { slots[place(slot.high, slot.low)] = slot }
    }

    /// A sum, so that neither the order of entries nor that of lists counts.
    private mutating func note(_ entry: Entry, _ text: [UInt8]) {
        var bytes = Array(lists[lists.count - 1].name.utf8)
        // 3 was for all prefixes, before those with a query covered links that take the visitor's: that judges anew.
        bytes.append(entry == .domain ? 1 : entry == .host ? 2 : text.contains(ASCII.question) ? 4 : 3)
        bytes += text
        fingerprint &+= unsafe SipHash.hash24x128(bytes.span.bytes, key0: 0x62_6c6f_636b, key1: 0x6c69_7374)
    }
}
