import Primitives
import Testing

@Suite struct CalendarTimeTests {
    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"),
        (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),
        (951_782_400_123, "Tue, 29 Feb 2000 00:00:00 GMT", "2000-02-29T00:00:00.123Z"),
        (-1, "Wed, 31 Dec 1969 23:59:59 GMT", "1969-12-31T23:59:59.999Z"),
        (253_402_300_799_000, "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59Z"),
    ])
    func known(milliseconds: Int64, http: String, rfc3339: String) {
        let instant = Instant(milliseconds: milliseconds)
        #expect(CalendarTime(instant).httpDate == http)
        #expect(CalendarTime(instant).rfc3339 == rfc3339)
        #expect(Instant(rfc3339: rfc3339) == instant)
    }

    @Test func everyDayOfFourCenturies() {
        var expected = (year: 1900, month: 1, day: 1)
        for day in CalendarTime.days(year: 1900, month: 1, day: 1)..<CalendarTime.days(year: 2301, month: 1, day: 1) {
            let date = CalendarTime(Instant(milliseconds: Int64(day) * 86_400_000))
            #expect((date.year, date.month, date.day) == expected)
            let leap = expected.year % 4 == 0 && expected.year % 100 != 0 || expected.year % 400 == 0
            let lengths = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            expected.day += 1
            if expected.day > lengths[expected.month - 1] { expected = (expected.year, expected.month + 1, 1) }
            if expected.month > 12 { expected = (expected.year + 1, 1, 1) }
        }
    }

    @Test(arguments: [
        ("1985-04-12T23:20:50.52Z", 482_196_050_520), ("1996-12-19T16:39:57-08:00", 851_042_397_000),
        ("1990-12-31T23:59:60Z", 662_688_000_000), ("1985-04-12t23:20:50.5299z", 482_196_050_529),
        ("2026-01-01T00:00:00+23:59", 1_767_139_260_000),
    ])
    func rfc3339(text: String, milliseconds: Int64) {
        #expect(Instant(rfc3339: text) == Instant(milliseconds: milliseconds))
    }

    @Test(arguments: [
        "", "1985-04-12", "1985-04-12T23:20:50", "1985-02-29T00:00:00Z", "1985-13-01T00:00:00Z", "1985-00-01T00:00:00Z",
        "1985-01-00T00:00:00Z", "1985-01-01T24:00:00Z", "1985-01-01T00:60:00Z", "1985-01-01T00:00:61Z",
        "1985-01-01T00:00:00.Z", "1985-01-01T00:00:00ZZ", "1985-01-01T00:00:00+24:00", "1985-01-01T00:00:00+01",
        "1985-01-01T00:00:00é", "1985\u{0d}01-01T00:00:00Z", "1985-01-01T00\u{1a}00:00Z", "1985-01-01\u{0}00:00:00Z",
        "1985-01-01T00:00:00\u{0e}5Z", "1985-01-01T00:00:00\u{0b}01:00", "+985-01-01T00:00:00Z",
    ])
    func refused(text: String) { #expect(Instant(rfc3339: text) == nil) }
}

@Suite struct InstantTests {
    @Test func saturates() {
        #expect(Instant(milliseconds: .max).advanced(byMilliseconds: 1).milliseconds == .max)
        #expect(Instant(milliseconds: .min).advanced(byMilliseconds: -1).milliseconds == .min)
        #expect(Instant(milliseconds: .max).millisecondsSince(Instant(milliseconds: -1)) == .max)
        #expect(Instant(milliseconds: .min).millisecondsSince(Instant(milliseconds: 1)) == .min)
        #expect(Instant(milliseconds: 5).millisecondsSince(Instant(milliseconds: 7)) == -2)
    }
}

