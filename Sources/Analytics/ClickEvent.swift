import Primitives

/// One click, on its way from a worker to the thread that counts: a place of `slotBytes` in a `SlotRing`. It never leaves the
/// process, so numbers are in the machine's own order.
///
///     offset  size  what
///     0       8     milliseconds since 1970
///     8       8     network of the client, hashed with the day's key; see `NetworkKey`
///     16      2     language: two small letters, or zeros
///     18      1     agent: see `AgentClass`
///     19      1     1 for HEAD
///     20      1     n, of the code
///     21      1     r, of the referrer's host
///     22      2     nothing
///     24      n     the code as it was asked for, 1 to 64 bytes
///     24+n    r     the referrer's host as it was sent, its last 40 bytes at most
///
/// With an ordinary code and host it touches one cache line.
package struct ClickEvent: Equatable, Sendable {
    package static let slotBytes = 128
    package static let codeBytes = 64
    package static let referrerBytes = 40

    enum Offset {
        static let milliseconds = 0, network = 8, language = 16, agent = 18, isHead = 19
        static let codeCount = 20, referrerCount = 21, code = 24
    }

    package var milliseconds: Int64
    package var network: UInt64
    package var language: [UInt8]
    package var agent: AgentClass
    package var isHead: Bool
    package var code: [UInt8]
    package var referrer: [UInt8]

    package init(
        milliseconds: Int64, network: UInt64, language: [UInt8], agent: AgentClass, isHead: Bool, code: [UInt8],
        referrer: [UInt8]
    ) {
        (self.milliseconds, self.network, self.language) = (milliseconds, network, language)
        (self.agent, self.isHead, self.code, self.referrer) = (agent, isHead, code, referrer)
    }

    /// Reads what a `ClickRecorder` wrote. The counting thread looks at the bytes themselves.
    ///
    /// - Precondition: `slot` has `slotBytes`.
    package init(_ slot: UnsafeRawBufferPointer) {
        precondition(slot.count == Self.slotBytes)
        unsafe milliseconds = slot.load(fromByteOffset: Offset.milliseconds, as: Int64.self)
        unsafe network = slot.load(fromByteOffset: Offset.network, as: UInt64.self)
        let letters = unsafe slot.load(fromByteOffset: Offset.language, as: UInt16.self)
        language = letters == 0 ? [] : [UInt8(truncatingIfNeeded: letters), UInt8(truncatingIfNeeded: letters >> 8)]
        agent = unsafe slot[Offset.agent] == AgentClass.bot.rawValue ? .bot : .person
        isHead = unsafe slot[Offset.isHead] != 0
        let end = unsafe Offset.code + Int(slot[Offset.codeCount])
        unsafe code = Array(slot[Offset.code..<end])
        unsafe referrer = Array(slot[end..<end + Int(slot[Offset.referrerCount])])
    }
}

/// Clicks of people, requests of bots, and HEAD requests, which follow no link, whoever sends them.
package struct ClickCounts: Equatable, Sendable {
    package var people: UInt64
    package var bots: UInt64
    package var heads: UInt64

    package init(people: UInt64 = 0, bots: UInt64 = 0, heads: UInt64 = 0) {
        (self.people, self.bots, self.heads) = (people, bots, heads)
    }

    package var sum: UInt64 { people &+ bots &+ heads }

    package static func += (left: inout ClickCounts, right: ClickCounts) {
        left.people &+= right.people
        left.bots &+= right.bots
        left.heads &+= right.heads
    }

    /// Three varints.
    package func encode(into bytes: inout [UInt8]) {
        for count in [people, bots, heads] { bytes.append(varint: count) }
    }

    package init(decoding bytes: inout RawSpan) throws(MalformedBytes) {
        people = try bytes.takeVarint()
        bots = try bytes.takeVarint()
        heads = try bytes.takeVarint()
    }
}

/// A day in UTC, counted from 1970-01-01.
package struct ClickDay: Hashable, Comparable, Sendable {
    package static let milliseconds: Int64 = 86_400_000
    package let number: UInt32

    package init(number: UInt32) { self.number = number }

    /// Instants before 1970 count as its first day.
    package init(_ instant: Instant) {
        number = UInt32(clamping: max(0, instant.milliseconds) / Self.milliseconds)
    }

    package func earlier(by days: Int) -> ClickDay { ClickDay(number: UInt32(clamping: Int(number) - days)) }

    package static func < (left: ClickDay, right: ClickDay) -> Bool { left.number < right.number }

    /// `2026-01-31`.
    package var text: String {
        String(CalendarTime(Instant(milliseconds: Int64(number) * Self.milliseconds)).rfc3339.prefix(10))
    }
}
