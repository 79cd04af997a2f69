import Links
import Primitives
import Testing

private func encoded(_ body: LinkBody) -> [UInt8] {
    var bytes: [UInt8] = []
    body.encode(into: &bytes)
    return bytes
}

/// A body with a random choice of everything that a body can have.
private func randomBody(_ random: inout SeededRandom) -> LinkBody {
    func chance() -> Bool { Bool.random(using: &random) }
    func text(_ most: Int) -> String {
        String((0..<Int.random(in: 0...most, using: &random)).map { _ in "aé日-/?".randomElement(using: &random)! })
    }
    var body = LinkBody()
    body.destination = Array(
        ["https://", "http://", "https://www.", "", "HTTPS://"].randomElement(using: &random)!.utf8)
    body.destination += Array(text(40).utf8)
    if chance() { body.flags.insert(.inactive) }
    if chance() { body.flags.insert(.forwardsQuery) }
    if chance() { body.expiresAt = Instant(milliseconds: Int64.random(in: 0..<1 << 48, using: &random)) }
    if chance() {
        let origin = Origin(region: 0x31, node: 3, incarnation: random.next())
        body.creation = Creation(stamp: random.next(), origin: origin)
    }
    if chance() { body.owner = Array(text(20).utf8) }
    if chance() { body.title = text(30) }
    if chance() { body.tags = (0..<Int.random(in: 1...5, using: &random)).map { _ in text(10) } }
    if chance() { body.claimID = UInt128(random.next()) << 64 | UInt128(random.next()) }
    if chance() { body.importedCreation = Instant(milliseconds: Int64.random(in: 0..<1 << 48, using: &random)) }
    if chance() { body.requestHash = random.next() }
    if chance() { body.unknown = [.init(tag: 9, content: [1, 2]), .init(tag: 1 << 40, content: [])] }
    return body
}

@Suite struct LinkBodyTests {
    @Test func roundTrip() throws {
        var random = SeededRandom(seed: 7)
        for _ in 0..<5000 {
            let body = randomBody(&random)
            let bytes = encoded(body)
            #expect(try LinkBody(decoding: bytes.span.bytes) == body)
            let view = try RedirectView(body: bytes.span.bytes)
            #expect(view.expiresAtMilliseconds == body.expiresAt?.milliseconds ?? .max)
            #expect(
                view.prefix.description + String(decoding: bytes[view.destinationOffset...], as: UTF8.self)
                    == String(decoding: body.destination, as: UTF8.self))
        }
    }

    @Test func plainLinkCostsOneByteBeyondItsDestination() {
        var body = LinkBody()
        body.destination = Array("https://example.com/a".utf8)
        #expect(encoded(body).count == 1 + body.destination.count - "https://".count)
    }

    @Test(
        arguments: [
            [], [0x80],  // No body; a later format.
            [0x04], [0x04, 0x05, 1, 2], [0x04, 0x02, 1, 0],  // Fields that end early.
            [0x04, 0x04, 4, 0, 3, 0],  // Tags that descend.
            [0x04, 0x03, 4, 1, 0xff],  // A title that is no UTF-8.
            [0x04, 0x04, 6, 2, 1, 2],  // A claim id that is too short.
        ] as [[UInt8]])
    func malformed(bytes: [UInt8]) {
        #expect(throws: MalformedBytes.self) { try LinkBody(decoding: bytes.span.bytes) }
    }

    @Test func neverTrapsOnDamage() throws {
        var random = SeededRandom(seed: 8)
        for _ in 0..<20_000 {
            var bytes = encoded(randomBody(&random))
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                bytes[index] = UInt8.random(in: 0...255, using: &random)
            }
            bytes.removeLast(Int.random(in: 0...min(4, bytes.count), using: &random))
            fuzzRecords(bytes.span.bytes)
        }
    }

    @Test(
        arguments: [
            ([], .max, true), ([], 1000, false), ([], 1001, true), (.inactive, .max, false),
            (.deleted, .max, false), (.reduced, .max, false), (.forwardsQuery, .max, true),
        ] as [(LinkBody.Flags, Int64, Bool)])
    func redirects(flags: LinkBody.Flags, expires: Int64, expected: Bool) throws {
        var body = LinkBody()
        body.flags = flags
        if expires != .max { body.expiresAt = Instant(milliseconds: expires) }
        let view = try RedirectView(body: encoded(body).span.bytes)
        #expect(view.redirects(at: Instant(milliseconds: 1000)) == expected)
    }
}

@Suite struct MemberBodyTests {
    /// Fields of unknown tags lie between and behind those that are known.
    @Test func roundTripAndDamage() throws {
        var body = MemberBody()
        (body.isRetired, body.isWitness, body.logFormat) = (true, true, 300)
        body.addresses = ["127.0.0.1:8181", "[::1]:8181"]
        body.unknown = [UnknownField(tag: 3, content: [1, 2]), UnknownField(tag: 1 << 40, content: [])]
        var whole: [UInt8] = []
        body.encode(into: &whole)
        #expect(try MemberBody(decoding: whole.span.bytes) == body)
        var random = SeededRandom(seed: 8)
        for _ in 0..<5000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            bytes.removeLast(Int.random(in: 0...4, using: &random))
            fuzzRecords(bytes.span.bytes)
        }
    }
}

@Suite struct KeyAndEntryTests {
    static let keys: [LinkKey] = [
        .generated(region: 0x31, node: 15, number: 3_521_614_606_207), .snowflake(number: .max),
        .alias(Array("spring-sale".utf8)),
    ]

    @Test(arguments: keys) func keyRoundTrip(key: LinkKey) throws {
        var bytes: [UInt8] = []
        key.encode(into: &bytes)
        #expect(try LinkKey(decoding: bytes.span.bytes) == key)
        let tagOnly = [bytes[0]]
        #expect(throws: MalformedBytes.self) { try LinkKey(decoding: tagOnly.span.bytes) }
    }

    @Test func entryRoundTripAndEveryFlippedBit() throws {
        let entry = LogEntry(kind: LogEntry.Kind.link, sequence: 1 << 40, stamp: 99, key: [3, 97], value: [0, 98, 99])
        var bytes: [UInt8] = []
        entry.encode(into: &bytes)
        #expect(bytes.count == LogEntry.headSizeBytes + 5)
        #expect(try LogEntry(decoding: bytes.span.bytes) == entry)
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: MalformedBytes.self) { try LogEntry(decoding: damaged.span.bytes) }
        }
    }

    @Test func recordRoundTrip() throws {
        var body = LinkBody()
        body.destination = Array("http://example.org".utf8)
        let record = StoredRecord(stamp: 12345, originIndex: 300, body: body)
        var bytes: [UInt8] = []
        record.encode(into: &bytes)
        #expect(try StoredRecord(decoding: bytes.span.bytes) == record)
    }
}