@Suite struct HashTests {
    /// The reference implementation's vectors: key 00…0f, message 00, 01, 02, … of each length.
    @Test func sipHash24() {
        let key0: UInt64 = 0x0706_0504_0302_0100
        let key1: UInt64 = 0x0f0e_0d0c_0b0a_0908
        let vectors: [(Int, UInt64)] = [
            (0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd), (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5),
        ]
        for (length, expected) in vectors {
            let message = (0..<length).map { UInt8($0) }
            #expect(SipHash.hash24(message.span.bytes, key0: key0, key1: key1) == expected)
        }
        let empty = SipHash.hash24x128([UInt8]().span.bytes, key0: key0, key1: key1)
        #expect(UInt64(truncatingIfNeeded: empty).bigEndian == 0xa381_7f04_ba25_a8e6)
        #expect(UInt64(truncatingIfNeeded: empty >> 64).bigEndian == 0x6df6_7214_c755_0293)
    }

    /// Of messages 0, 1, 2 …, as above; every length of the last word.
    @Test(
        arguments: [
            (0, 0xabac_0158_050f_c4dc), (1, 0xc9f4_9bf3_7d57_ca93), (2, 0x82cb_9b02_4dc7_d44d),
            (3, 0x8bf8_0ab8_e7dd_f7fb), (4, 0xcf75_5760_88d3_8328), (5, 0xdef9_d52f_4953_3b67),
            (6, 0xc50d_2b50_c59f_22a7), (7, 0xd392_7d98_9bb1_1140), (8, 0x3690_9511_8d29_9a8e),
            (15, 0xd320_d86d_2a51_9956), (16, 0xcc4f_dd1a_7d90_8b66), (17, 0x9cf2_6890_63db_d80c),
        ] as [(Int, UInt64)])
    func sipHash13(length: Int, expected: UInt64) {
        let message = (0..<length).map { UInt8($0) }
        let hash = SipHash.hash13(
            message.span.bytes, key0: 0x0706_0504_0302_0100, key1: 0x0f0e_0d0c_0b0a_0908)
        #expect(hash == expected)
    }

    @Test func crc32c() {
        func crc(_ bytes: [UInt8]) -> UInt32 {
            var crc = CRC32C()
            crc.append(bytes.span.bytes)
            return crc.value
        }
        #expect(crc(Array("123456789".utf8)) == 0xe306_9283)  // The check value of the CRC catalogue.
        #expect(crc([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)  // RFC 3720 B.4.
        #expect(crc([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        var pieces = CRC32C()
        pieces.append(Array("12345".utf8).span.bytes)
        pieces.append(Array("6789".utf8).span.bytes)
        #expect(pieces.value == 0xe306_9283)
    }
}

@Suite struct BytesTests {
    @Test func integersRoundTrip() throws {
        var random = SeededRandom(seed: 1)
        for _ in 0..<10_000 {
            let value = random.next() >> (random.next() % 64)
            var bytes: [UInt8] = []
            bytes.append(varint: value)
            bytes.append(bigEndian: value)
            bytes.append(bigEndian48: value >> 16)
            bytes.append(lengthPrefixed: [UInt8](repeating: 7, count: Int(value % 300)))
            var span = bytes.span.bytes
            #expect(try span.takeVarint() == value)
            #expect(try span.takeUInt64() == value)
            #expect(try span.takeUInt48() == value >> 16)
            #expect(try span.takeLengthPrefixed().count == Int(value % 300))
            let rest = span.byteCount
            #expect(rest == 0)
        }
    }

    @Test(arguments: [
        [], [0x80], [0x80, 0x00], [0xff, 0x00],
        [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ])
    func varintRefused(bytes: [UInt8]) {
        #expect(throws: MalformedBytes.self) {
            var span = bytes.span.bytes
            _ = try span.takeVarint()
        }
    }

    @Test func lengthBeyondTheInput() {
        let bytes: [UInt8] = [0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2]
        #expect(throws: MalformedBytes.self) {
            var span = bytes.span.bytes
            _ = try span.takeLengthPrefixed()
        }
    }
}

@Test func seededRandomRepeats() {
    var (first, second) = (SeededRandom(seed: 42), SeededRandom(seed: 42))
    #expect((0..<100).allSatisfy { _ in first.next() == second.next() })
}
