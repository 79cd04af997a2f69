import Primitives

/// Writes a worker's clicks as events. It allocates nothing, and what costs more than a glance (which kind of program a
/// User-Agent names) is remembered in a table of fixed size.
///
/// Safety: belongs to one thread. Its state stands behind a pointer, so that no access to it is checked for exclusivity.
@safe package final class ClickRecorder {
    /// User-Agents that are remembered, in rows of one cache line.
    static let agents = 8192
    private static let row = 8
    /// Of longer fields only so much is looked at.
    static let fieldBytes = 1024

    private struct State {
        var milliseconds: Int64 = 0
        /// The day that the key is for ends here.
        var endOfDay: Int64 = .min
        var key: NetworkKey
        /// The last network that was hashed, and its hash: a connection often asks more than once.
        var network: UInt64 = 0
        var networkHash: UInt64 = 0
        let hash: FoldedHash
    }

    private let state: UnsafeMutablePointer<State>
    /// A row by a hash's upper bits, anywhere in it the hash, its low bit replaced by the class. Zero if nothing is remembered.
    private let known: UnsafeMutablePointer<UInt64>

    /// `key` is the same for all recorders of a node, `hash` of this one's own.
    package init(key: NetworkKey, hash: FoldedHash = .random()) {
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State(key: key, networkHash: key.hash(0), hash: hash))
        unsafe known = UnsafeMutableRawPointer.allocate(byteCount: Self.agents * 8, alignment: 64)
            .bindMemory(to: UInt64.self, capacity: Self.agents)
        unsafe known.initialize(repeating: 0, count: Self.agents)
    }

    deinit {
        unsafe state.deinitialize(count: 1)
        unsafe state.deallocate()
        unsafe known.deallocate()
    }

    /// When the clicks that come now are. To be called at each wake-up, with an instant from 1970 on.
    @inline(__always)
    package func setNow(_ now: Instant) {
        unsafe state.pointee.milliseconds = now.milliseconds
        if unsafe now.milliseconds >= state.pointee.endOfDay { beginDay(now) }
    }

    @inline(never)
    private func beginDay(_ now: Instant) {
        let day = ClickDay(now)
        unsafe state.pointee.key.advance(to: day)
        unsafe state.pointee.endOfDay = (Int64(day.number) + 1) * ClickDay.milliseconds
        unsafe state.pointee.networkHash = state.pointee.key.hash(state.pointee.network)
    }

    /// The part of an address that tells where from and not who, in one word: the first 24 bits of an IPv4 address, 48 of an
    /// IPv6 one. `high` and `low` are the address as IPv6, an IPv4 one mapped (RFC 4291 2.5.5.2), whose network has no upper half.
    @inline(__always)
    package static func network(high: UInt64, low: UInt64) -> UInt64 {
        high == 0 && low >> 32 == 0xffff ? low & ~0xff : high & ~0xffff
    }

    /// Writes a click to `slot`, which has `ClickEvent.slotBytes`. `bytes` holds a request's head, and the ranges are of it;
    /// those of fields that were not sent are empty.
    ///
    /// - Precondition: `code` has 1 to 64 bytes; all ranges are within `bytes`.
    package func record(
        into slot: UnsafeMutableRawPointer, _ bytes: UnsafeRawBufferPointer, code: Range<Int>, isHead: Bool,
        network: UInt64, agent: Range<Int>, referrer: Range<Int>, language: Range<Int>
    ) {
        precondition(!code.isEmpty && code.count <= ClickEvent.codeBytes && code.upperBound <= bytes.count)
        precondition(max(agent.upperBound, referrer.upperBound, language.upperBound) <= bytes.count)
        typealias Offset = ClickEvent.Offset
        if unsafe network != state.pointee.network { remember(network) }
        unsafe slot.storeBytes(of: state.pointee.milliseconds, toByteOffset: Offset.milliseconds, as: Int64.self)
        unsafe slot.storeBytes(of: state.pointee.networkHash, toByteOffset: Offset.network, as: UInt64.self)
        let letters = unsafe Self.language(bytes, language)
        unsafe slot.storeBytes(of: letters, toByteOffset: Offset.language, as: UInt16.self)
        let agentClass = agent.isEmpty ? AgentClass.person.rawValue : unsafe classify(bytes, agent)
        unsafe slot.storeBytes(of: agentClass, toByteOffset: Offset.agent, as: UInt8.self)
        unsafe slot.storeBytes(of: isHead ? 1 : 0, toByteOffset: Offset.isHead, as: UInt8.self)
        let count = code.count
        unsafe slot.storeBytes(of: UInt8(count), toByteOffset: Offset.codeCount, as: UInt8.self)
        unsafe Self.copy(bytes, code, to: slot + Offset.code)
        let host = referrer.isEmpty ? referrer : unsafe Self.host(bytes, referrer)
        unsafe slot.storeBytes(of: UInt8(host.count), toByteOffset: Offset.referrerCount, as: UInt8.self)
        if !host.isEmpty { unsafe Self.copy(bytes, host, to: slot + (Offset.code + count)) }
    }

    @inline(never)
    private func remember(_ network: UInt64) {
        unsafe state.pointee.network = network
        unsafe state.pointee.networkHash = state.pointee.key.hash(network)
    }

    /// Short stretches, which most are, in two words; what then stands behind one means nothing, and fits into the slot.
    @inline(__always)
    private static func copy(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, to target: UnsafeMutableRawPointer) {
        let start = unsafe bytes.baseAddress! + range.lowerBound
        if range.count <= 16, range.lowerBound &+ 16 <= bytes.count {
            unsafe target.storeBytes(of: start.loadUnaligned(as: UInt64.self), as: UInt64.self)
            unsafe target.storeBytes(
                of: start.loadUnaligned(fromByteOffset: 8, as: UInt64.self), toByteOffset: 8, as: UInt64.self)
        } else {
            unsafe target.copyMemory(from: start, byteCount: range.count)
        }
    }

    // MARK: Fields

    @inline(__always)
    private func classify(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> UInt8 {
        let start = unsafe bytes.baseAddress! + range.lowerBound
        let agent = unsafe UnsafeRawBufferPointer(start: start, count: min(range.count, AgentClass.agentBytes))
        let hash = unsafe state.pointee.hash.hash(agent)
        let row = unsafe known + Int(truncatingIfNeeded: hash &>> 54) &* Self.row
        for place in 0..<Self.row {
            let found = unsafe row[place]
            if (found ^ hash) &>> 1 == 0 { return UInt8(truncatingIfNeeded: found & 1) }
        }
        return unsafe learn(agent, hash, row)
    }

    /// In the place of any other of its row.
    @inline(never)
    private func learn(_ agent: UnsafeRawBufferPointer, _ hash: UInt64, _ row: UnsafeMutablePointer<UInt64>) -> UInt8 {
        let agentClass = unsafe AgentClass(agent: agent).rawValue
        unsafe row[Int(hash &>> 1) & (Self.row - 1)] = hash & ~1 | UInt64(agentClass)
        return agentClass
    }

    /// The primary subtag of the first language (RFC 9110 12.5.4), if it has two letters, as it does for nearly everybody;
    /// in small letters, the first one lowest. Else 0.
    @inline(__always)
    private static func language(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> UInt16 {
        guard range.count >= 2 else { return 0 }
        let first = unsafe bytes[range.lowerBound] | 0x20, second = unsafe bytes[range.lowerBound &+ 1] | 0x20
        func isLetter(_ byte: UInt8) -> Bool { byte &- 0x61 < 26 }
        guard isLetter(first), isLetter(second),
            unsafe range.count == 2 || !isLetter(bytes[range.lowerBound &+ 2] | 0x20)
        else { return 0 }
        return UInt16(first) | UInt16(second) &<< 8
    }

    /// The host of an `http` or `https` URL, its last `referrerBytes`; empty if there is none.
    @inline(__always)
    private static func host(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Range<Int> {
        let end = min(range.upperBound, range.lowerBound &+ fieldBytes)
        var start = range.lowerBound &+ 4
        guard range.count >= 8, unsafe isHTTP(bytes, range.lowerBound) else { return 0..<0 }
        if unsafe bytes[start] | 0x20 == 0x73 { start &+= 1 }
        guard unsafe bytes[start] == 0x3A, unsafe bytes[start &+ 1] == 0x2F, unsafe bytes[start &+ 2] == 0x2F else {
            return 0..<0
        }
        start &+= 3
        var offset = start
        while offset < end, unsafe !endsHost(bytes[offset]) { offset &+= 1 }
        return max(start, offset &- ClickEvent.referrerBytes)..<offset
    }

    @inline(__always)
    private static func isHTTP(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Bool {
        let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        return UInt32(littleEndian: word) | 0x2020_2020 == 0x7074_7468
    }

    /// `#`, `/`, `:`, `?` (RFC 3986 3.2), of which none of an IPv6 address stands in a link that people share.
    @inline(__always)
    private static func endsHost(_ byte: UInt8) -> Bool { byte == 0x2F || byte == 0x3A || byte == 0x3F || byte == 0x23 }
}
